"""Memory of one process: opened, after the four lengths, and with further voices.

    python bench/memory.py [FOLDER] [--library NAME=FILE …] [--weights q16]

FOLDER holds voice/ and bert-q8/, both converted; without it, it is the built-in voice. Every native library (by default
the package's own) is measured in a process of its own. Figures are the kernel's (/proc/self/smaps_rollup), in MB (10^6
bytes): resident, of it private (of no file), and the peak so far. Each length is spoken twice, each further voice once.
Those are one folder opened again and again: each maps its files anew, so each is counted in full. The last line is all
of it as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from shared import ROOT, read_texts, table

sys.path.insert(0, str(ROOT / "src"))

FURTHER_VOICES = 3
OWN = "installed"

Levels = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--library", nargs="+", default=[], metavar="NAME=FILE")
    parser.add_argument("--weights", choices=("q16", "fp32"), default="q16")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(levels(options.folder, options.weights)))
        return
    libraries = dict(pair.split("=", 1) for pair in options.library) or {OWN: ""}
    found = {name: in_process_of_its_own(path, options.folder, options.weights) for name, path in libraries.items()}
    print(f"{as_table(found)}\n\n{json.dumps(found)}")


def in_process_of_its_own(library: str, folder: Path | None, weights: str = "q16") -> Levels:
    environment = os.environ | ({"SOKUON_NATIVE_LIBRARY": library} if library else {})
    command = [sys.executable, __file__, *([str(folder)] if folder else []), "--weights", weights, "--worker"]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    read: Levels = json.loads(answer.stdout.splitlines()[-1])
    return read


def levels(folder: Path | None, weights: Any) -> Levels:
    """What was done last → resident, private and peak MB."""
    import sokuon

    voice, bert = (folder / "voice", folder / "bert-q8") if folder else (None, None)
    found = {"imported": memory()}
    engine = sokuon.load(voice, bert=bert, weights=weights)
    found["opened"] = memory()
    for name, text in read_texts().items():
        for seed in range(2):
            engine.speak(text, seed=seed)
        found[f"after the {name} text"] = memory()
    for number in range(2, 2 + FURTHER_VOICES):
        name = engine.add_voice(voice or sokuon.loading.BUILTIN / "voice", name=f"voice {number}")
        engine.speak(read_texts()["medium"], seed=0, voice=name)
        found[name] = memory()
    return found


def memory() -> dict[str, float]:
    """Resident memory of this process, its part that belongs to no file, and its peak."""
    rollup = _kilobytes("/proc/self/smaps_rollup")
    peak = _kilobytes("/proc/self/status")["VmHWM"]
    return {"resident": rollup["Rss"], "private": rollup["Anonymous"], "peak": peak}


def _kilobytes(path: str) -> dict[str, float]:
    """Lines "name: number kB" → MB."""
    pairs = (line.split(":", 1) for line in Path(path).read_text().splitlines() if line.endswith(" kB"))
    return {name: int(value.split()[0]) * 1024 / 1e6 for name, value in pairs}


def further_voices(found: Levels) -> list[dict[str, float]]:
    """What each further voice added."""
    last = list(found.values())[-1 - FURTHER_VOICES :]
    return [{key: after[key] - before[key] for key in after} for before, after in pairwise(last)]


def as_table(found: dict[str, Levels]) -> str:
    states = list(next(iter(found.values())))
    plain = states[: len(states) - FURTHER_VOICES]
    rows = [[state, *(_cell(one[state]) for one in found.values())] for state in plain]
    for number, state in enumerate(states[len(plain) :]):
        added = (further_voices(one)[number] for one in found.values())
        rows.append([f"{state} adds", *(f"{one['resident']:.0f} / {one['private']:.0f}" for one in added)])
    return table(["resident / private (peak), MB", *found], rows)


def _cell(level: dict[str, float]) -> str:
    return f"{level['resident']:.0f} / {level['private']:.0f} ({level['peak']:.0f})"


if __name__ == "__main__":
    main()
