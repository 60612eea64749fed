"""Which part of the user's text became which word. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher

from sokuon.text.characters import fold


def source_pieces(source: str, surfaces: Sequence[str]) -> list[tuple[str, int, int]]:
    """Cut `source` where words begin: (piece, first and last + 1 character among the words' own).

    The pieces joined are `source`. Words whose border lies inside a part that was rewritten (2024年 is spoken as
    二千二十四年) share a piece.
    """
    text = "".join(surfaces)
    if not text:
        return []
    places = _places(source, text)
    pieces: list[tuple[str, int, int]] = []
    begin = start = end = 0
    for surface in surfaces:
        end += len(surface)
        place = len(source) if end == len(text) else places[end]
        if place is not None and (place > start or end == len(text)):
            pieces.append((source[start:place], begin, end))
            start, begin = place, end
    return pieces


def _places(source: str, text: str) -> list[int | None]:
    """For each border in `text` the border in `source`; None inside what was rewritten."""
    matcher = SequenceMatcher(None, [_comparable(c) for c in source], list(text), autojunk=False)
    places: list[int | None] = [None] * (len(text) + 1)
    places[0] = 0
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        if i2 - i1 == j2 - j1:
            places[j1 : j2 + 1] = range(i1, i2 + 1)
        else:
            places[j2] = i2
    return places


def _comparable(char: str) -> str:
    return fold(unicodedata.normalize("NFKC", char))[:1] or char
