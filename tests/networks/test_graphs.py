"""ONNX graphs are written when ONNX Runtime first asks for them, from the converted weights alone."""

from __future__ import annotations

import errno
import logging
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sokuon
from sokuon.convert.graphs import graph_bytes
from sokuon.errors import DictionaryError, VoiceError, WeightError
from sokuon.formats.contracts import BERT, ENCODER, FLOW
from sokuon.native import library as native
from sokuon.networks import graphs
from sokuon.networks.graphs import graph_of
from sokuon.storage.tensors import TensorFile, TensorFileWriter

NATIVE = pytest.mark.skipif(not native.available()[0], reason="this installation was built without a C++ compiler")

REFUSE = """
import sys
for name in sys.argv[4].split(","):
    sys.modules[name] = None  # importing it is an error now
import sokuon
try:
    engine = sokuon.load(sys.argv[1], bert=sys.argv[2], threads=1, backend=sys.argv[3])
    print(len(engine.speak("あさ。", seed=1).samples))
except ImportError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def folder(converted: Path, tmp_path: Path) -> Path:
    """The tiny models converted, without graphs."""
    for name in ("voice", "bert"):
        shutil.copytree(converted / name, tmp_path / name, ignore=shutil.ignore_patterns("*.onnx"))
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.name for part in ("voice", "bert") for path in (folder / part).iterdir()}


def said(*arguments: object) -> str:
    command = [sys.executable, "-c", REFUSE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def load(folder: Path) -> sokuon.Engine:
    return sokuon.load(folder / "voice", bert=folder / "bert", threads=1, backend="onnx")


@NATIVE
def test_a_native_conversion_imports_neither_onnx_nor_its_runtime(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOKUON_CACHE", str(tmp_path))
    assert int(said(tiny / "voice", tiny / "bert", "native", "onnx,onnxruntime")) > 100
    assert not list(tmp_path.rglob("*.onnx"))
    assert list(tmp_path.rglob("encoder.weights"))


def test_they_are_written_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = names(folder)
    with caplog.at_level(logging.INFO, "sokuon.networks"):
        samples = load(folder).speak("あさ。", seed=1).samples
    assert names(folder) - before == {"encoder.onnx", "flow.onnx", "decoder.onnx", "bert.onnx"}
    told = [record.getMessage() for record in caplog.records if "for ONNX Runtime" in record.getMessage()]
    assert len(told) == 4
    assert f"writing {folder / 'voice' / 'flow.onnx'} for ONNX Runtime, once" in told
    again = said(folder / "voice", folder / "bert", "onnx", "onnx")  # the library is not needed any more
    assert int(again) == len(samples)


def test_who_asks_at_the_same_time_waits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr("sokuon.convert.graphs.graph_bytes", lambda *a: made.append(a) or graph_bytes(*a))
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: graph_of(folder / "voice" / "encoder.onnx", ENCODER), range(8)))
    assert found == {folder / "voice" / "encoder.onnx"}
    assert len(made) == 1
    assert not [path for path in (folder / "voice").iterdir() if path.suffix in (".lock", ".tmp")]


@pytest.mark.parametrize("step", ["locked", "write_atomically"])
def test_where_nothing_can_be_written_they_are_made_each_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    expected = load(folder).speak("あさ。", seed=1).samples
    for path in folder.rglob("*.onnx"):
        path.unlink()

    def refused(*_: Any) -> None:
        raise DictionaryError("cannot be written") if step == "locked" else OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(graphs, step, refused)
    assert np.array_equal(load(folder).speak("あさ。", seed=1).samples, expected)
    assert not list(folder.rglob("*.onnx"))


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_library_is_named_with_its_remedy(folder: Path, missing: str) -> None:
    answer = said(folder / "voice", folder / "bert", "onnx", missing)
    assert answer.startswith("MissingExtraError ")
    assert answer.endswith(f"python -m pip install {missing}.")
    assert not list(folder.rglob("*.onnx"))


@pytest.mark.parametrize("name", ["enc_p.encoder.attn_layers.0.conv_o.weight", "sdp.flows.0.shift"])
def test_a_tensor_that_is_not_there_is_named(folder: Path, name: str) -> None:
    without(folder / "voice" / "encoder.weights", name)
    with pytest.raises(WeightError, match=f"encoder.weights holds no tensor {name}; convert its folder again"):
        graph_of(folder / "voice" / "encoder.onnx", ENCODER)


def without(path: Path, name: str) -> None:
    tensors = {key: np.array(tensor) for key, tensor in TensorFile(path).items() if key != name}
    with TensorFileWriter(path) as file:
        for key, tensor in tensors.items():
            file.add(key, tensor)


def test_impossible_sizes_are_refused(folder: Path) -> None:
    path = folder / "voice" / "flow.weights"
    tensors = {key: np.array(tensor) for key, tensor in TensorFile(path).items()}
    for key in tensors:
        if key.endswith("conv_1.weight"):
            tensors[key] = tensors[key][:-1]
    with TensorFileWriter(path) as file:
        for key, tensor in tensors.items():
            file.add(key, tensor)
    with pytest.raises(WeightError, match=r"conv_1\.weight is .*, which does not fit"):
        graph_of(folder / "voice" / "flow.onnx", FLOW)


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match=r"bert\.json does not exist"):
        graph_of(tmp_path / "bert.onnx", BERT)
    assert not list(tmp_path.iterdir())
