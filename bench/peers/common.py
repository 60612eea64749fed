"""What the process of every row does: get ready, say so, speak each text several times, report its memory.

A row is a program `ROW.py JOB` where JOB is JSON: {"models": folder, "variant": name, "texts": {name: text},
"repeats": {name: count}}. Each event is a line of JSON on standard output after the mark EVENT; whatever else a library
prints is ignored. `compare.py` notes when each line arrives.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

EVENT = "@@ "
BEGINNINGS = 3  # how often the first piece of the last text is waited for
PACKAGES = ("sokuon", "hayakoe", "onnxruntime", "torch", "transformers", "numpy")


@dataclass(frozen=True)
class Job:
    """What to measure: a variant of the row, on the models in a folder."""

    models: Path
    variant: str
    texts: dict[str, str]
    repeats: dict[str, int]


@dataclass(frozen=True)
class Spoken:
    """One utterance: seconds of sound, and seconds of work by stage where the row can tell.

    `seconds` is the row's own measure where it does more than speak, to tell the stages apart.
    """

    audio_s: float
    stages: dict[str, float] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True)
class Voice:
    """A row made ready: speaks a whole text; `begin`, if it streams, returns with the first piece of sound."""

    speak: Callable[[str], Spoken]
    begin: Callable[[str], None] | None = None


def run(load: Callable[[Job], Voice]) -> None:
    """Carry out the job in argv with a row that `load` makes ready."""
    raw = json.loads(sys.argv[1])
    job = Job(Path(raw["models"]), raw["variant"], raw["texts"], raw["repeats"])
    empty = memory()
    voice = load(job)
    _emit("loaded", empty=empty, memory=memory(), versions=versions())
    first = next(iter(job.texts))
    _measure(voice, job, first, "first")
    for name in job.texts:
        for _ in range(job.repeats[name]):
            _measure(voice, job, name, "spoken")
    if voice.begin is not None:
        _measure_beginning(voice.begin, job, next(reversed(job.texts)))
    _emit("done", memory=memory())


def memory() -> dict[str, float]:
    """Resident memory now, its part that belongs to no file, and its peak, in MB (10^6 bytes), from the kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM", "RssAnon"))}
    names = {"rss": "VmRSS", "anonymous": "RssAnon", "peak": "VmHWM"}
    return {name: int(values[key]) * 1024 / 1e6 for name, key in names.items()}


def versions() -> dict[str, str]:
    """Of the packages that matter, those that are loaded."""
    loaded = [name for name in PACKAGES if name in sys.modules]
    return {"python": sys.version.split()[0]} | {name: _version(name) for name in loaded}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from its source
        return str(getattr(sys.modules[name], "__version__", "?"))


def _measure(voice: Voice, job: Job, name: str, event: str) -> None:
    begin = time.perf_counter()
    spoken = voice.speak(job.texts[name])
    seconds = spoken.seconds or time.perf_counter() - begin
    _emit(event, text=name, seconds=seconds, audio_s=spoken.audio_s, stages=spoken.stages)


def _measure_beginning(begin: Callable[[str], None], job: Job, name: str) -> None:
    for _ in range(BEGINNINGS):
        start = time.perf_counter()
        begin(job.texts[name])
        _emit("begun", text=name, seconds=time.perf_counter() - start)


def _emit(event: str, **facts: Any) -> None:
    print(EVENT + json.dumps({"event": event, **facts}), flush=True)
