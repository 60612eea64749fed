"""Conversion of a BERT folder: what is refused, and that a folder appears whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import TinyBert, bert_tensors, make_tiny_bert

from sokuon.convert.bert import convert_bert
from sokuon.convert.products import Precision
from sokuon.errors import VoiceError, VoiceNotFoundError, WeightError
from sokuon.networks.bert import Bert
from sokuon.storage.tensors import TensorFile, TensorFileWriter

TEXT = "旅の途中で不思議な街に辿り着きました。"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_tiny_bert(tmp_path / "source", 1)
    return tmp_path / "source"


def rewrite(source: Path, change: Any) -> None:
    """Rewrite the checkpoint after `change(tensors)` edited its dict."""
    tensors = {name: np.array(tensor) for name, tensor in TensorFile(source / "model.safetensors").items()}
    change(tensors)
    with TensorFileWriter(source / "model.safetensors") as weights:
        for name, tensor in tensors.items():
            weights.add(name, tensor)


def test_both_spellings_and_absent_dead_layers_give_the_same_graph(tmp_path: Path) -> None:
    features = []
    for shape in (TinyBert(), TinyBert(prefix="deberta."), TinyBert(dead_layers=False)):
        folder = tmp_path / f"{shape.prefix}{shape.dead_layers}"
        make_tiny_bert(folder / "source", 1, shape)
        convert_bert(folder / "source", folder / "bert")
        features.append(Bert.open(folder / "bert", threads=1).features(TEXT))
    assert (features[0] == features[1]).all()
    assert (features[0] == features[2]).all()


def test_heads_of_a_masked_language_model_are_ignored(source: Path, tmp_path: Path) -> None:
    rewrite(source, lambda t: t.update({"cls.predictions.bias": np.zeros(9, np.float32)}))
    convert_bert(source, tmp_path / "bert")
    assert not list(tmp_path.glob(".*"))


def test_half_precision_checkpoint_is_widened(source: Path, tmp_path: Path) -> None:
    convert_bert(source, tmp_path / "full")
    rewrite(source, lambda t: t.update({name: tensor.astype(np.float16) for name, tensor in t.items()}))
    convert_bert(source, tmp_path / "half")
    full, half = (Bert.open(tmp_path / name, threads=1).features(TEXT) for name in ("full", "half"))
    assert np.abs(full - half).max() < 0.02 * full.std()  # weights rounded to 11 bits


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("encoder.layer.1.output.dense.bias"), r"no tensor encoder\.layer\.1\.output\.dense\.bias"),
        (lambda t: t.update({"encoder.extra": np.zeros(3, np.float32)}), r"does not know: encoder\.extra"),
        (
            lambda t: t.update({"encoder.LayerNorm.bias": np.zeros(3, np.float32)}),
            r"encoder\.LayerNorm\.bias has shape \[3\]",
        ),
    ],
)
def test_unexpected_tensor_is_named(source: Path, tmp_path: Path, change: Any, message: str) -> None:
    rewrite(source, change)
    with pytest.raises(WeightError, match=message):
        convert_bert(source, tmp_path / "bert")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", "bert"),
        ("hidden_act", "gelu_new"),
        ("conv_act", "tanh"),
        ("conv_kernel_size", 4),
        ("share_att_key", False),
        ("pos_att_type", ["c2p"]),
        ("norm_rel_ebd", "none"),
        ("position_biased_input", True),
        ("type_vocab_size", 2),
        ("position_buckets", -1),
        ("num_hidden_layers", 2),
        ("hidden_size", "wide"),
        ("embedding_size", 8),
    ],
)
def test_unsupported_configuration_is_refused(source: Path, tmp_path: Path, key: str, value: Any) -> None:
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(VoiceError, match=r"config\.json"):
        convert_bert(source, tmp_path / "bert")


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "model.safetensors"])
def test_missing_file_is_named(source: Path, tmp_path: Path, name: str) -> None:
    (source / name).unlink()
    with pytest.raises(VoiceNotFoundError, match=name):
        convert_bert(source, tmp_path / "bert")


def test_progress_runs_from_zero_to_one(source: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    convert_bert(source, tmp_path / "bert", progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert all(0 <= fraction <= 1 for fraction in seen)


def test_existing_foreign_folder_is_kept(source: Path) -> None:
    with pytest.raises(VoiceError, match="not a converted folder"):
        convert_bert(source, source)
    assert (source / "model.safetensors").is_file()


def test_tiny_bert_is_made_from_its_seed() -> None:
    first, second, other = (dict(bert_tensors(TinyBert(), 50, np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert all((first[name] == second[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
@pytest.mark.parametrize("value", [1e20, 3e38])
@pytest.mark.parametrize("precision", [Precision.Q8, Precision.Q4])
def test_weights_that_overflow_in_the_rehearsal_are_refused(
    source: Path, tmp_path: Path, value: float, precision: Precision
) -> None:
    def fill(tensors: dict[str, np.ndarray[Any, Any]]) -> None:
        for tensor in tensors.values():
            tensor[...] = value

    rewrite(source, fill)
    with pytest.raises(WeightError, match=r"model\.safetensors: what .* gives for ordinary text is too large"):
        convert_bert(source, tmp_path / "target", precision)
    assert not (tmp_path / "target").exists()
