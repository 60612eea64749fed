"""Several callers at once on one engine: seconds of sound in a second, all of them together.

    python bench/callers.py [VOICE] [--bert FOLDER] [--library NAME=FILE …] [--text short] [--seconds 6] [--rounds 2]

VOICE is a converted folder, by default the built-in voice. Every native library (by default the package's own) is
loaded by a process of its own; the processes take turns, cell after cell and round after round, and within a cell one
process works alone. A cell is 1, 2, 4 or 8 callers that speak one text after the other, on an engine with a thread for
each processor; as many as processors on it, half of them with a second voice of the same shape; or as many on an
engine with one thread. What they speak in a window of time is counted, of what reaches beyond it the share within.
Ratios are those of one round, to its single caller on all threads, and their median.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

from shared import ROOT, read_texts, table

sys.path.insert(0, str(ROOT / "src"))

CALLERS = (1, 2, 4, 8)
ALL, TWO, ONE = "all threads", "all threads, two voices", "one thread"  # of an engine
OWN = "installed"

Speak = Callable[..., Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice", type=Path, nargs="?")
    parser.add_argument("--bert", type=Path)
    parser.add_argument("--library", nargs="+", default=[], metavar="NAME=FILE")
    parser.add_argument("--text", choices=read_texts(), default="short")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve(options)
    else:
        print(report(measure(options), options))


def cells() -> list[tuple[str, int]]:
    """Engine and callers, the one that all others are compared with first."""
    processors = os.cpu_count() or 1
    return [*((ALL, callers) for callers in CALLERS), (TWO, processors), (ONE, processors)]


def measure(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Per library, per round: cell → seconds of sound in a second."""
    libraries = dict(pair.split("=", 1) for pair in options.library) or {OWN: ""}
    workers = {name: Worker(path) for name, path in libraries.items()}
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
    for turn in range(options.rounds):
        order = list(workers)[:: 1 if turn % 2 == 0 else -1]
        for name in order:
            rounds[name].append({})
        for threads, callers in cells():
            for name in order:
                rounds[name][-1][cell(threads, callers)] = workers[name].ask(threads, callers)
    for worker in workers.values():
        worker.end()
    return rounds


def cell(threads: str, callers: int) -> str:
    return f"{callers} × {threads}"


def report(rounds: dict[str, list[dict[str, float]]], options: argparse.Namespace) -> str:
    from sokuon.measure.machine import describe_machine

    machine = describe_machine()
    first, *rest = (cell(threads, callers) for threads, callers in cells())
    rows = []
    for name, taken in rounds.items():
        ratios = [statistics.median(one[other] / one[first] for one in taken) for other in rest]
        speeds = [statistics.median(one[other] for one in taken) for other in rest]
        cells_ = [f"{speed:.2f}x ({ratio:.1%})" for speed, ratio in zip(speeds, ratios, strict=True)]
        rows.append([name, f"{statistics.median(one[first] for one in taken):.2f}x", *cells_])
    where = f"{machine['processor']}, {machine['processors']}, sokuon on Python {machine['python']}"
    what = f"{options.voice.name if options.voice else 'built-in'}, text {options.text}, {options.rounds} rounds"
    return f"{what}; {where}\n\n{table(['library', first, *rest], rows)}\n\n{json.dumps(rounds)}"


class Worker:
    """A library in a process of its own that measures one cell when it is asked."""

    def __init__(self, library: str) -> None:
        environment = os.environ | ({"SOKUON_NATIVE_LIBRARY": library} if library else {})
        pipe = subprocess.PIPE
        command = [sys.executable, __file__, *sys.argv[1:], "--worker"]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self._read()

    def ask(self, threads: str, callers: int) -> float:
        assert self._process.stdin is not None  # it was opened as a pipe above
        self._process.stdin.write(json.dumps([threads, callers]) + "\n")
        self._process.stdin.flush()
        return float(self._read())

    def end(self) -> None:
        self._process.communicate("\n")

    def _read(self) -> Any:
        assert self._process.stdout is not None  # likewise
        return json.loads(self._process.stdout.readline())


def serve(options: argparse.Namespace) -> None:
    """The worker: says that it is ready, then answers requests until an empty line."""
    import sokuon

    shared = sokuon.load(options.voice, bert=options.bert)
    alone = sokuon.load(options.voice, bert=options.bert, threads=1)
    second = shared.add_voice(options.voice or sokuon.loading.BUILTIN / "voice", name="second")
    text = read_texts()[options.text]
    speaking: dict[str, Sequence[Speak]] = {
        ALL: [partial(shared.speak, text)],
        TWO: [partial(shared.speak, text), partial(shared.speak, text, voice=second)],
        ONE: [partial(alone.speak, text)],
    }
    for speak in chain(*speaking.values()):
        speak(seed=0)
    print(json.dumps("ready"), flush=True)
    while line := sys.stdin.readline().strip():
        threads, callers = json.loads(line)
        print(json.dumps(speed(speaking[threads], callers, options.seconds)), flush=True)


def speed(speaking: Sequence[Speak], callers: int, seconds: float) -> float:
    """Seconds of sound in a second within a window in which all callers, in turn of each way, speak without a pause."""
    spoken: list[tuple[float, float, float]] = []
    seeds, window = count(), (time.monotonic() + seconds / 4, time.monotonic() + seconds * 5 / 4)
    beyond = [False] * callers  # who has spoken past the window's end: until all have, all go on

    def call(number: int) -> None:
        speak = speaking[number % len(speaking)]
        while not all(beyond):
            begin = time.monotonic()
            sound = speak(seed=next(seeds)).duration
            end = time.monotonic()
            spoken.append((begin, end, sound))
            beyond[number] = end > window[1]

    calling = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
    for one in calling:
        one.start()
    for one in calling:
        one.join()
    return sum(sound * within(begin, end, *window) for begin, end, sound in spoken) / seconds


def within(begin: float, end: float, low: float, high: float) -> float:
    """The share of begin … end that lies in low … high."""
    return max(0.0, min(end, high) - max(begin, low)) / (end - begin)


if __name__ == "__main__":
    main()
