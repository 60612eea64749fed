"""`sokuon batch` over 2,000 lines of mixed length: how fast, against one process that loops; who has which memory.

    python bench/batch.py WORK [--voice VOICE --bert BERT] --part PART [--seconds S] [--every K]
    python bench/batch.py WORK --report

One part at a time, each in a window in which the machine does nothing else; figures are kept in WORK. Without --voice
it is the built-in voice. PART is
    loop:T          one process, `Engine.speak` line after line, T threads
    loops:N         N such processes of one thread at once, each with its share of the lines: what the machine can do
    batch:NxT       N workers of T threads; stops after S seconds and goes on where it was when called again
    hayakoe         HayaKoe's own loop over the same lines; PYTHON and MODELS as in bench/compare.py
With --every K a part speaks each Kth line of the table in order of length, so that any K is a mix like the whole.

"busy" is the share of the workers' time in which they compute, over the run and in its worst 5 seconds before the
last line is given out: what is lost to waiting for lines, for the disk, for one another.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shared import ROOT, read_texts, table

sys.path.insert(0, str(ROOT / "src"))

import sokuon
from sokuon.batch.lines import Defaults, Line
from sokuon.batch.run import Plan, local, run
from sokuon.batch.speaking import Setup, Spoken
from sokuon.batch.store import Layout
from sokuon.batch.tables import Row
from sokuon.measure.machine import describe_machine
from sokuon.options import SynthesisOptions

LINES = 2000
SLICE_S = 5.0
_MB = 1e6


class Enough(Exception):  # noqa: N818  # no error
    """The window is over."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--voice", type=Path)
    parser.add_argument("--bert", type=Path)
    parser.add_argument("--part", default="")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--share", type=int, nargs=2, default=(0, 1), help="of loops: which of how many")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--peer", nargs=2, metavar=("PYTHON", "MODELS"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.report:
        print(report(options.work))
        return
    lines = mixed(LINES, options.every)
    kind, _, shape = options.part.partition(":")
    if kind == "loop":
        figures = looped(lines, options, int(shape))
    elif kind == "loops":
        figures = side_by_side(options, int(shape))
    elif kind == "batch":
        workers, threads = map(int, shape.split("x"))
        figures = batched(lines, options, workers, threads)
    else:
        figures = peer(lines, options.peer)
    name = "built-in" if options.voice is None else "full-size"
    if options.share[1] > 1:
        print(json.dumps(figures))
        return
    record = {"voice": name, "part": options.part, "every": options.every, **figures}
    with (options.work / "figures.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    print(json.dumps({key: value for key, value in record.items() if key != "events"}))


def mixed(count: int, every: int) -> list[Row]:
    """Of 20 lines 6 are a clause, 9 a sentence, 3 two, 1 four and 1 eight of them; each `every`th by length."""
    sentences = [text for name, text in read_texts().items() if name != "xlong"]
    for name in ("everyday", "held_out"):
        sentences += read_texts(Path(__file__).with_name(f"{name}.tsv")).values()
    sizes = [0] * 6 + [1] * 9 + [2] * 3 + [4, 8]
    texts = []
    for n in range(count):
        size = sizes[n % len(sizes)]
        chosen = [sentences[(n * 37 + k * 11) % len(sentences)] for k in range(max(1, size))]
        texts.append("".join(chosen) if size else chosen[0].partition("、")[0])
    rows = [Row(n, {"id": f"{n:04d}", "text": text}) for n, text in enumerate(texts, 1)]
    by_length = sorted(rows, key=lambda row: (len(str(row.values["text"])), row.number))
    return by_length[every // 2 :: every]


def planned(rows: Sequence[Row]) -> list[Line]:
    return [line for line in Plan.of(rows, Defaults(SynthesisOptions())).rows if isinstance(line, Line)]


def looped(rows: Sequence[Row], options: argparse.Namespace, threads: int) -> dict[str, Any]:
    """One engine, one line after the other, each encoded and written as a loop in a shell or in Python would."""
    engine = sokuon.load(options.voice, bert=options.bert, threads=threads)
    engine.speak("あ。今日は、晴れ。")
    folder = options.work / f"loop{options.share[0]}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    which, of = options.share
    if of > 1:
        print("ready", flush=True)
        sys.stdin.readline()
    seconds, begin, done = 0.0, time.perf_counter(), 0
    for line in planned(rows)[which::of]:
        audio = engine.speak(line.text, line.options)
        audio.save(folder / f"{line.id}.wav")
        seconds, done = seconds + audio.duration, done + 1
        if time.perf_counter() - begin > options.seconds:
            break
    return {"lines": done, "sound_s": seconds, "elapsed_s": time.perf_counter() - begin}


def side_by_side(options: argparse.Namespace, count: int) -> dict[str, Any]:
    """Loops that know nothing of each other, begun together; the time is until the mean one ends, as none waits."""
    place = [str(options.work), "--part", "loop:1", "--every", str(options.every)]
    if options.voice is not None:
        place += ["--voice", str(options.voice), "--bert", str(options.bert)]
    loops = [
        subprocess.Popen(
            [sys.executable, __file__, *place, "--share", str(n), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(count)
    ]
    for loop in loops:
        assert loop.stdout is not None
        loop.stdout.readline()
    for loop in loops:
        assert loop.stdin is not None
        loop.stdin.write("\n")
        loop.stdin.flush()
    each = [json.loads(loop.communicate()[0].splitlines()[-1]) for loop in loops]
    total = {name: sum(one[name] for one in each) for name in ("lines", "sound_s")}
    return {**total, "elapsed_s": sum(one["elapsed_s"] for one in each) / count}


def batched(rows: Sequence[Row], options: argparse.Namespace, workers: int, threads: int) -> dict[str, Any]:
    """`sokuon batch` from its start to its manifest."""
    setup = Setup(options.voice, options.bert, threads=threads)
    kind = "built-in" if options.voice is None else "full-size"
    folder = options.work / f"{kind}-{workers}x{threads}-{options.every}"
    speak = local(setup, workers)
    begin = time.perf_counter()
    events: list[tuple[float, float, float]] = []
    memory: dict[str, float] = {}
    given: list[float] = []

    def watched(lines: Sequence[Line]) -> Iterator[Spoken]:
        for done in speak(_noting(lines, given)):  # type: ignore[arg-type]
            events.append((time.perf_counter() - begin, done.computing_s, done.about["seconds"]))
            yield done
            if len(events) == len(lines) // 2 or (not memory and time.perf_counter() - begin > options.seconds / 2):
                memory.update(memory_of_workers())
            if time.perf_counter() - begin > options.seconds:
                raise Enough

    finished = True
    try:
        run(Plan.of(rows, Defaults(SynthesisOptions())), setup, Layout(folder, "wav"), watched, lambda _: None)
    except Enough:
        finished = False
    elapsed = time.perf_counter() - begin
    if not events:
        raise SystemExit(f"{folder} is finished already; remove it, or take another WORK.")
    last_given = given[-1] - begin if finished else elapsed
    return {
        "lines": len(events), "sound_s": sum(event[2] for event in events), "elapsed_s": elapsed, "finished": finished,
        "start_s": min(at - spent for at, spent, _ in events), **busy(events, workers, last_given), **memory,
    }  # fmt: skip


class _noting(list[Line]):  # noqa: N801  # a list that notes when its items are taken
    def __init__(self, lines: Sequence[Line], taken: list[float]) -> None:
        super().__init__(lines)
        self._taken = taken

    def __iter__(self) -> Iterator[Line]:
        for line in super().__iter__():
            self._taken.append(time.perf_counter())
            yield line


def busy(events: Sequence[tuple[float, float, float]], workers: int, last_given: float) -> dict[str, float]:
    """Share of the workers' time that is computing: from the first line to the last, and in the worst slice."""
    first, last = min(at - spent for at, spent, _ in events), max(at for at, _, _ in events)
    whole = sum(spent for _, spent, _ in events) / (workers * (last - first))
    shares = []
    begin = first
    while begin + SLICE_S <= last_given:
        inside = (min(at, begin + SLICE_S) - max(at - spent, begin) for at, spent, _ in events)
        shares.append(sum(part for part in inside if part > 0) / (workers * SLICE_S))
        begin += SLICE_S
    return {"busy": whole, "worst_busy": min(shares, default=whole)}


def memory_of_workers() -> dict[str, float]:
    """MB of all workers and their nursery together: resident, proportional, private."""
    import os

    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = stat.read_text().rpartition(")")
            parents[int(head.split()[0])] = int(rest.split()[1])
        except OSError:
            continue
    nurseries = [process for process, parent in parents.items() if parent == os.getpid()]
    workers = [process for process, parent in parents.items() if parent in nurseries]
    sums = dict.fromkeys(("Rss", "Pss", "Private"), 0.0)
    for process in workers:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
            name, amount = line.split(":")
            for key in sums:
                if name == key or (key == "Private" and name in ("Private_Clean", "Private_Dirty")):
                    sums[key] += int(amount.split()[0]) * 1024 / _MB
    return {f"{name.lower()}_mb": value / max(1, len(workers)) for name, value in sums.items()}


def peer(rows: Sequence[Row], place: Sequence[str]) -> dict[str, Any]:
    """HayaKoe's loop in its own environment."""
    python, models = place
    script = ROOT / "bench" / "peers" / "hayakoe_lines.py"
    texts = json.dumps([str(row.values["text"]) for row in rows])
    done = subprocess.run([python, script, models], input=texts, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def report(work: Path) -> str:
    """All figures as a table; parts of one run are added up."""
    runs: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for line in (work / "figures.jsonl").read_text().splitlines():
        figures = json.loads(line)
        runs.setdefault((figures["voice"], figures["part"], figures["every"]), []).append(figures)
    rows = []
    for (voice, part, every), parts in runs.items():
        total = {name: sum(one[name] for one in parts) for name in ("lines", "sound_s", "elapsed_s")}
        rows.append([
            voice, part, f"{total['lines']:,} of {LINES // every:,}", f"{total['sound_s']:.0f}",
            f"{total['elapsed_s']:.1f}", f"{total['sound_s'] / total['elapsed_s']:.1f}",
            *(_least(parts, name, 100, "{:.1f} %") for name in ("busy", "worst_busy")),
            *(_least(parts, name, 1, "{:.0f}") for name in ("rss_mb", "pss_mb", "private_mb")), str(len(parts)),
        ])  # fmt: skip
    heads = [
        "voice", "part", "lines", "sound s", "s", "x", "busy", "worst 5 s", "resident MB a worker", "its share",
        "private", "windows",
    ]  # fmt: skip
    machine = "\n".join(f"{name}: {value}" for name, value in describe_machine().items())
    return f"{table(heads, rows)}\n\n{machine}"


def _least(parts: Sequence[dict[str, Any]], name: str, factor: float, form: str) -> str:
    values = [part[name] for part in parts if name in part]
    return form.format(min(values) * factor) if values else ""


if __name__ == "__main__":
    main()
