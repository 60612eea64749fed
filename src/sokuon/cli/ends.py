"""Signals that end a command: each is an exception on the main thread, so that nothing half-written stays.

Such an exception must not come while a compiled module is loaded: pybind11 makes an ImportError of it, which is told as
a missing package, and a module of nanobind that is given up crashes the process. Elsewhere it can get lost: `compile`
forgets what comes while it computes a constant (CPython lets Ctrl-C alone through), so the import of a module without
cached bytecode goes on; what a finalizer or a callback from C raises is printed and forgotten. So the exception waits
while a module is loaded, comes again until it is on its way out, and what was made of it is told to nobody.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader
from types import FrameType

_AGAIN_S = 0.05
_KILLS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_ENDS = (KeyboardInterrupt, SystemExit)


@contextmanager
def clean_ends() -> Iterator[None]:
    """SIGTERM and SIGHUP (as SystemExit) and Ctrl-C (as KeyboardInterrupt) end the block, whatever it does about it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    end = _End()
    try:
        with end.awaited():
            yield
    except Exception:
        if end.number is None:
            raise
    if end.number is not None:
        raise end.exception(end.number)


class _End:
    """`number` is that of the first signal that came."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._process = os.getpid()
        self._repeats = False

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Handle signals that nobody else handles: those that nohup and background jobs ignore go on being ignored."""
        usual = {**dict.fromkeys(_KILLS, signal.SIG_DFL), signal.SIGINT: signal.default_int_handler}
        taken = {number: handler for number, handler in usual.items() if signal.getsignal(number) == handler}
        hook = sys.unraisablehook

        def tell(unraisable: sys.UnraisableHookArgs) -> None:
            if self.number is None or not isinstance(unraisable.exc_value, _ENDS):  # else it comes again
                hook(unraisable)

        sys.unraisablehook = tell
        for number in taken:
            signal.signal(number, self._come)
        try:
            yield
        finally:
            if self._repeats:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
            for number, handler in taken.items():
                signal.signal(number, handler)
            sys.unraisablehook = hook

    @staticmethod
    def exception(number: int) -> BaseException:
        """What ends the block for a signal."""
        return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)

    def _come(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a forked child, whose own affair its end is
            raise self.exception(number)
        first = self.number is None
        if first:
            self.number = number
            self._repeat()
        if self._repeats and _loading(frame):
            return
        if first or number == signal.SIGINT or not _ending():  # a second Ctrl-C does not wait for what cleans up
            raise self.exception(number)

    def _repeat(self) -> None:
        self._repeats = _timer_is_free()
        if self._repeats:
            signal.signal(signal.SIGALRM, self._come_again)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)

    def _come_again(self, _: int, frame: FrameType | None) -> None:
        if self.number is not None and not (_ending() or _loading(frame)):
            raise self.exception(self.number)


def _loading(frame: FrameType | None) -> bool:
    """Whether a compiled module is being loaded there."""
    while frame is not None:
        spec = frame.f_locals.get("spec") if frame.f_code.co_name == "_load_unlocked" else None  # importlib's
        if isinstance(getattr(spec, "loader", None), ExtensionFileLoader):
            return True
        frame = frame.f_back
    return False


def _ending() -> bool:
    """Whether the end is on its way, and interrupted here is what cleans up."""
    error, seen = sys.exc_info()[1], set[int]()
    while error is not None and id(error) not in seen:
        if isinstance(error, _ENDS):
            return True
        seen.add(id(error))
        error = error.__context__
    return False


def _timer_is_free() -> bool:
    """Whether nobody else uses the timer; Windows has none."""
    if not hasattr(signal, "setitimer") or signal.getsignal(signal.SIGALRM) != signal.SIG_DFL:
        return False
    return signal.getitimer(signal.ITIMER_REAL)[0] == 0
