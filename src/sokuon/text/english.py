"""Latin letters -> katakana: known names, acronyms letter by letter, everything else by kanalizer (a small network)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files

from sokuon.text.rules.rule import SOFT

_LETTER_NAMES = (
    "エー ビー シー ディー イー エフ ジー エイチ アイ ジェー ケー エル エム エヌ オー ピー キュー アール エス ティー "
    "ユー ブイ ダブリュー エックス ワイ ゼット"
)
_LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", _LETTER_NAMES.split(), strict=True))
# A run of Latin text without spaces, with the signs and digits that names hold (C++, Wi-Fi, Node.js, AT&T, MP3, 3D).
_CORE = r"[A-Za-z\d]*[A-Za-z][A-Za-z\d]*"
_TOKEN = re.compile(rf"(?<![A-Za-z\d])\.?{_CORE}(?:[-./&'’][A-Za-z\d]+)*(?:\+\+|[#!.](?![A-Za-z\d]))?")
_PIECE = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*|\d+(?:\.\d+)*|[^A-Za-z\d]+")
_HUMPS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_VOWEL = re.compile("[aeiouy]")
_SIGNS = {"&": "アンド", "/": SOFT, "+": "プラス", "#": "シャープ"}
_ARTICLE = re.compile(
    r"(?<![A-Za-z\d&'.-])A(?= (?!vs|and|or|to|is|in|on|as|at|for|from|with)[a-z]{2})|(?<![A-Za-z\d&'.-])a(?= [A-Za-z])"
)
_DOTTED = re.compile(r"(?<![A-Za-z\d.])(?:[A-Za-z]\.){2,}")  # Q.E.D.
_KEYS = re.compile(r"\b(Ctrl|Alt|Shift|Cmd|Command|Win|Option|Control) ?\+ ?(?=[A-Za-z\d])")
_ALONE = {"C": "シイ"}  # OpenJTalk reads a lone シー as the sea, スィー
_LONGEST_ACRONYM = 3
_SHORTEST_WORD = 4
# Consonants that can start and end a word: capitals made of these are a word (RING, SOHO), others spelled (OECD).
_ONSET_LIST = (
    "BL BR CH CHR CL CR DR DW FL FR GL GR KN PH PL PR QU SC SCH SCR SH SHR SK SL SM SN SP SPL SPR ST STR SW TH THR TR "
    "TS TW WH WR"
)
_CODA_LIST = (
    "CK CT FT GHT LD LF LK LL LM LP LT MB MP NC NCH ND NG NK NS NT PT RCH RD RK RL RM RN RP RS RT SH SK SP SS ST TCH "
    "TH TT XT"
)
_ONSETS = frozenset(_ONSET_LIST.split())
_CODAS = frozenset(_CODA_LIST.split())
_LONGEST_WORD = 30

Lookup = Callable[[str], str | None]


@cache
def _table() -> dict[str, str]:
    lines = files("sokuon.text").joinpath("data/english.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if "\t" in line and not line.startswith("# "))


@cache
def _lower_table() -> dict[str, str]:
    """The table for any case; names that are spelled as a common word (US, IT, WHO) only match as written."""
    table = _table()
    return {word.lower(): reading for word, reading in table.items()} | {
        word: reading for word, reading in table.items() if word == word.lower()
    }


def spell(letters: str) -> str:
    """Letter by letter: GPU ジーピーユー."""
    return "".join(_LETTERS[letter] for letter in letters.lower())


class EnglishReader:
    """Reads Latin text; `lookup` gives the reading of a word in OpenJTalk's dictionary, if it has one."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lru_cache(maxsize=8192)(lookup)

    def read(self, text: str) -> str:
        """Replace every Latin word by its reading; spaces between the words stay."""
        text = _DOTTED.sub(lambda match: _known(match.group()) or spell(match.group().replace(".", "")), text)
        text = _KEYS.sub(r"\1 ", _ARTICLE.sub("ア", text))
        return _TOKEN.sub(lambda match: self._token(match.group()), text)

    @staticmethod
    def known(token: str) -> str | None:
        """The reading of a name or word in the table."""
        return _known(token)

    def word(self, word: str) -> str:
        """One word of Latin letters, in katakana."""
        known = _known(word)
        if known:
            return known
        if len(word) == 1:
            return spell(word)
        if word.isupper():
            return self._capitals(word)
        humps = _HUMPS.findall(word)
        if len(humps) > 1 and "".join(humps) == word:
            return "".join(self.word(hump) for hump in humps)
        return self._inflected(word) or self._lookup(word) or _guess(word.lower())

    def _token(self, token: str) -> str:
        """A token as a whole if it is known, else its longest known start, else piece by piece."""
        known = _known(token)
        if known:
            return known
        tail = token[-1] if token[-1] in ".!" else ""
        if tail:
            return self._token(token[:-1]) + tail
        return "".join(self._piece(piece) for piece in _split_known(token))

    def _piece(self, piece: str) -> str:
        if piece[0].isdigit():
            return piece
        if piece[0] == ".":
            return "ドット"
        if not piece[0].isalpha():
            return _known(piece) or "".join(_SIGNS.get(sign, "") for sign in piece)
        return _ALONE.get(piece) or spell(piece) if len(piece) == 1 else _known(piece) or self._apostrophe(piece)

    def _apostrophe(self, piece: str) -> str:
        parts = re.split("['’]", piece)
        endings = {"s": "ズ", "t": "ト", "re": "アー", "ll": "ル", "ve": "ブ", "d": "ド", "m": "ム"}
        return self.word(parts[0]) + "".join(endings.get(part.lower()) or self.word(part) for part in parts[1:])

    def _capitals(self, word: str) -> str:
        """Acronyms are spelled, unless long enough to be a word in capitals that can be pronounced."""
        dictionary = self._lookup(word)
        if dictionary:
            return dictionary
        if len(word) < _SHORTEST_WORD or not _is_pronounceable(word):
            return spell(word)
        return self.word(word.capitalize())

    def _inflected(self, word: str) -> str | None:
        """Plurals and third persons of known words: GitHubs, prompts."""
        if not word.endswith("s") or word.endswith("ss"):
            return None
        base = _known(word[:-1])
        return base + ("ス" if word[-2] in "kpft" else "ズ") if base else None


def _known(token: str) -> str | None:
    token = token.replace("’", "'")
    if len(token) == 1 and token.isupper():
        return _ALONE.get(token) or spell(token)
    exact = _table().get(token)
    if exact or (token.isupper() and len(token) <= _LONGEST_ACRONYM) or token in _ORDINARY_CAPITALS:
        return exact
    return _lower_table().get(token.lower())


_ORDINARY_CAPITALS = frozenset(
    ["us", "it", "Us", "who", "Who", "pin", "Pin", "go", "arm", "aids", "ram", "sim", "un", "ar", "mr"]
)


def _is_pronounceable(capitals: str) -> bool:
    """True if the consonants between the vowels are such as English words have."""
    first, *middle, last = re.split("[AEIOUY]+", capitals) if _VOWEL.search(capitals.lower()) else ("", "XXXX", "")
    return (
        (len(first) <= 1 or first in _ONSETS)
        and (len(last) <= 1 or last.removesuffix("S") in _CODAS or last in _CODAS)
        and all(len(consonants) <= 3 for consonants in middle)
    )


def _split_known(token: str) -> list[str]:
    """Pieces of letters, digits and signs, with known parts of several pieces (MP3, Wi-Fi) kept whole."""
    pieces: list[str] = _PIECE.findall(token)
    parts: list[str] = []
    start = 0
    while start < len(pieces):
        end = next(
            (end for end in range(min(len(pieces), start + 5), start + 1, -1) if _known("".join(pieces[start:end]))),
            start + 1,
        )
        parts.append("".join(pieces[start:end]))
        start = end
    return parts


@lru_cache(maxsize=8192)
def _guess(word: str) -> str:
    """Katakana by kanalizer; letter by letter where it cannot (no vowel, or far too long for a word)."""
    if not _VOWEL.search(word) or len(word) > _LONGEST_WORD:
        return spell(word)
    import kanalizer

    return str(kanalizer.convert(word, on_incomplete="ignore"))
