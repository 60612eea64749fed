"""Time, memory, load time and feature error of the BERT by precision, beside the peers' dynamic int8 graph.

    python bench/bert.py BERT_FOLDER WORK_FOLDER [--threads 2] [--rounds 15] [--only q8 peer-int8]

BERT_FOLDER is a BERT in Hugging Face layout (random weights do for time and memory, see models.py); WORK_FOLDER keeps
what is converted. `peer-int8` is made the peers' way: the Hugging Face model, 22 layers, traced by torch.onnx.export,
then onnxruntime.quantization.quantize_dynamic with its defaults (it is left out where torch is not installed).

Every precision runs in a process of its own, all of them alive; each round times every length in every process in
turn, so that a disturbance of the machine meets all alike. Times are medians of wall-clock time; the smallest CPU time
is given beside them, because it is true on a busy machine too. Memory is what the system counts for the process after
all runs.
Errors are against the `fp32` row: SNR over all numbers, and of the median channel in units of its own deviation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from shared import ROOT, once, table

sys.path[:0] = [str(ROOT / "src")]

LENGTHS = (15, 40, 100)
TEXT = (
    "旅の途中で不思議な街に辿り着きました。少し寄り道していきましょう。"
    "石畳の細い道の両側には、古い木の家が並び、窓からは温かい光がこぼれています。"
    "広場では子どもたちが笛の音に合わせて踊り、その向こうに白い塔が見えました。"
)
PEER = "peer-int8"
OURS = ("fp32", "q8", "q4", "int8-dynamic")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bert", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="+", choices=[*OURS, PEER], default=[*OURS, PEER])
    parser.add_argument("--worker", choices=[*OURS, PEER], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        serve(arguments.worker, arguments.bert, arguments.work, arguments.threads)
    else:
        report(arguments)


def report(arguments: argparse.Namespace) -> None:
    arguments.work.mkdir(parents=True, exist_ok=True)
    names = [name for name in arguments.only if prepare(name, arguments.bert, arguments.work)]
    with tempfile.TemporaryDirectory() as folder:
        workers = {name: Worker(name, arguments, Path(folder)) for name in names}
        for _ in range(arguments.rounds):
            for worker in workers.values():
                worker.time_all()
        results = {name: worker.finish() for name, worker in workers.items()}
        add_errors(results, Path(folder))
    print(f"{machine()}, {arguments.threads} threads, {arguments.rounds} rounds, BERT {arguments.bert.name}\n")
    print(as_table(results))
    print(json.dumps({"machine": machine(), "threads": arguments.threads, "results": results}))


def prepare(name: str, bert: Path, work: Path) -> bool:
    """Convert into `work` unless it is there; False if this environment cannot."""
    from sokuon.convert.bert import convert_bert
    from sokuon.convert.products import Precision

    if name != PEER:
        if not (work / name).exists():
            convert_bert(bert, work / name, Precision(name))
        return True
    try:
        once(work / PEER, lambda target: export_peer(bert, target))
    except ImportError as error:
        print(f"{PEER} is left out: {error}", file=sys.stderr)
    return (work / PEER).exists()


def export_peer(bert: Path, target: Path) -> None:
    """`target`/model.onnx: dynamic int8 by the tools' defaults."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import DebertaV2Config, DebertaV2Model

    from sokuon.convert.bert import open_weights

    data = json.loads((bert / "config.json").read_text(encoding="utf-8"))
    data["num_hidden_layers"] -= 2
    model = DebertaV2Model(DebertaV2Config(**{k: v for k, v in data.items() if k != "torch_dtype"})).eval()
    tensors = {k.removeprefix("deberta."): torch.tensor(np.array(v)).float() for k, v in open_weights(bert)[1].items()}
    missing = model.load_state_dict(tensors, strict=False).missing_keys
    if missing:
        raise SystemExit(f"{bert} lacks {missing[0]}")
    ids = torch.tensor([[1, *range(10, 30), 2]] * 2)
    axes = {name: {0: "batch", 1: "tokens"} for name in ("input_ids", "attention_mask", "output")}
    with torch.no_grad(), tempfile.TemporaryDirectory(dir=target) as traced:
        path = Path(traced) / "model.onnx"
        torch.onnx.export(
            LastHidden(model).module,
            (ids, torch.ones_like(ids)),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["output"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(str(path), str(target / "model.onnx"), weight_type=QuantType.QInt8)


class LastHidden:
    """The model as a module of two tensors in and one out, which is what can be traced."""

    def __init__(self, model: Any) -> None:
        import torch

        class Module(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
                return self.model(ids, attention_mask=mask).last_hidden_state

        self.module = Module()


class Worker:
    """One precision in a process of its own, asked line by line."""

    def __init__(self, name: str, arguments: argparse.Namespace, folder: Path) -> None:
        self._name, self._folder = name, folder
        command = [sys.executable, __file__, str(arguments.bert), str(arguments.work), "--worker", name]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [*command, "--threads", str(arguments.threads)], stdin=pipe, stdout=pipe, text=True
        )
        self._result = self._read()
        self._times: dict[int, list[tuple[float, float]]] = {length: [] for length in LENGTHS}

    def time_all(self) -> None:
        for length, times in self._times.items():
            times.append(self._ask("time", length)["ms"])

    def finish(self) -> dict[str, Any]:
        for length, times in self._times.items():
            wall, cpu = zip(*times, strict=True)
            self._result[f"ms_{length}"] = statistics.median(wall)
            self._result[f"cpu_ms_{length}"] = min(cpu)
            self._ask("save", length, str(self._folder / f"{self._name}-{length}.npy"))
        self._result |= self._ask("memory")
        self._process.communicate("\n")
        return self._result

    def _ask(self, *request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def serve(name: str, bert: Path, work: Path, threads: int) -> None:
    """The worker: say how the model loaded, then answer requests until an empty line."""
    before = memory_mb()
    start = time.perf_counter()
    model: Any = PeerModel(work / PEER, bert, threads) if name == PEER else open_ours(work / name, threads)
    print(json.dumps({"load_s": time.perf_counter() - start, "base_mb": before, "opened_mb": memory_mb()}), flush=True)
    for length in LENGTHS:
        model.features(TEXT[:length])  # the first run of a length allocates
    while line := sys.stdin.readline().strip():
        print(json.dumps(answer(model, *json.loads(line))), flush=True)


def answer(model: Any, verb: str, length: int = 0, path: str = "") -> dict[str, Any]:
    if verb == "save":
        np.save(path, model.features(TEXT[:length]))
        return {}
    if verb == "memory":
        return {"ran_mb": memory_mb()}
    start, cpu = time.perf_counter(), time.process_time()
    model.features(TEXT[:length])
    return {"ms": (1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - cpu))}


def open_ours(folder: Path, threads: int) -> Any:
    from sokuon.networks.bert import Bert

    return Bert.open(folder, threads)


class PeerModel:
    """The dynamic int8 graph with ONNX Runtime's default options, as the peers open it."""

    def __init__(self, folder: Path, bert: Path, threads: int) -> None:
        from sokuon.formats.bert import Vocabulary

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        self._vocabulary = Vocabulary(bert / "vocab.txt")

    def features(self, text: str) -> Any:
        ids = self._vocabulary.encode(text)[None]
        return self._session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]


def add_errors(results: dict[str, dict[str, Any]], folder: Path) -> None:
    if "fp32" not in results:
        return
    for name, result in results.items():
        got, want = (np.concatenate([np.load(folder / f"{n}-{i}.npy") for i in LENGTHS]) for n in (name, "fp32"))
        error = ((got - want).astype(np.float64)) ** 2
        if not error.any():
            continue
        result["snr_db"] = float(10 * np.log10((want.astype(np.float64) ** 2).sum() / error.sum()))
        result["channel_snr_db"] = float(np.median(10 * np.log10(want.var(axis=0) / error.mean(axis=0))))
        norms = np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1)
        result["cosine"] = float(((got * want).sum(axis=1) / norms).mean())


def as_table(results: dict[str, dict[str, Any]]) -> str:
    heads = [
        "BERT",
        *(f"{n} characters, ms (CPU)" for n in LENGTHS),
        "load, s",
        "opened / ran, MB",
        "SNR / channel, dB",
    ]
    rows = []
    for name, r in results.items():
        times = [f"{r[f'ms_{n}']:.0f} ({r[f'cpu_ms_{n}']:.0f})" for n in LENGTHS]
        error = f"{r['snr_db']:.1f} / {r['channel_snr_db']:.1f}" if "snr_db" in r else "–"
        rows.append([name, *times, f"{r['load_s']:.1f}", f"{r['opened_mb']} / {r['ran_mb']}", error])
    return table(heads, rows)


def memory_mb() -> int:
    """Resident memory of this process (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{model}, {os.cpu_count()} CPUs, Python {platform.python_version()}, ONNX Runtime {onnxruntime.__version__}"


if __name__ == "__main__":
    main()
