"""`sokuon` and `python -m sokuon`: the command line."""

from __future__ import annotations

import signal


def main() -> None:
    """Entry point. While modules are imported there is nothing to clean up, so Ctrl-C ends at once and quietly."""
    waits = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not so in a shell's background job
    if waits:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sokuon.cli import app

    if waits:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    app.main()


if __name__ == "__main__":
    main()
