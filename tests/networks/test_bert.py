"""Opening a converted BERT and asking for features."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TinyBert, make_tiny_bert, tiny_characters

from sokuon.convert.bert import convert_bert
from sokuon.errors import TextError, VoiceError, VoiceNotFoundError
from sokuon.formats.bert import Vocabulary, bucket
from sokuon.networks.bert import MAX_CHARACTERS, Bert
from sokuon.storage.tensors import F32

ROUNDING = 2e-5  # of the features' deviation: other row counts mean other summation orders in float32

# the largest distance of each bucket beyond 128, for 256 buckets over 512 positions (spec model-bert section 3)
LARGEST_DISTANCE = [
    *(
        129,
        130,
        132,
        133,
        135,
        136,
        138,
        139,
        141,
        142,
        144,
        145,
        147,
        149,
        150,
        152,
        154,
        155,
        157,
        159,
        160,
        162,
        164,
    ),
    *(
        166,
        168,
        169,
        171,
        173,
        175,
        177,
        179,
        181,
        183,
        185,
        187,
        189,
        191,
        193,
        195,
        197,
        200,
        202,
        204,
        206,
        209,
        211,
    ),
    *(
        213,
        215,
        218,
        220,
        223,
        225,
        228,
        230,
        233,
        235,
        238,
        240,
        243,
        246,
        248,
        251,
        254,
        257,
        259,
        262,
        265,
        268,
        271,
    ),
    *(
        274,
        277,
        280,
        283,
        286,
        289,
        293,
        296,
        299,
        302,
        306,
        309,
        312,
        316,
        319,
        323,
        326,
        330,
        334,
        337,
        341,
        345,
        348,
    ),
    *(
        352,
        356,
        360,
        364,
        368,
        372,
        376,
        380,
        384,
        389,
        393,
        397,
        402,
        406,
        410,
        415,
        419,
        424,
        429,
        433,
        438,
        443,
        448,
    ),
    *(453, 458, 463, 468, 473, 478, 483, 489, 494, 499, 505, 511),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("bert")
    make_tiny_bert(base / "source", 3)
    convert_bert(base / "source", base / "bert")
    return base / "bert"


@pytest.fixture(scope="module")
def bert(folder: Path) -> Bert:
    return Bert.open(folder, threads=1)


def close(got: F32, want: F32) -> bool:
    return got.shape == want.shape and bool(np.abs(got - want).max() <= ROUNDING * want.std())


def test_vocabulary_spells_like_the_model(tmp_path: Path) -> None:
    tokens = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", "今", "A", "!", "ガ"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    vocabulary = Vocabulary(tmp_path / "vocab.txt")
    assert vocabulary.encode("今A!ｶﾞ㌔ \ud800").tolist() == [1, 5, 6, 7, 3, 3, 3, 3, 3, 2]
    assert vocabulary.encode("ガ今").tolist() == [1, 8, 5, 2]
    assert vocabulary.encode("").tolist() == [1, 2]


def test_vocabulary_without_marks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[CLS]\n[UNK]\n", encoding="utf-8")
    with pytest.raises(VoiceError, match=r"\[SEP\]"):
        Vocabulary(tmp_path / "vocab.txt")


def test_buckets_are_the_models() -> None:
    distances = np.arange(1, 700)
    expected = [*range(1, 129), *(129 + i for i, last in enumerate(LARGEST_DISTANCE) for _ in range(_width(i)))]
    got = bucket(distances, 256, 512)
    assert got[:511].tolist() == expected
    assert (got[511:] == 256).all()
    assert (bucket(-distances, 256, 512) == -got).all()


def _width(i: int) -> int:
    return LARGEST_DISTANCE[i] - (LARGEST_DISTANCE[i - 1] if i else 128)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_has_a_row_per_character(bert: Bert, text: str) -> None:
    features = bert.features(text)
    assert features.shape == (len(text) + 2, bert.hidden_size)
    assert np.isfinite(features).all()


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.text(alphabet=tiny_characters(), max_size=70), max_size=8))
def test_batch_equals_single_runs(bert: Bert, texts: list[str]) -> None:
    batch = bert.features_batch(texts)
    assert len(batch) == len(texts)
    assert all(close(got, bert.features(text)) for got, text in zip(batch, texts, strict=True))


def test_batch_without_convolution(tmp_path: Path) -> None:
    make_tiny_bert(tmp_path / "source", 5, TinyBert(conv_kernel=0))
    convert_bert(tmp_path / "source", tmp_path / "bert")
    bert = Bert.open(tmp_path / "bert", threads=1)
    texts = ["今日", "", "音声", "街に辿り着きました"]
    assert all(close(a, bert.features(t)) for a, t in zip(bert.features_batch(texts), texts, strict=True))


def test_many_threads_one_result(bert: Bert) -> None:
    text = "旅の途中で不思議な街に辿り着きました。"
    expected = bert.features(text)
    results: list[F32] = []
    workers = [threading.Thread(target=lambda: results.append(bert.features(text))) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 8
    assert all((got == expected).all() for got in results)


def test_too_long_text_is_refused(bert: Bert) -> None:
    with pytest.raises(TextError, match="too long"):
        bert.features("あ" * (MAX_CHARACTERS + 1))


@pytest.mark.parametrize("name", ["bert.json", "bert.weights", "vocab.txt"])
def test_missing_file_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / name).unlink()
    with pytest.raises(VoiceNotFoundError, match=name):
        Bert.open(tmp_path / "copy", threads=1, backend="onnx")


def test_codes_of_an_older_scheme_are_refused(folder: Path, tmp_path: Path) -> None:
    """They would run, and sound worse than they need."""
    shutil.copytree(folder, tmp_path / "copy")
    manifest = json.loads((folder / "bert.json").read_text())
    (tmp_path / "copy" / "bert.json").write_text(json.dumps(manifest | {"format": 2}))
    with pytest.raises(VoiceError, match=r"bert\.json has format 2, this version reads 3; convert the BERT again"):
        Bert.open(tmp_path / "copy", threads=1)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 3, "unknown": 2}'])
def test_damaged_manifest_is_refused(folder: Path, tmp_path: Path, content: str) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "bert.json").write_text(content)
    with pytest.raises(VoiceError, match=r"bert\.json"):
        Bert.open(tmp_path / "copy", threads=1)


def test_truncated_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    data = (tmp_path / "copy" / "bert.weights").read_bytes()
    (tmp_path / "copy" / "bert.weights").write_bytes(data[: len(data) // 2])
    with pytest.raises(VoiceError, match=r"bert\.weights"):
        Bert.open(tmp_path / "copy", threads=1)
