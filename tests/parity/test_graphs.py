"""Graphs of the reference network → the same converted voice as from its folder; both run and are compared."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from test_synthesizer import oracle_python

from sokuon.convert.voice import convert_voice
from sokuon.storage.tensors import TensorFile

CASES = ["many_speakers", "resblock2", "wavenet", "five_stages", pytest.param("standard", marks=pytest.mark.heavy)]


@pytest.mark.parametrize("layout", ["sbv2", "hayakoe"])
@pytest.mark.parametrize("name", CASES)
def test_tensors_come_back_from_a_graph(tmp_path: Path, name: str, layout: str) -> None:
    """`convert_voice` itself runs both graphs: lengths equal, samples within 1e-4."""
    python = oracle_python()
    if python is None:
        pytest.skip("the reference is not installed: set SOKUON_ORACLE_PYTHON to a Python that has hayakoe and torch")
    subprocess.run([python, Path(__file__).parent / "graphs.py", tmp_path, name], check=True)
    published = tmp_path / name / "voice"
    convert_voice(published, tmp_path / "direct")
    for weights in published.glob("*.safetensors"):
        weights.unlink()
    shutil.copy(tmp_path / name / f"{layout}.onnx", published / "synthesizer.onnx")
    convert_voice(published, tmp_path / "back")
    for graph in ("encoder", "flow", "decoder"):
        one, other = (TensorFile(tmp_path / folder / f"{graph}.weights") for folder in ("direct", "back"))
        assert set(one) == set(other)
        for key in one:  # torch folds weight norm in float32, we in float64
            np.testing.assert_allclose(one[key], other[key], rtol=2e-6, atol=1e-6, err_msg=key)
