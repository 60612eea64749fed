"""The built-in voice as it is shipped: what the converter makes of the published one, and ready without a cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sokuon.voices.builtin import BUILTIN

TRAINING = Path(__file__).parents[2] / "training"
CODE = """
import sys
import sokuon
sys.modules["onnx"] = None  # importing it is an error now
print(sokuon.load(threads=1).speak("はい。").duration > 0.2)
"""


@pytest.mark.skipif(not TRAINING.is_dir(), reason="the tests run without the repository")
def test_what_is_shipped_is_what_the_converter_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TRAINING))
    from ship_builtin import ship

    ship(tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {str(path.relative_to(BUILTIN)) for path in BUILTIN.rglob("*/*") if path.is_file()}
    for name in names:
        assert (tmp_path / name).read_bytes() == (BUILTIN / name).read_bytes(), name


def test_it_speaks_without_a_cache_and_without_converting(tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.write_text("no folder can be made below this")
    environment = os.environ | {"SOKUON_CACHE": str(nowhere / "cache")}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, timeout=60)
    assert (done.stdout.strip(), done.returncode) == ("True", 0), done.stderr
