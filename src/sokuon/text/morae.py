"""Katakana readings -> phones. Pure; the long mark is resolved here, within and between words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from sokuon.text.tables import FOREIGN_MORAE, MORAE, PUNCTUATION

_LONG = "ー"


_PROLONGABLE = frozenset("aiueoNq")


@cache
def _pattern(foreign: bool) -> re.Pattern[str]:
    morae = sorted(map(re.escape, FOREIGN_MORAE if foreign else MORAE), key=len, reverse=True)
    return re.compile("|".join(morae) + "|.", re.DOTALL)


def split_morae(kana: str) -> list[str]:
    """Cut katakana into morae by longest match; an unknown character is a piece of its own."""
    return _pattern(foreign=False).findall(kana)


def count_morae(kana: str) -> int:
    """Morae in a katakana reading; a long mark is one."""
    return len(split_morae(kana))


def is_punctuation(text: str) -> bool:
    """True if the text is not empty and holds only the seven spoken punctuation marks."""
    return bool(text) and all(char in PUNCTUATION for char in text)


def word_phones(readings: Sequence[str], foreign: bool = False) -> list[list[str]]:
    """Phones of each word: katakana readings or punctuation marks, in order.

    A long mark repeats the last sound before it, also across a word boundary; with none before it, it is "-".
    Characters that are no kana (a damaged reading) are spoken as a quotation mark, which is silent.
    `foreign`: with the morae of FOREIGN_MORAE.
    """
    words: list[list[str]] = []
    previous = ""
    for reading in readings:
        phones = list(reading) if is_punctuation(reading) else _kana_phones(reading, previous, foreign)
        words.append(phones)
        previous = phones[-1] if phones else previous
    return words


def _kana_phones(kana: str, previous: str, foreign: bool) -> list[str]:
    phones: list[str] = []
    table = FOREIGN_MORAE if foreign else MORAE
    for mora in _pattern(foreign).findall(kana):
        if mora == _LONG:
            last = (phones[-1] if phones else previous)[-1:]
            phones.append(last if last in _PROLONGABLE or (phones and last) else "-")
        else:
            phones.extend(table.get(mora, (mora if mora in PUNCTUATION else "'",)))
    return phones
