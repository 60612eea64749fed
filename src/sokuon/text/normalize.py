"""Raw text of one sentence -> the text that OpenJTalk analyses: what is written becomes what is said.

The order of the steps matters: a sign is read by the first step that understands it, and each step leaves plain
Japanese, digits with counters, and Latin words to the next.
"""

from __future__ import annotations

import re
import unicodedata

from sokuon.text.characters import fold
from sokuon.text.english import EnglishReader
from sokuon.text.rules.corrections import correct
from sokuon.text.rules.dates import read_dates
from sokuon.text.rules.emoticons import read_emoticons
from sokuon.text.rules.numbers import read_money, read_numbers
from sokuon.text.rules.rule import SOFT, Rule, apply, rule
from sokuon.text.rules.symbols import after, before_folding
from sokuon.text.rules.units import read_units
from sokuon.text.rules.web import read_addresses
from sokuon.text.words import FORCED

_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufff0-\uffff]")
_SPACING_VOICING = str.maketrans("\u309b\u309c", "\u3099\u309a")
_VOICING_MARKS = re.compile("[\u3099\u309a]")
_LATIN_MARKS = re.compile("(?<=[A-Za-z])[\u0300-\u036f]+")
_ACCENTED = re.compile("[\u00c0-\u024f\u1e00-\u1eff]")
_LATIN_LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "ł": "l", "đ": "d", "ı": "i"}
)
_WAVES: tuple[Rule, ...] = (
    rule("(?<=[一-鿿])[~〜](?=[一-鿿])", "から", "~〜"),
    rule("(?<=[ぁ-ゖァ-ヺー一-鿿々])[~〜]", "ー", "~〜"),
    rule("[~〜]", "", "~〜"),
)
_KEPT = re.compile(f"({FORCED}|{SOFT}+|[^\\S\n]+|[0-9]+|[\U00020000-\U0003ffff]+)")
_EDGE = "!?…,.'\\-"
_IDLE_BREAK = re.compile(f"^[{SOFT} ]+|[{SOFT} ]+$|(?<=[{_EDGE}])[{SOFT} ]+|[{SOFT} ]+(?=[{_EDGE}])")
_BREAK = re.compile(f" *{SOFT}[{SOFT} ]*")


def normalize(text: str, english: EnglishReader) -> str:
    """What OpenJTalk is to analyse: kana, kanji, digits, the seven punctuation marks, and spaces between words."""
    text = fold_width(read_emoticons(text))
    text = correct(text)
    text = read_addresses(text, english)
    text = read_dates(text)
    text = read_money(text)
    text = read_units(text)
    text = read_numbers(text)
    text = english.read(text)
    text = after(text)
    return _tidy(text)


def fold_width(text: str) -> str:
    """Full and half width, ligatures and accents folded (NFKC); signs that NFKC would spoil are read before."""
    text = _UNSPEAKABLE.sub("", text).translate(_SPACING_VOICING)
    text = unicodedata.normalize("NFKC", before_folding(text))
    return _ACCENTED.sub(_without_accent, text.translate(_LATIN_LETTERS))


def _without_accent(match: re.Match[str]) -> str:
    return _LATIN_MARKS.sub("", unicodedata.normalize("NFD", match.group()))


def _tidy(text: str) -> str:
    """Wave dashes, punctuation, breaks: only what OpenJTalk and the voices know is left."""
    text = apply(_WAVES, text)
    text = "".join(piece if _KEPT.fullmatch(piece) else fold(piece) for piece in _KEPT.split(text))
    text = _VOICING_MARKS.sub("", text)
    return _BREAK.sub(",", _IDLE_BREAK.sub("", text))
