"""The forest that reads 何 decides as the binding does on ONNX Runtime."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sokuon.text.openjtalk.binding import load_binding
from sokuon.text.openjtalk.nani import FEATURES, Forest

load_binding()
from pyopenjtalk import utils  # noqa: E402 - with its stand-ins, as always
from pyopenjtalk.yomi_model import nani_predict  # noqa: E402

FOLDER = Path(nani_predict.__file__).parent


@pytest.fixture(scope="module")
def forest() -> Forest:
    return Forest(FOLDER)


def test_decides_as_the_binding(forest: Forest) -> None:
    assert list(FEATURES) == nani_predict.X_COLS  # a name the stand-in has not: now it is the binding's own module
    assert nani_predict.predict is not utils.predict
    values: list[list[str]] = [["never seen"] for _ in FEATURES]
    for feature, value in forest._columns:
        values[feature].append(value)
    draw = random.Random(1)
    rows = [{name: draw.choice(known) for name, known in zip(FEATURES, values, strict=True)} for _ in range(3000)]
    decided = [forest.predict(row) for row in rows]
    assert decided == [nani_predict.predict([row]) for row in rows]
    assert decided == [utils.predict([row]) for row in rows]
    assert 0 < sum(decided) < len(rows)
    assert utils.predict([None]) == nani_predict.predict([None]) == 0


@pytest.mark.parametrize("data", [b"", b"\x3a", b"\x3a\x7f", b"\xff" * 9, b"\x0b", b"\x08\x01"])
def test_another_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "nani_enc.onnx").write_bytes((FOLDER / "nani_enc.onnx").read_bytes())
    (tmp_path / "nani_model.onnx").write_bytes(data)
    with pytest.raises(ValueError, match=r"another kind|cut short|protobuf|unpack"):
        Forest(tmp_path)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nani_enc"):
        Forest(tmp_path)
