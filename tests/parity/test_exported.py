"""A voice exported to HayaKoe's layout, spoken by HayaKoe itself (a program of its own, as in `test_synthesizer`).

It needs a BERT in HayaKoe's layout: SOKUON_PARITY_MODELS names a folder of bench/models.py.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from test_synthesizer import oracle_python

from sokuon.export.voice import Layout, export_voice

SPEAK = """
import sys
import numpy as np
from hayakoe import TTS

root = "file://" + sys.argv[1]
tts = TTS(device="cpu", cache_dir=sys.argv[1] + "/cache", bert_source=root).load("ours", source=root).prepare()
sound = tts.speakers["ours"].generate("こんにちは、世界。")
print(sound.sr, len(sound.data), int(np.abs(np.asarray(sound.data, np.int32)).max()))
"""


@pytest.mark.heavy
def test_hayakoe_speaks_what_is_exported_for_it(tmp_path: Path) -> None:
    python, models = oracle_python(), os.environ.get("SOKUON_PARITY_MODELS")
    if python is None or models is None:
        pytest.skip(
            "needs HayaKoe (SOKUON_ORACLE_PYTHON) and its BERT (SOKUON_PARITY_MODELS: a folder of bench/models.py)"
        )
    (tmp_path / "onnx" / "speakers").mkdir(parents=True)
    for part in ("bert", "onnx/bert"):
        (tmp_path / part).symlink_to(Path(models).resolve() / "hayakoe" / part)
    export_voice(Path(models) / "voice", tmp_path / "onnx" / "speakers" / "ours", Layout.HAYAKOE)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [python, "-c", SPEAK, str(tmp_path)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rate, samples, loudest = map(int, done.stdout.split()[-3:])
    assert rate == 44100
    assert samples > 0.3 * rate
    assert loudest > 100
