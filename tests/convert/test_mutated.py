"""Damaged voice files of every form: an error of ours, or a conversion; never a crash, a hang, or a path outside.

`SOKUON_MUTATIONS=2000` gives the long run.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_forms import archive, write_aivm
from tiny_voice import make_tiny_voice

from sokuon.convert.published import open_published
from sokuon.convert.voice_graphs import write_weights
from sokuon.errors import SokuonError
from sokuon.export.voice import Layout, export_voice

MUTATIONS = int(os.environ.get("SOKUON_MUTATIONS", "40"))
SECONDS = 10.0  # of one file, on a busy machine; a hundredth is usual


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A whole voice in each form that is one file."""
    folder = tmp_path_factory.mktemp("whole")
    make_tiny_voice(folder / "source", 3)
    write_aivm(folder / "source", folder / "voice.aivm")
    export_voice(folder / "source", folder / "voice.aivmx", Layout.AIVMX)
    styles = b'{"shape": [1, 256], "data": [' + str([0.5] * 256).encode() + b"]}"
    archive(folder / "voice.sbv2", {"model.onnx": (folder / "voice.aivmx").read_bytes(), "style_vectors.json": styles})
    return {path.suffix: path for path in folder.iterdir() if path.is_file()}


def flipped(data: bytearray, draw: random.Random) -> bytearray:
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        data[_place(data, draw)] = draw.randrange(256)
    return data


def cut(data: bytearray, draw: random.Random) -> bytearray:
    return data[: _place(data, draw)]


def doubled(data: bytearray, draw: random.Random) -> bytearray:
    begin, end = sorted((_place(data, draw), _place(data, draw)))
    return data[:end] + data[begin : begin + 4096] + data[end:]


def dropped(data: bytearray, draw: random.Random) -> bytearray:
    begin = _place(data, draw)
    return data[:begin] + data[begin + draw.choice((1, 7, 4096)) :]


def swollen(data: bytearray, draw: random.Random) -> bytearray:
    """Numbers as large as they go."""
    begin = _place(data, draw)
    data[begin : begin + 8] = draw.choice((b"\xff" * 8, b"\x7f" * 8, b"\xff\xff\xff\xff\x0f\0\0\0", b"99999999"))
    return data


CHANGES: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (flipped, cut, doubled, dropped, swollen)


def _place(data: bytearray, draw: random.Random) -> int:
    """Mostly near the ends, where headers and metadata lie."""
    near = min(len(data) - 1, draw.choice((64, 2048, 20_000, len(data))))
    at = draw.randrange(near + 1)
    return at if draw.random() < 0.5 else len(data) - 1 - at


@pytest.mark.parametrize("form", [".aivm", ".aivmx", ".sbv2"])
def test_damage_is_said(forms: dict[str, Path], tmp_path: Path, form: str) -> None:
    whole = forms[form].read_bytes()
    draw = random.Random(form)
    target, out = tmp_path / f"voice{form}", tmp_path / "out"
    for number in range(MUTATIONS):
        target.write_bytes(draw.choice(CHANGES)(bytearray(whole), draw))
        started = time.monotonic()
        out.mkdir()
        with contextlib.suppress(SokuonError), open_published(target) as voice:
            # the comparison is left out: it runs graphs in a process of its own
            write_weights(voice.tensors, voice.weights, voice.config, out, lambda _: None)
        shutil.rmtree(out)
        assert time.monotonic() - started < SECONDS, number
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
