"""Seconds and megabytes of `sokuon say` from the start of the process to the WAV: `python bench/say.py [COMMAND]`.

COMMAND is the installed `sokuon`, by default the one on the path. The built-in voice says a text, with the usual home
and in one that cannot be written, in turns; the first round reads the files into the page cache and does not count.
Peak memory is what the kernel counted for the process (`ru_maxrss`; mapped pages of files are in it). The home that
cannot be written is a file where the folder should be: the superuser may write anywhere else.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from shared import middle, read_texts, table

HOME_VARIABLES = ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "SOKUON_CACHE")
Measured = tuple[float, float]  # seconds, megabytes


def main() -> None:
    """Print a table, and its figures once more as JSON in the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", default=shutil.which("sokuon"), help="the installed sokuon")
    parser.add_argument("--text", default="short", help=f"one of {', '.join(read_texts())}")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.command is None:
        parser.error("there is no sokuon on the path; name it.")
    with tempfile.TemporaryDirectory() as scratch:
        homes = {"usual home": environment(Path(scratch, "home")), "no writable home": environment(Path(os.devnull))}
        sound = Path(scratch, "said.wav")
        command = [options.command, "say", read_texts()[options.text], "-q", "-o", str(sound)]
        rounds = [{name: said(command, home) for name, home in homes.items()} for _ in range(options.rounds + 1)][1:]
        if not sound.stat().st_size:
            sys.exit("there is no sound")
    results = {name: [once[name] for once in rounds] for name in homes}
    print(table(("", "seconds", "MB"), [row(name, measured) for name, measured in results.items()]))
    print(json.dumps(results))


def environment(home: Path) -> dict[str, str]:
    """This process's, with another home."""
    return {name: value for name, value in os.environ.items() if name not in HOME_VARIABLES} | {"HOME": str(home)}


def said(command: list[str], variables: dict[str, str]) -> Measured:
    """Wall-clock seconds and peak memory (10^6 bytes) of one run, which must succeed."""
    begin = time.perf_counter()
    process = os.posix_spawn(command[0], command, variables)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - begin
    if status:
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss * 1024 / 1e6


def row(name: str, measured: list[Measured]) -> tuple[str, str, str]:
    """Medians, with the least and the most."""
    seconds, megabytes = zip(*measured, strict=True)
    return name, middle(seconds, "", 2), middle(megabytes, "", 0)


if __name__ == "__main__":
    main()
