"""What further voices cost: resident memory that a second, third and fourth voice add to an engine.

    python bench/voices.py FOLDER      FOLDER holds voice/ and bert-q8/, both converted

Prints a JSON list of MB. The voices are one folder opened again and again: each opens its graphs and maps its weights
anew, so each is counted in full.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

from shared import ROOT, read_texts

sys.path.insert(0, str(ROOT / "src"))

import sokuon
from sokuon.measure.machine import memory_mb

FURTHER_VOICES = 3


def main(folder: Path) -> None:
    text = read_texts()["medium"]
    engine = sokuon.load(folder / "voice", bert=folder / "bert-q8")
    engine.speak(text)
    levels = [memory_mb()[0] or 0.0]
    for number in range(FURTHER_VOICES):
        name = engine.add_voice(folder / "voice", name=f"voice {number + 2}")
        engine.speak(text, voice=name)
        levels.append(memory_mb()[0] or 0.0)
    print(json.dumps([after - before for before, after in pairwise(levels)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
