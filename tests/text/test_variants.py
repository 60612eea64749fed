"""Variant kanji come back from two strings as from the binding's dictionaries."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sokuon.text.openjtalk.variants import Translation, Variants

PAIRS = {"齒": "歯", "髙": "高", "﨑": "崎", "𠮷": "吉", "㐂": "喜", "着": "着"}


@pytest.fixture(params=["made", "loaded"])
def variants(request: pytest.FixtureRequest, tmp_path: Path) -> Variants:
    made = Variants.of(PAIRS)
    made.save(tmp_path)
    return made if request.param == "made" else Variants.load(tmp_path)


def test_is_the_mapping_it_was_made_of(variants: Variants) -> None:
    assert dict(variants) == PAIRS
    assert len(variants) == len(PAIRS)
    assert all(character in variants for character in PAIRS)
    for unknown in ("", "歯", "齒髙", "\0", chr(sys.maxunicode)):
        assert unknown not in variants
        assert variants.get(unknown, "none") == "none"


def test_translates_like_a_dictionary(variants: Variants) -> None:
    text = "山﨑の齒は㐂び、𠮷野家で着る。" + chr(sys.maxunicode)
    assert text.translate(Translation(variants)) == text.translate(str.maketrans(PAIRS)) != text


def test_refuses_what_two_strings_cannot_hold() -> None:
    with pytest.raises(ValueError, match="not one character"):
        Variants.of({"か゚": "か"})
