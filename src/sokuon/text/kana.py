"""Kana as users write readings: checks and hiragana to katakana. Pure."""

from __future__ import annotations

import re
import unicodedata

_HIRAGANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}
_KATAKANA = {katakana: hiragana for hiragana, katakana in _HIRAGANA.items()}
_SMALL = "ァィゥェォャュョヮ"
_PRONUNCIATION = re.compile(
    rf"(?![{_SMALL[:-1]}ッー]*$)"  # something to say besides small kana
    rf"(?!.*[{_SMALL}ッ][{_SMALL}])(?!.*ッッ)(?!.*[^クグ]ヮ)[ァ-ヴー]+"
)


def to_katakana(text: str) -> str:
    """Hiragana and half-width kana as katakana; other characters stay."""
    return unicodedata.normalize("NFKC", text).translate(_HIRAGANA)


def to_hiragana(text: str) -> str:
    """Katakana as hiragana; other characters stay."""
    return text.translate(_KATAKANA)


def is_pronunciation(text: str) -> bool:
    """Katakana that can be spoken: no small kana after a small one, no doubled ッ, ヮ only after ク and グ."""
    return bool(_PRONUNCIATION.fullmatch(text))
