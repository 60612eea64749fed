"""Precisions of the BERT: codes and scales by hand, and features against those of float32 weights.

The matrices are random, so the figures say that the arithmetic is right; what each precision costs on trained weights
is measured in bench/bert.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TinyBert, make_tiny_bert, tiny_characters

from sokuon.convert import bert as convert
from sokuon.convert.bert import convert_bert
from sokuon.convert.codes import pack_codes, quantize_blocks, quantize_columns
from sokuon.convert.products import Precision
from sokuon.convert.rehearsal import sentences
from sokuon.networks.bert import Bert
from sokuon.storage.tensors import F32, TensorFile, TensorFileWriter

# Least signal-to-noise ratio over the whole network, dB. 8 bits: a step is 1/127 of the peak, about 40 dB a product
# (measured here: 38 to 40, INT8_DYNAMIC 33 to 35). 4 bits: about 20 dB a product (measured: 20 to 21).
LEAST_SNR = {Precision.Q8: 36.0, Precision.INT8_DYNAMIC: 28.0, Precision.Q4: 17.0}
SHAPE = TinyBert(hidden_size=96, heads=3, intermediate_size=128, layers=5)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Path]:
    base = tmp_path_factory.mktemp("precisions")
    make_tiny_bert(base / "source", 11, SHAPE)
    for precision in Precision:
        convert_bert(base / "source", base / precision.value, precision)
    return {precision: base / precision.value for precision in Precision}


def sample(length: int) -> str:
    return "".join(np.random.default_rng(length).choice(tiny_characters(), length))


def snr(got: F32, want: F32) -> float:
    return float(10 * np.log10((want**2).sum() / ((got - want) ** 2).sum()))


def test_columns_are_within_half_a_step() -> None:
    matrix = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32)
    matrix[:, 3] = 0
    rounded = quantize_columns(matrix)
    assert np.abs(rounded.codes).max() == 127
    assert (np.abs(rounded.codes * rounded.scale - matrix) <= 0.5001 * rounded.scale).all()


def test_packed_codes_are_panels_of_groups() -> None:
    codes = np.random.default_rng(3).integers(-127, 128, (10, 20)).astype(np.int8)
    packed = pack_codes(codes)
    assert packed.shape == (2, 3, 16, 4)
    for k, n in np.ndindex(12, 32):
        expected = codes[k, n] if k < 10 and n < 20 else 0
        assert packed[n // 16, k // 4, n % 16, k % 4] == expected


@pytest.mark.parametrize("size_in", [64, 40])
def test_blocks_decode_to_the_matrix(size_in: int) -> None:
    matrix = np.random.default_rng(1).standard_normal((size_in, 5)).astype(np.float32)
    matrix[:, 2] = 0
    matrix[:32, 3] = np.abs(matrix[:32, 3])  # one sign only
    blocks = quantize_blocks(matrix)
    decoded = blocks.integers() * blocks.scale
    assert decoded.shape == (64, 5)
    assert (decoded[size_in:] == 0).all()
    assert (decoded[:, 2] == 0).all()
    assert snr(decoded[:size_in], matrix) > 20  # 4 bits: step / sqrt 12 against a deviation of 3 steps


def test_packed_blocks_are_the_same_integers() -> None:
    """As the native product reads them: a byte holds an input of one group and one of the next."""
    matrix = np.random.default_rng(4).standard_normal((64, 20)).astype(np.float32)
    matrix[:32] *= 0.1  # other factors
    blocks = quantize_blocks(matrix)
    codes, factors = blocks.packed_codes(), blocks.packed_factors()
    assert codes.shape == (2, 8, 16, 4)
    assert factors.shape == (2, 2, 16)
    for k, n in np.ndindex(64, 20):
        byte, both = int(codes[n // 16, k // 8, n % 16, k % 4]), int(factors[n // 16, k // 32, n % 16])
        code = byte >> 4 if k % 8 >= 4 else byte & 15
        assert (code - (both >> 4)) * (both & 15) == blocks.integers()[k, n]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1 << 32), spread=st.floats(0, 8))
def test_blocks_fit_into_bytes(seed: int, spread: float) -> None:
    """Whatever the sizes of blocks and their signs, and never farther off than a step of the largest block."""
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((96, 3)) + random.standard_normal(3)
    matrix *= np.exp(spread * random.standard_normal((3, 1, 3)).repeat(32, axis=1).reshape(96, 3))
    blocks = quantize_blocks(matrix.astype(np.float32))
    wide = blocks.codes.astype(int) - np.repeat(blocks.zeros, 32, axis=0)
    wide *= np.repeat(blocks.factors, 32, axis=0)
    assert (np.abs(wide) <= 127).all()
    peak = np.abs(matrix).max(axis=0)
    assert (np.abs(blocks.integers() * blocks.scale - matrix) <= 0.5 * peak).all()


@pytest.mark.parametrize("precision", LEAST_SNR)
@pytest.mark.parametrize("length", [0, 5, 60])
def test_features_are_near_full_precision(folders: dict[Precision, Path], precision: Precision, length: int) -> None:
    full, small = (Bert.open(folders[p], threads=1).features(sample(length)) for p in (Precision.FP32, precision))
    assert snr(small, full) >= LEAST_SNR[precision]


def test_uneven_tokens_keep_their_own_scale(folders: dict[Precision, Path]) -> None:
    """A scale per token is not disturbed by a loud neighbour, a scale per tensor is."""
    lost = {}
    for precision in (Precision.Q8, Precision.INT8_DYNAMIC):
        full, small = (Bert.open(folders[p], threads=1) for p in (Precision.FP32, precision))
        features = []
        for bert in (full, small):
            rows = np.array(bert._embeddings[bert.encode(sample(20))], np.float32)
            rows[3] *= 30
            features.append(bert._network.run([rows])[0])
        lost[precision] = snr(features[1], features[0])
    assert lost[Precision.Q8] > lost[Precision.INT8_DYNAMIC] + 3


@pytest.mark.parametrize("precision", [Precision.Q8, Precision.Q4])
def test_rehearsal_is_the_network(
    folders: dict[Precision, Path], tmp_path: Path, monkeypatch: Any, precision: Precision
) -> None:
    """As it runs with the codes chosen: GELU and exp from a table and other sums move a code by a step here and there.

    One step makes further ones in the layers behind. Measured: 44 to 45 dB, where FP32 is 39 away (8 bits) or 20 (4).
    """
    seen: list[F32] = []
    written = convert._add_and_norm

    def watched(*arguments: Any, **keywords: Any) -> Any:
        stream = written(*arguments, **keywords)
        seen.append(stream.rows)
        return stream

    monkeypatch.setattr(convert, "_add_and_norm", watched)
    convert.convert_bert(folders[Precision.FP32].parent / "source", tmp_path / "bert", precision)
    features = np.concatenate(Bert.open(tmp_path / "bert", threads=1).features_batch(sentences()))
    assert snr(seen[-1], features) > 42


def test_loud_channels_are_damped(tmp_path: Path, monkeypatch: Any) -> None:
    """A channel 10 times larger than the others, as trained networks have them, must not take their steps away."""
    make_tiny_bert(tmp_path / "source", 2, SHAPE)
    tensors = {name: np.array(tensor) for name, tensor in TensorFile(tmp_path / "source/model.safetensors").items()}
    with TensorFileWriter(tmp_path / "source" / "model.safetensors") as weights:
        for name, tensor in tensors.items():
            if name.endswith("output.LayerNorm.weight"):
                tensor[5] *= 10
            weights.add(name, tensor)
    convert_bert(tmp_path / "source", tmp_path / "full")
    convert_bert(tmp_path / "source", tmp_path / "damped", Precision.Q8)
    monkeypatch.setattr("sokuon.convert.rehearsal.EXPONENTS", ())
    convert_bert(tmp_path / "source", tmp_path / "plain", Precision.Q8)
    full, damped, plain = (Bert.open(tmp_path / n, threads=1).features(sample(40)) for n in ("full", "damped", "plain"))
    quiet = np.arange(SHAPE.hidden_size) != 5
    assert snr(damped[:, quiet], full[:, quiet]) > snr(plain[:, quiet], full[:, quiet]) + 4


@pytest.mark.parametrize("precision", [Precision.Q8, Precision.Q4])
def test_batch_equals_single_runs(folders: dict[Precision, Path], precision: Precision) -> None:
    """To 1e-3: rounding in float32 may move a code by one step, nothing else may differ (no shared scales)."""
    bert = Bert.open(folders[precision], threads=1)
    texts = [sample(n) for n in (9, 1, 30, 0)]
    for got, text in zip(bert.features_batch(texts), texts, strict=True):
        want = bert.features(text)
        assert np.isfinite(got).all()
        assert np.sqrt(((got - want) ** 2).mean()) <= 1e-3 * want.std()


def test_small_weights_make_small_files(folders: dict[Precision, Path]) -> None:
    def size(precision: Precision) -> int:
        return sum(entry.length for entry in TensorFile(folders[precision] / "bert.weights").entries.values())

    assert size(Precision.Q4) < size(Precision.Q8) < 0.55 * size(Precision.FP32)


@pytest.mark.parametrize(
    ("precision", "operator", "place"),
    [
        (Precision.Q8, "MatMulIntegerToFloat", 5),
        (Precision.Q4, "MatMulIntegerToFloat", 5),
        (Precision.INT8_DYNAMIC, "DynamicQuantizeMatMul", 3),
    ],
)
def test_each_product_has_a_zero_point_of_its_own(
    folders: dict[Precision, Path], precision: Precision, operator: str, place: int
) -> None:
    """ONNX Runtime 1.23, the last for Python 3.10, reads the optional input unasked where products saturate, and ends
    the process where it is missing or shared."""
    onnx = pytest.importorskip("onnx")
    Bert.open(folders[precision], 1, "onnx")  # writes the graph
    graph = onnx.load(folders[precision] / "bert.onnx", load_external_data=False).graph
    zeros = [node.input[place] for node in graph.node if node.op_type == operator]
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name in zeros}
    assert len(zeros) > SHAPE.layers
    assert len(held) == len(zeros)
    assert all(zero == 0 and zero.dtype == np.int8 for zero in held.values())
