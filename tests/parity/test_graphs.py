"""Graphs of the reference network → the same converted voice as from its folder; both run and are compared."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from test_synthesizer import oracle_python

from sokuon.convert.voice import convert_voice
from sokuon.storage.tensors import TensorFile

CASES = ["many_speakers", "resblock2", "wavenet", "five_stages", pytest.param("standard", marks=pytest.mark.heavy)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function: case → folder with the voice and both graphs of it."""
    python = oracle_python()
    if python is None:
        pytest.skip("the reference is not installed: set SOKUON_ORACLE_PYTHON to a Python that has hayakoe and torch")
    folder = tmp_path_factory.mktemp("graphs")

    @cache
    def made(name: str) -> Path:
        subprocess.run([python, Path(__file__).parent / "graphs.py", folder, name], check=True)
        return folder / name

    return made


@pytest.mark.parametrize("layout", ["sbv2", "hayakoe"])
@pytest.mark.parametrize("name", CASES)
def test_tensors_come_back_from_a_graph(
    tmp_path: Path, name: str, layout: str, exported: Callable[[str], Path]
) -> None:
    """`convert_voice` itself runs both graphs: lengths equal, samples within 1e-4."""
    convert_voice(exported(name) / "voice", tmp_path / "direct")
    published = tmp_path / "voice"
    shutil.copytree(exported(name) / "voice", published, ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copy(exported(name) / f"{layout}.onnx", published / "synthesizer.onnx")
    convert_voice(published, tmp_path / "back")
    for graph in ("encoder", "flow", "decoder"):
        one, other = (TensorFile(tmp_path / folder / f"{graph}.weights") for folder in ("direct", "back"))
        assert set(one) == set(other)
        for key in one:  # torch folds weight norm in float32, we in float64
            np.testing.assert_allclose(one[key], other[key], rtol=2e-6, atol=1e-6, err_msg=key)
