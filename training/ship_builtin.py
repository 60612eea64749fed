"""Converts the built-in voice and its BERT for the package: `python training/ship_builtin.py`, after a new voice, and
after every change of the converter or of the converted formats (tests/voices/test_builtin.py fails until then)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "training" / "builtin"
sys.path.insert(0, str(ROOT / "src"))

from sokuon.convert.bert import convert_bert  # noqa: E402
from sokuon.convert.graphs import write_graphs  # noqa: E402
from sokuon.convert.products import Precision  # noqa: E402
from sokuon.convert.voice import convert_voice  # noqa: E402
from sokuon.voices.builtin import BUILTIN, builtin_bert  # noqa: E402


def ship(target: Path) -> None:
    """From training/builtin write `target`/voice and `target`/bert-q8, converted, and `target`/bert as it is.

    The graphs too: installed packages are not written into.
    """
    voice, bert = target / "voice", target / builtin_bert("q8").name
    convert_voice(PUBLISHED / "voice", voice)
    convert_bert(PUBLISHED / "bert", bert, Precision.Q8)
    write_graphs(voice)
    write_graphs(bert)
    shutil.copytree(PUBLISHED / "bert", target / "bert", dirs_exist_ok=True)


if __name__ == "__main__":
    ship(BUILTIN)
