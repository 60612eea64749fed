"""Every row of the comparison on identical weights and texts: Sokuon, HayaKoe, ONNX and PyTorch side by side.

    python bench/compare.py MODELS --peer-python PYTHON [--rounds 3] [--quick] [--rows KEY[@ISA] …] [--output FOLDER]

MODELS is the folder that `bench/models.py` filled; PYTHON the interpreter of the environment that holds hayakoe, torch
and transformers. This program runs where Sokuon is installed. Each row speaks in a process of its own; the rows take
turns, round after round, in an order that turns too, so that what slows the machine slows them all. Speed is the median
over rounds with its spread; memory is what the kernel says of the process. Writes FOLDER/compare.{json,md} and plots;
with --more, rounds are added to those of an earlier run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import memory
from report import write_report
from shared import ROOT, once, read_texts

sys.path.insert(0, str(ROOT / "src"))
from sokuon.storage.files import write_atomically

PEERS = Path(__file__).with_name("peers")
EVENT = "@@ "  # as in peers/common.py
REPEATS = {"short": 3, "medium": 2, "long": 2, "xlong": 1}
BERT_CHARACTERS = (15, 40, 100)
BERT_REPEATS = 7
TIME_LIMIT_S = 900
FULL_LAYERS = 24  # of the BERT that real voices read


@dataclass(frozen=True)
class Row:
    """One line of the tables: a program under peers/, run by the peers' interpreter or by ours."""

    key: str
    title: str
    program: str
    variant: str
    peer: bool = True
    isa: str = ""  # that Sokuon's kernels are held to


SPEAKING_ROWS = (
    Row("torch-fp32", "PyTorch FP32, whole text", "torch_row.py", "fp32"),
    Row("torch-int8", "PyTorch, BERT `quantize_dynamic` int8", "torch_row.py", "int8"),
    Row("onnx-fp32", "ONNX FP32, whole text", "onnx_row.py", "fp32"),
    Row("hayakoe", "HayaKoe 1.3.1 (Q8 BERT)", "hayakoe_row.py", "q8"),
    Row("sokuon-fp32-onnx", "Sokuon FP32 on ONNX Runtime", "sokuon_row.py", "fp32-onnx-fp32", peer=False),
    Row("sokuon-q8-onnx", "Sokuon Q8 on ONNX Runtime", "sokuon_row.py", "q8-onnx-fp32", peer=False),
    Row("sokuon-q4-onnx", "Sokuon Q4 on ONNX Runtime", "sokuon_row.py", "q4-onnx-fp32", peer=False),
    Row("sokuon-fp32", "Sokuon FP32, FP32 weights", "sokuon_row.py", "fp32-native-fp32", peer=False),
    Row("sokuon-q8-float32", "Sokuon Q8, FP32 weights", "sokuon_row.py", "q8-native-fp32", peer=False),
    Row("sokuon-q8", "Sokuon Q8", "sokuon_row.py", "q8-native-q16", peer=False),
    Row("sokuon-q4", "Sokuon Q4", "sokuon_row.py", "q4-native-q16", peer=False),
)
BERT_ROWS = (
    Row("bert-torch-fp32", "PyTorch FP32", "bert_row.py", "torch-fp32"),
    Row("bert-torch-int8", "PyTorch `quantize_dynamic` int8", "bert_row.py", "torch-int8"),
    Row("bert-onnx-fp32", "ONNX FP32 (traced)", "bert_row.py", "onnx-fp32"),
    Row("bert-onnx-q8", "ONNX dynamic int8 (HayaKoe's Q8)", "bert_row.py", "onnx-q8"),
    Row("bert-onnx-q4", "ONNX 4-bit blocks", "bert_row.py", "onnx-q4"),
    Row("bert-sokuon-fp32", "Sokuon FP32", "bert_row.py", "sokuon-fp32", peer=False),
    Row("bert-sokuon-int8-dynamic", "Sokuon's graph, dynamic int8", "bert_row.py", "sokuon-int8-dynamic", peer=False),
    Row("bert-sokuon-q8", "Sokuon Q8", "bert_row.py", "sokuon-q8", peer=False),
    Row("bert-sokuon-q4", "Sokuon Q4", "bert_row.py", "sokuon-q4", peer=False),
)


def main() -> None:
    arguments = parse()
    models: Path = arguments.models.resolve()
    precisions = prepare(models)
    left_out = dict(unusable(precisions, arguments.peer_python))
    rows = [row for row in wanted(arguments.rows) if row.key.partition("@")[0] not in left_out]
    runner = Runner(models, arguments.peer_python, quick=arguments.quick)
    results = earlier(arguments.output, more=arguments.more)
    results |= {"machine": machine(), "left_out": left_out, "load_average": os.getloadavg()}
    for number in range(1 if arguments.quick else arguments.rounds):
        for row in turned(rows, number):
            taken = results["rows"].setdefault(row.key, {"title": row.title, "rounds": []})
            taken["rounds"].append(runner.run(row))
        save(results, arguments.output)
    results["models"] = about(models)
    results["further_voices"] = further_voices(models)
    results["cold_start"] = cold_start(models, 1 if arguments.quick else arguments.rounds)
    save(results, arguments.output)
    if not arguments.no_quality:
        results["quality"] = quality(models)
    write_report(results, arguments.output)


def earlier(output: Path, *, more: bool) -> dict[str, Any]:
    """What an earlier run measured, to add to it, or nothing yet."""
    file = output.with_suffix(".json")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if more and file.exists() else {"rows": {}}
    return found


def wanted(keys: Sequence[str]) -> list[Row]:
    """The rows of these keys, or all; KEY@ISA is the row KEY with the kernels of that instruction set."""
    known = {row.key: row for row in (*SPEAKING_ROWS, *BERT_ROWS)}
    rows = []
    for key in keys or known:
        plain, _, isa = key.partition("@")
        if plain not in known:
            raise SystemExit(f"there is no row {plain}; there are {', '.join(known)}")
        row = known[plain]
        rows.append(replace(row, key=key, title=f"{row.title}, {isa} kernels", isa=isa) if isa else row)
    return rows


def save(results: dict[str, Any], output: Path) -> None:
    """What there is so far: a run that is broken off can be continued with --more."""
    order = dict.fromkeys([row.key for row in (*SPEAKING_ROWS, *BERT_ROWS)] + list(results["rows"]))
    results["rows"] = {key: results["rows"][key] for key in order if key in results["rows"]}
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output.with_suffix(".json"), json.dumps(results, indent=1).encode())


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--peer-python", type=Path, default=os.environ.get("SOKUON_PEER_PYTHON"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="*", default=(), help="only rows of these keys; KEY@ISA: with those kernels")
    parser.add_argument("--more", action="store_true", help="add to the rounds that OUTPUT.json holds already")
    parser.add_argument("--quick", action="store_true", help="one round, each short text once: does it all work?")
    parser.add_argument("--no-quality", action="store_true")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results") / "compare")
    return parser.parse_args()


def prepare(models: Path) -> list[str]:
    """Convert voice and BERT for Sokuon, once; the precisions there are."""
    from sokuon.convert.bert import convert_bert
    from sokuon.convert.products import Precision
    from sokuon.convert.voice import convert_voice

    folder = models / "sokuon"
    folder.mkdir(exist_ok=True)
    once(folder / "voice", lambda target: convert_voice(models / "voice", target))
    for precision in Precision:
        name = f"bert-{precision.value}"
        once(folder / name, lambda target, p=precision: convert_bert(models / "bert", target, p))
    return [precision.value for precision in Precision]


def unusable(precisions: Sequence[str], peer_python: Path | None) -> Iterator[tuple[str, str]]:
    """Rows that cannot run here, and why."""
    from sokuon.native import library as native

    native_usable, reason = native.available()
    for row in (*SPEAKING_ROWS, *BERT_ROWS):
        precision = row.variant.removeprefix("sokuon-").split("-onnx")[0].split("-native")[0]
        if row.peer:
            if peer_python is None:
                yield row.key, "no interpreter was given for the peers"
        elif precision not in precisions:
            yield row.key, f"the converter writes no {precision}"
        elif "-native" in row.variant and not native_usable:
            yield row.key, reason.replace(str(ROOT), ".")


def turned(rows: list[Row], number: int) -> list[Row]:
    """The rows, beginning at another one each round."""
    start = number * len(rows) // 3 % max(1, len(rows))
    return rows[start:] + rows[:start]


class Runner:
    """Runs rows in processes of their own and collects what they report."""

    def __init__(self, models: Path, peer_python: Path | None, *, quick: bool) -> None:
        self._models, self._peer, self._quick = models, peer_python, quick

    def run(self, row: Row) -> dict[str, Any]:
        """One process: when it was loaded, what it spoke, its memory. Raises SystemExit if it fails."""
        python = str(self._peer) if row.peer else sys.executable
        command = [python, str(PEERS / row.program), json.dumps(self._job(row))]
        print(f"{time.strftime('%H:%M:%S')} {row.key}", file=sys.stderr, flush=True)
        environment = os.environ | {"PYTHONPATH": "" if row.peer else str(ROOT / "src")}
        if row.isa:
            environment |= {"SOKUON_NATIVE_ISA": row.isa}
        begin = time.perf_counter()
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
            events = [event | {"at_s": time.perf_counter() - begin} for event in _events(process)]
            if process.wait(TIME_LIMIT_S) != 0:
                errors.seek(0)
                raise SystemExit(f"{row.key} failed:\n{errors.read()[-2000:]}")
        return {"events": events}

    def _job(self, row: Row) -> dict[str, Any]:
        texts = read_texts()
        if row.program == "bert_row.py":
            texts = {str(n): texts["xlong"][:n] for n in BERT_CHARACTERS}
            repeats = dict.fromkeys(texts, 1 if self._quick else BERT_REPEATS)
        elif self._quick:
            texts = {name: texts[name] for name in ("short", "medium")}
            repeats = dict.fromkeys(texts, 1)
        else:
            repeats = REPEATS
        return {"models": str(self._models), "variant": row.variant, "texts": texts, "repeats": repeats}


def _events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None  # it was opened as a pipe above
    for line in process.stdout:
        if line.startswith(EVENT):
            yield json.loads(line.removeprefix(EVENT))


def cold_start(models: Path, rounds: int) -> list[float]:
    """Seconds from starting `sokuon say` on a converted voice to the WAV written, for the short text."""
    folder, seconds = models / "sokuon", []
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-c", "from sokuon.cli.app import main; main()", "say", read_texts()["short"]]
        command += ["--voice", str(folder / "voice"), "--bert", str(folder / "bert-q8"), "-o", f"{scratch}/out.wav"]
        for _ in range(rounds + 1):
            begin = time.perf_counter()
            environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
            subprocess.run(command, check=True, capture_output=True, env=environment)
            seconds.append(time.perf_counter() - begin)
    return seconds[1:]  # the first one reads the files into the page cache


def further_voices(models: Path) -> list[float]:
    """MB that a second, third and fourth voice add, by `memory.py`, in a process of its own."""
    return [added["resident"] for added in memory.further_voices(memory.in_process_of_its_own("", models / "sokuon"))]


def about(models: Path) -> str:
    """Which weights the figures rest on."""
    layers = json.loads((models / "bert" / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    if layers < FULL_LAYERS:
        return "SMALL models, made to try the programs out: these figures say nothing about real voices."
    return "Full-size models with random weights (`bench/models.py`)."


def quality(models: Path) -> dict[str, Any]:
    """What quantisation changes, by `quality.py`, in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("quality.py")), str(models), "--json"]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def machine() -> dict[str, str]:
    from sokuon.measure.machine import describe_machine

    return {name: value.replace(str(ROOT), ".") for name, value in describe_machine().items()}


if __name__ == "__main__":
    main()
