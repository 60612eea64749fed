"""`sokuon bench`: how fast this machine speaks, where the time goes, and what it costs in memory.

Every setup (precision, threads) runs in a fresh process, so that memory is its own; `bench_page.py` makes the page to
look at and listen to.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from sokuon.errors import OptionError
from sokuon.measure.figures import SAMPLE_TEXT, TEXTS, Result, Setup, Timing
from sokuon.measure.machine import describe_machine, memory_mb
from sokuon.networks.threads import available_processors
from sokuon.speaking import STAGES
from sokuon.storage.files import write_atomically

_PIPE_COLUMNS = 1000  # no terminal, no reason to cut a table


def run(setups: Sequence[Setup], repeats: int, json_file: Path | None, html: Path | None) -> None:
    """Measure, show the figures, and write them where asked."""
    machine = describe_machine()
    console = Console(stderr=True)
    results = []
    for setup in setups:
        console.print(f"measuring {setup.label} …", highlight=False)
        results.append(measure_apart(setup, repeats))
    show(machine, results, Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS))
    if json_file is not None:
        write_atomically(json_file, (json.dumps(as_data(machine, results), indent=1) + "\n").encode())
    if html is not None:
        from sokuon.measure.page import page

        write_atomically(html, page(machine, results).encode())


def plan(base: Setup, berts: Sequence[Path], precisions: Sequence[str], threads: Sequence[int]) -> list[Setup]:
    """Every BERT and precision on the most threads, and the first of them on each other thread count."""
    counts = sorted(set(threads or (1, available_processors())))
    if counts[0] < 1:
        raise OptionError(f"threads is {counts[0]}; it must be 1 or more.")
    chosen: Sequence[Path | None] = berts or (None,)
    setups = _told_apart(
        [
            replace(base, name=_name(base.voice, bert, precision), bert=bert, precision=precision, threads=counts[-1])
            for bert in chosen
            for precision in precisions
        ]
    )
    return [replace(setups[0], threads=count) for count in counts[:-1]] + setups


def measure_apart(setup: Setup, repeats: int) -> Result:
    """`measure` in a process of its own; its errors are raised here."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(measure, setup, repeats).result()


def measure(setup: Setup, repeats: int) -> Result:
    """Load, warm up, speak every text `repeats` times. Raises SokuonError as `sokuon.load` does."""
    begin = time.perf_counter()
    from sokuon.loading import load

    engine = load(
        setup.voice,
        bert=setup.bert,
        threads=setup.threads,
        precision=setup.precision,
        backend=setup.backend,  # type: ignore[arg-type]  # load itself refuses other names
        weights=setup.weights,  # type: ignore[arg-type]
    )
    load_s = time.perf_counter() - begin
    sample = engine.speak(TEXTS[SAMPLE_TEXT])
    timings = tuple(_time(engine, name, repeats) for name in TEXTS)
    resident_mb, peak_mb = memory_mb()
    return Result(setup, load_s, resident_mb, peak_mb, timings, sample)


def as_data(machine: dict[str, str], results: Sequence[Result]) -> dict[str, Any]:
    """For JSON: everything but the sound."""
    rows = []
    for result in results:
        timings = [asdict(timing) | {"speed": timing.speed} for timing in result.timings]
        setup = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(result.setup).items()}
        memory = {"resident_mb": result.resident_mb, "peak_mb": result.peak_mb}
        rows.append({"setup": setup, "load_s": result.load_s, **memory, "timings": timings})
    return {"machine": machine, "results": rows}


def show(machine: dict[str, str], results: Sequence[Result], console: Console) -> None:
    """Three tables: the machine, speed with cost, stages."""
    facts = Table("machine", "", title="Sokuon on this machine")
    for name, value in machine.items():
        facts.add_row(name, value)
    console.print(facts)
    console.print(_speed_table(results))
    console.print(_stage_table(results))


def _speed_table(results: Sequence[Result]) -> Table:
    table = Table(title="Seconds of sound per second of computing")
    table.add_column("setup")
    for timing in results[0].timings:
        table.add_column(f"{timing.text} ({timing.audio_s:.1f} s)", justify="right")
    for head in ("load", "memory", "peak"):
        table.add_column(head, justify="right")
    for result in results:
        speeds = (f"{timing.speed:.2f}x" for timing in result.timings)
        memory = (_mb(result.resident_mb), _mb(result.peak_mb))
        table.add_row(result.setup.label, *speeds, f"{result.load_s:.1f} s", *memory)
    return table


def _stage_table(results: Sequence[Result]) -> Table:
    table = Table(title="Milliseconds by stage")
    table.add_column("setup")
    table.add_column("text")
    for stage in STAGES:
        table.add_column(stage.replace("_", " "), justify="right")
    for result in results:
        for timing in result.timings:
            cells = (f"{1000 * timing.stages[stage]:.0f}" for stage in STAGES)
            table.add_row(result.setup.label, timing.text, *cells)
    return table


def _mb(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} MB"


def _time(engine: Any, name: str, repeats: int) -> Timing:
    text = TEXTS[name]
    seconds, audio_s = [], []
    for seed in range(repeats):
        begin = time.perf_counter()
        audio_s.append(engine.speak(text, seed=seed).duration)
        seconds.append(time.perf_counter() - begin)
    return Timing(name, median(audio_s), median(seconds), engine.profile(text))


def _name(voice: Path | None, bert: Path | None, precision: str) -> str:
    if bert is None:
        return "built-in" if voice is None else precision
    return _precision_of(bert) or precision


def _told_apart(setups: Sequence[Setup]) -> list[Setup]:
    """The BERT's folder joins the name where two would be called the same."""
    names = [setup.name for setup in setups]
    return [
        replace(setup, name=f"{setup.name} ({setup.bert.name})")
        if setup.bert and names.count(setup.name) > 1
        else setup
        for setup in setups
    ]


def _precision_of(bert: Path) -> str | None:
    """What a converted BERT's manifest says, None for one that is still to be converted."""
    try:
        data = json.loads((bert / "bert.json").read_text(encoding="utf-8"))
        return str(data["precision"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
