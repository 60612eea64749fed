"""The features of the dictionary's words in a sixth of the room, and back, character by character.

MeCab's dictionary holds 790,000 words, and for each its grammar, base form, reading, pronunciation and accent as a
text: 67 of its 103 MB. Some 700 grammars and 1,200 accents recur, most words are pronounced as they are read, base
forms begin like the word, and kana take three bytes each. Sokuon's copy of the binding holds packed features
(`packaging/pack_dictionary.py` writes them, with this module), which MeCab maps and hands out like any other; what
comes out of it is unpacked in `binding.py`.

    あおり立てりゃ 動詞,自立,*,*,一段,仮定縮約１,あおり立てる,アオリタテリャ,アオリタテリャ,5/6,C1
    packed: mark, grammar (2 characters), accent (2), read, [mark, said if not as read], [mark, base if not the word]
    read, said: kana as ASCII; base: how many characters are the word's, and the rest, hiragana as ASCII

The binding and MeCab themselves look at the grammar of numerals and marks; those stay as they are (`PLAIN`), and so do
features of users' words and of unknown ones. This module needs the standard library alone, for the build runs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FILE = "features.json"
"""Lies beside a dictionary whose features are packed."""

PLAIN = ("名詞,数,", "記号,")

PACKED, _SAID, _BASE = "\x01", "\x02", "\x03"  # no text has them: OpenJTalk drops control characters of ASCII
_DIGITS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != ",")  # a comma ends a field
_KATAKANA = "".join(map(chr, range(ord("ァ"), ord("ヴ") + 1))) + "ー’:"
_HIRAGANA = "".join(map(chr, range(ord("ぁ"), ord("ん") + 1)))
_PACK_READ = str.maketrans(_KATAKANA, _DIGITS[: len(_KATAKANA)])
_READ = str.maketrans(_DIGITS[: len(_KATAKANA)], _KATAKANA)
_PACK_BASE = str.maketrans(_HIRAGANA, _DIGITS[: len(_HIRAGANA)])
_FROM_BASE = str.maketrans(_DIGITS[: len(_HIRAGANA)], _HIRAGANA)
_GRAMMAR_FIELDS, _FIELDS = 6, 11


@dataclass(frozen=True)
class Features:
    """What recurs in the features of one dictionary."""

    grammars: Sequence[str]
    """Part of speech, its three groups, and two fields of conjugation."""
    accents: Sequence[str]
    """Accent/morae, accent classes."""

    @classmethod
    def of(cls, features: Iterable[str]) -> Features:
        """Of a dictionary with these features."""
        grammars, accents = set(), set()
        for feature in features:
            fields = feature.split(",")
            grammars.add(",".join(fields[:_GRAMMAR_FIELDS]))
            accents.add(",".join(fields[-2:]))
        return cls(sorted(grammars), sorted(accents))

    @classmethod
    def load(cls, dictionary: Path) -> Features:
        """Of the dictionary in this folder. Raises OSError and ValueError."""
        return cls(**json.loads((dictionary / FILE).read_text(encoding="utf-8")))

    def save(self, dictionary: Path) -> None:
        """Beside the dictionary in this folder."""
        told = {"grammars": self.grammars, "accents": self.accents}
        (dictionary / FILE).write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")

    def pack(self, word: str, feature: str) -> str:
        """The word's feature in less room; itself where it would not come back the same, or must stay."""
        fields = feature.split(",")
        if len(fields) != _FIELDS or feature.startswith(PLAIN):
            return feature
        grammar, accent = ",".join(fields[:_GRAMMAR_FIELDS]), ",".join(fields[-2:])
        base, read, said = fields[_GRAMMAR_FIELDS:-2]
        packed = (
            f"{PACKED}{self._grammar_codes[grammar]}{self._accent_codes[accent]}{read.translate(_PACK_READ)}"
            f"{'' if said == read else _SAID + said.translate(_PACK_READ)}{_packed_base(word, base)}"
        )
        return packed if self.unpack(word, packed) == feature else feature

    def unpack(self, word: str, feature: str) -> str:
        """The word's feature as the dictionary had it; one that is not packed is returned as it is."""
        if not feature.startswith(PACKED):
            return feature
        sounds, _, base = feature[5:].partition(_BASE)
        read, _, said = sounds.translate(_READ).partition(_SAID)
        grammar, accent = self.grammars[_number(feature[1:3])], self.accents[_number(feature[3:5])]
        return f"{grammar},{_base(word, base)},{read},{said or read},{accent}"

    def unpack_morpheme(self, morpheme: str) -> str:
        """The same of a word, a comma, and its feature."""
        word, packed, feature = morpheme.partition("," + PACKED)
        return f"{word},{self.unpack(word, PACKED + feature)}" if packed else morpheme

    @cached_property
    def _grammar_codes(self) -> dict[str, str]:
        return {grammar: _code(number) for number, grammar in enumerate(self.grammars)}

    @cached_property
    def _accent_codes(self) -> dict[str, str]:
        return {accent: _code(number) for number, accent in enumerate(self.accents)}


def _code(number: int) -> str:
    """Two characters for a number below 93²."""
    return _DIGITS[number // len(_DIGITS)] + _DIGITS[number % len(_DIGITS)]


def _number(code: str) -> int:
    return _DIGITS.index(code[0]) * len(_DIGITS) + _DIGITS.index(code[1])


def _packed_base(word: str, base: str) -> str:
    if base == word:
        return ""
    most = min(len(word), len(base), len(_DIGITS) - 1)
    same = next((at for at in range(most) if word[at] != base[at]), most)
    return _BASE + _DIGITS[same] + base[same:].translate(_PACK_BASE)


def _base(word: str, packed: str) -> str:
    return word[: _DIGITS.index(packed[0])] + packed[1:].translate(_FROM_BASE) if packed else word
