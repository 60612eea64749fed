"""Two voices' words compared: sums over seeds, and an interval over sentences."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from consonants import INITIAL, aligned, count
from intelligibility import compare


def written(folder: Path, name: str, errors: dict[str, int]) -> Path:
    path = folder / name
    path.write_text(json.dumps(errors), encoding="utf-8")
    return path


def test_a_difference_in_every_sentence_is_sure(tmp_path: Path) -> None:
    old = [written(tmp_path, f"old{seed}.json", {f"s{i}": 3 for i in range(50)}) for seed in range(2)]
    new = [written(tmp_path, f"new{seed}.json", {f"s{i}": 1 + i % 2 for i in range(50)}) for seed in range(2)]
    found = compare(old, new)
    assert (found["old"], found["new"], found["difference"]) == (300, 150, -150)
    low, high = found["interval"]
    assert -200 < low < -150 < high < -100


def test_one_lucky_sentence_proves_nothing(tmp_path: Path) -> None:
    old = written(tmp_path, "old.json", {"s0": 9, **{f"s{i}": 1 for i in range(1, 50)}})
    new = written(tmp_path, "new.json", {f"s{i}": 1 for i in range(50)})
    low, high = compare([old], [new])["interval"]
    assert low < -8 <= high == 0


def test_other_sentences_are_refused(tmp_path: Path) -> None:
    old, new = written(tmp_path, "old.json", {"a": 1}), written(tmp_path, "new.json", {"b": 1})
    with pytest.raises(SystemExit, match="same sentences"):
        compare([old], [new])


def test_consonants_are_counted_against_what_stands_in_their_place() -> None:
    said, heard = ["h", "e", "y", "a", "n", "i"], ["k", "e", "e", "a", "n", "i"]
    assert aligned(said, heard)[:3] == [("h", "k"), ("e", "e"), ("y", "e")]
    spoken, wrong = count([(said, heard), (["a", "k", "a"], ["t", "a", "k", "a"])])
    assert spoken["voiceless fricatives"] == wrong["voiceless fricatives"] == 1
    assert (spoken["nasals"], wrong["nasals"]) == (1, 0)
    assert (spoken["voiceless plosives"], wrong["voiceless plosives"]) == (1, 0)
    assert (spoken[INITIAL], wrong[INITIAL]) == (1, 1)


def test_a_consonant_left_out_is_wrong_and_its_neighbours_are_not() -> None:
    assert aligned(["h", "a", "r", "u"], ["a", "r", "u"]) == [("h", None), ("a", "a"), ("r", "r"), ("u", "u")]
