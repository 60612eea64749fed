"""The native BERT against the graph of the same file on ONNX Runtime, and against float64.

All three compute with the same whole numbers; what differs is the rounding of floats, some 130 dB below the features.
Now and then it takes a number that lies between two codes to the one or the other; from there on the features differ by
a step of one activation (here some 45 dB below them, the codes themselves cost 36). Embeddings in half precision
even lie between two exactly. So a quarter of the short texts must agree to rounding, and every text to a few steps.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from bert_reference import Reference
from tiny import TinyBert, make_tiny_bert, tiny_characters

from sokuon.convert.bert import convert_bert
from sokuon.convert.products import Precision
from sokuon.errors import OptionError, SokuonError, WeightError
from sokuon.formats.bert import Manifest
from sokuon.native import bert as native_bert
from sokuon.native import library as native
from sokuon.native.library import ISA_VARIABLE
from sokuon.networks.bert import Bert, _Native
from sokuon.storage.tensors import TensorFile, TensorFileWriter

ROUNDING_DB = 100.0
A_FEW_STEPS_DB = 35.0
FULL_DB = 112.0
SHORT = tuple(range(16))
LONG = (30, 47, 130, 600)  # characters, two less than rows: borders of blocks and of the buckets
SHAPES = {
    "heads of 32": TinyBert(hidden_size=96, heads=3, intermediate_size=128, layers=5),
    "heads of 24": TinyBert(hidden_size=96, heads=4, intermediate_size=384),
    "kernel 5, published positions": TinyBert(
        hidden_size=80, heads=2, intermediate_size=48, conv_kernel=5, position_buckets=256, max_position=512
    ),
    "no convolution": TinyBert(hidden_size=128, heads=2, conv_kernel=0, layers=3),
}
PRECISIONS = ("q8", "q4")


Converted = Callable[[str, str], Path]  # precision and shape → folder


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    base = tmp_path_factory.mktemp("bert")

    @cache
    def source(shape: str) -> Path:
        make_tiny_bert(base / "source" / shape, list(SHAPES).index(shape), SHAPES[shape])
        return base / "source" / shape

    @cache
    def made(precision: str, shape: str) -> Path:
        convert_bert(source(shape), base / precision / shape, Precision(precision))
        return base / precision / shape

    return made


def sample(length: int) -> str:
    return "".join(np.random.default_rng(length).choice(tiny_characters(), length))


def snr(got: npt.NDArray[Any], want: npt.NDArray[Any]) -> float:
    error = ((got.astype(np.float64) - want) ** 2).sum()
    return float(10 * np.log10((want.astype(np.float64) ** 2).sum() / max(error, 1e-30)))


def open_with(folder: Path, isa: str, threads: int = 1) -> Bert:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ISA_VARIABLE, isa)
        bert = Bert.open(folder, threads, "native")
    assert isinstance(bert._network, _Native)
    assert isa == "" or bert._network._kernel.isa == isa
    return bert


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_features_are_those_of_the_graph(converted: Converted, shape: str, precision: str) -> None:
    graph = Bert.open(converted(precision, shape), 1, "onnx")
    assert not graph.native
    wanted = {length: graph.features(sample(length)) for length in (*SHORT, *LONG)}
    for isa in native_bert.isas():
        kernel = open_with(converted(precision, shape), isa, threads=2)
        ratios = {length: snr(kernel.features(sample(length)), want) for length, want in wanted.items()}
        assert np.quantile([ratios[length] for length in SHORT], 0.75) >= ROUNDING_DB, isa
        assert min(ratios.values()) >= A_FEW_STEPS_DB, isa


@pytest.mark.parametrize("shape", SHAPES)
def test_full_precision_is_that_of_the_graph(converted: Converted, shape: str) -> None:
    """No codes, so nothing but the order of sums differs: 118 dB and more here, over all layers."""
    graph = Bert.open(converted("fp32", shape), 1, "onnx")
    for isa in native_bert.isas():
        kernel = open_with(converted("fp32", shape), isa, threads=2)
        for length in (*SHORT, *LONG):
            assert snr(kernel.features(sample(length)), graph.features(sample(length))) > FULL_DB, isa


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_features_are_those_of_float64(converted: Converted, shape: str, precision: str) -> None:
    folder = converted(precision, shape)
    kernel = open_with(folder, "")
    reference = Reference(TensorFile(folder / "bert.weights"), Manifest.read(folder))
    ratios = {}
    for length in (*SHORT, 46, 100):
        rows = kernel._embeddings[kernel.encode(sample(length))].astype(np.float32)
        ratios[length] = snr(kernel.features(sample(length)), reference.features(rows))
    assert np.quantile([ratios[length] for length in SHORT], 0.75) >= ROUNDING_DB
    assert min(ratios.values()) >= A_FEW_STEPS_DB


@pytest.mark.parametrize("precision", ["fp32", *PRECISIONS])
@pytest.mark.parametrize("shape", SHAPES)
def test_batches_and_threads_change_nothing(converted: Converted, shape: str, precision: str) -> None:
    """Not even the rounding: a row's sums have one order, whoever computes them and whatever lies beside it."""
    texts = [sample(length) for length in (9, 0, 60, 3, 125, 1)]
    single = open_with(converted(precision, shape), "")
    wanted = [single.features(text) for text in texts]
    for threads in (1, 2, 3):
        bert = open_with(converted(precision, shape), "", threads)
        assert all((got == want).all() for got, want in zip(bert.features_batch(texts), wanted, strict=True))


def test_onnx_runtime_is_not_imported(converted: Converted) -> None:
    code = (
        "import sys; from pathlib import Path; from sokuon.networks.bert import Bert;"
        "bert = Bert.open(Path(sys.argv[1]), 1);"
        "assert bert.native and len(bert.features('今日')) == 4; assert 'onnxruntime' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(converted("q8", "heads of 24"))], check=True, env=os.environ)


def test_what_cannot_run_natively_runs_as_a_graph(tmp_path: Path) -> None:
    make_tiny_bert(tmp_path / "source", 1, TinyBert(hidden_size=36, heads=3, intermediate_size=50))
    for precision in (Precision.Q8, Precision.Q4, Precision.FP32):
        folder = tmp_path / precision.value
        convert_bert(tmp_path / "source", folder, precision)
        assert not Bert.open(folder, 1).native
        with pytest.raises(OptionError, match="backend='auto' or 'onnx'"):
            Bert.open(folder, 1, "native")
    full, small = (Bert.open(tmp_path / name, 1).features(sample(20)) for name in ("fp32", "q8"))
    assert snr(small, full) > 30  # the bound of test_quantize: padded widths are no worse


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("encoder.layer.1.attention.self.key_proj.sums", None, r"key_proj\.sums is missing"),
        ("encoder.layer.0.output.dense.weight", lambda w: w[:, 1:], r"output\.dense\.weight has \d+ bytes instead of"),
        ("encoder.conv.LayerNorm.bias", lambda w: w[:-1], r"LayerNorm\.bias has 380 bytes instead of 384"),
        ("encoder.layer.0.attention.self.pk", lambda w: w.astype(np.float32), "pk' is F32 instead of F16"),
    ],
)
def test_damaged_weights_are_named(
    converted: Converted, tmp_path: Path, name: str, change: object, message: str
) -> None:
    shutil.copytree(converted("q8", "heads of 24"), tmp_path / "copy")
    tensors = {key: np.array(value) for key, value in TensorFile(tmp_path / "copy" / "bert.weights").items()}
    with TensorFileWriter(tmp_path / "copy" / "bert.weights") as weights:
        for key, value in tensors.items():
            if key != name:
                weights.add(key, value)
            elif callable(change):
                weights.add(key, change(value))
    with pytest.raises(WeightError, match=message) as caught:
        Bert.open(tmp_path / "copy", 1)
    assert "convert it again" in str(caught.value)
    assert isinstance(caught.value, SokuonError)


@pytest.mark.parametrize("name", ["scale", "LayerNorm.bias", "damping"])
def test_weights_that_are_no_numbers_are_refused(converted: Converted, tmp_path: Path, name: str) -> None:
    shutil.copytree(converted("q8", "heads of 24"), tmp_path / "copy")
    tensors = {key: np.array(value) for key, value in TensorFile(tmp_path / "copy" / "bert.weights").items()}
    spoilt = next(key for key in tensors if key.endswith(name))
    tensors[spoilt][3] = np.nan
    with TensorFileWriter(tmp_path / "copy" / "bert.weights") as weights:
        for key, value in tensors.items():
            weights.add(key, value)
    with pytest.raises(WeightError, match="holds NaN, infinity or a value beyond 1e30"):
        Bert.open(tmp_path / "copy", 1, "native")


def test_bfloat16_is_refused(converted: Converted, tmp_path: Path) -> None:
    """It would be widened into memory that is gone when C++ reads it."""
    shutil.copytree(converted("q8", "heads of 24"), tmp_path / "copy")
    weights = TensorFile(tmp_path / "copy" / "bert.weights")
    name = "encoder.layer.0.attention.self.pk"
    weights.entries[name] = replace(weights.entries[name], dtype="BF16")
    with pytest.raises(WeightError, match=r"self\.pk' is BF16 instead of F16"):
        native_bert.NativeBert(weights, Manifest.read(tmp_path / "copy"))


def test_unknown_kernels_are_refused(converted: Converted) -> None:
    with pytest.raises(SokuonError, match="no kernels named mmx"):
        open_with(converted("q8", "heads of 24"), "mmx")


def test_sizes_of_a_run_are_checked(converted: Converted) -> None:
    folder = converted("q8", "heads of 24")
    kernel = native_bert.NativeBert(TensorFile(folder / "bert.weights"), Manifest.read(folder))
    rows, positions = np.zeros((4, 96), np.float32), np.zeros(8, np.int32)
    assert kernel.run(rows, [4], positions, 1).shape == (4, 96)
    for bad in ([3], [2, 2], [], [5]):
        with pytest.raises(ValueError, match="do not fit"):
            kernel.run(rows, bad, positions, 1)
    with pytest.raises(ValueError, match="out of range"):
        kernel.run(rows, [4], positions + 99, 1)
    with pytest.raises(ValueError, match="out of range"):
        kernel.run(rows, [4, 0], positions, 1)
    assert native.available()[0]
