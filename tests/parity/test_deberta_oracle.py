"""The BERT graph against the Hugging Face implementation, hidden state -3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import TinyBert, make_tiny_bert, tiny_characters

from sokuon.convert.bert import convert_bert
from sokuon.convert.products import Precision
from sokuon.networks.bert import Bert
from sokuon.networks.runtime import Backend
from sokuon.storage.tensors import F32, TensorFile

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-4  # of the output's standard deviation: float32 rounding through the layers is 1e-6 to 1e-5
LENGTHS = (0, 1, 2, 3, 7, 17, 18, 40, 41, 100, 300, 598)  # characters; the buckets' borders of both configs lie inside

FULL_SIZE = TinyBert(
    hidden_size=1024,
    heads=16,
    intermediate_size=4096,
    layers=24,
    position_buckets=256,
    max_position=512,
    prefix="deberta.",
)
SHAPES = {
    "four heads": TinyBert(),
    "prefix, no dead layers": TinyBert(prefix="deberta.", dead_layers=False, layers=5),
    "wide kernel": TinyBert(hidden_size=24, heads=3, conv_kernel=5, position_buckets=32, max_position=64),
    "no convolution": TinyBert(conv_kernel=0, heads=1, layers=3),
    "positions as published": TinyBert(position_buckets=256, max_position=512),
}
BACKENDS: dict[str, Backend] = {"native": "native", "graph": "onnx"}


@pytest.fixture(params=BACKENDS, scope="module")
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]


@pytest.fixture(params=SHAPES, scope="module")
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, backend: Backend
) -> tuple[Bert, Any]:
    shape, tmp_path = SHAPES[request.param], tmp_path_factory.mktemp("bert")
    if backend == "native" and shape.hidden_size % 16:
        backend = "auto"  # the native network has no such width, and leaves it to the graph
    make_tiny_bert(tmp_path / "source", 7, shape)
    convert_bert(tmp_path / "source", tmp_path / "bert", Precision.FP32)
    return Bert.open(tmp_path / "bert", threads=1, backend=backend), oracle(tmp_path / "source")


def oracle(folder: Path) -> Any:
    config = transformers.DebertaV2Config(**json.loads((folder / "config.json").read_text()))
    model = transformers.DebertaV2Model(config).eval()
    tensors = {k.removeprefix("deberta."): torch.tensor(v) for k, v in TensorFile(folder / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    dead = tuple(f"encoder.layer.{config.num_hidden_layers - i}." for i in (1, 2))
    assert not unexpected
    assert all(name.startswith(dead) for name in missing)
    return model


def hidden_state(model: Any, ids: list[list[int]], mask: list[list[int]]) -> F32:
    with torch.no_grad():
        states = model(torch.tensor(ids), attention_mask=torch.tensor(mask), output_hidden_states=True).hidden_states
    return np.asarray(states[-3].numpy())


def sample(length: int, seed: int) -> str:
    return "".join(np.random.default_rng(seed).choice(tiny_characters(), length))


@pytest.mark.parametrize("length", LENGTHS)
def test_features_equal_hidden_state(pair: tuple[Bert, Any], length: int) -> None:
    bert, model = pair
    text = sample(length, length)
    ids = bert.encode(text).tolist()
    expected = hidden_state(model, [ids], [[1] * len(ids)])[0]
    error = np.abs(bert.features(text) - expected).max() / expected.std()
    assert error <= TOLERANCE


@pytest.mark.heavy
def test_full_size(tmp_path: Path) -> None:
    """The published configuration with random weights."""
    make_tiny_bert(tmp_path / "source", 1, FULL_SIZE)
    convert_bert(tmp_path / "source", tmp_path / "bert", Precision.FP32)
    bert, model = Bert.open(tmp_path / "bert", threads=2), oracle(tmp_path / "source")
    for length in (15, 40, 300):
        text = sample(length, length)
        ids = bert.encode(text).tolist()
        expected = hidden_state(model, [ids], [[1] * len(ids)])[0]
        assert np.abs(bert.features(text) - expected).max() <= TOLERANCE * expected.std()


def test_batch_equals_padded_batch(pair: tuple[Bert, Any]) -> None:
    bert, model = pair
    texts = [sample(n, n) for n in (11, 3, 0, 45, 27)]
    rows = [bert.encode(text).tolist() for text in texts]
    longest = max(map(len, rows))
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    expected = hidden_state(model, [row + [0] * (longest - len(row)) for row in rows], mask)
    for got, want, row in zip(bert.features_batch(texts), expected, rows, strict=True):
        assert got.shape == (len(row), bert.hidden_size)
        assert np.abs(got - want[: len(row)]).max() <= TOLERANCE * want[: len(row)].std()
