"""What users may write into a text: {surface|reading}, {surface|reading|accent}, [pause 300ms], [pause 0.5s].

Text that only resembles markup (no kana as reading, a pause of a day) is text, and read as such: a voice that stops at
an odd bracket helps nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sokuon.text.kana import is_pronunciation, to_katakana
from sokuon.text.rules.rule import alternatives
from sokuon.text.sentences import PAUSE
from sokuon.text.words import FORCED, Forced

MAX_PAUSE_S = 60.0
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_PLACE = re.compile(f"[{FORCED}{PAUSE}]")
_READING = r"\{(?P<surface>[^{}|\n]{1,60})\|(?P<reading>[^{}|\n]{1,100})(?:\|(?P<accent>\d{1,2}))?\}"
_PAUSE = r"\[pause (?P<number>\d{1,6}(?:\.\d{1,3})?) ?(?P<unit>ms|s)\]"
_WORD_EDGE = r"(?:(?<![A-Za-z0-9])|(?![A-Za-z0-9]))"


@dataclass(frozen=True)
class Mark:
    """One marked place of a text."""

    source: str
    """As the user wrote it."""
    word: Forced | None = None
    pause_s: float | None = None


@dataclass(frozen=True)
class MarkedText:
    """A text in which each mark is one FORCED or PAUSE character, and the marks in their order."""

    text: str
    marks: tuple[Mark, ...]


class MarkupReader:
    """Finds markup and, as if marked, the given words (surface -> word) that the reading rules would take apart."""

    def __init__(self, words: Mapping[str, Forced]) -> None:
        self._words = dict(words)
        given = alternatives(words) if words else "(?!)"
        self._pattern = re.compile(f"{_READING}|{_PAUSE}|{_WORD_EDGE}(?P<given>{given}){_WORD_EDGE}")

    def read(self, text: str) -> MarkedText:
        """The text with its marks; private-use characters of the user's own are dropped."""
        marks: list[Mark] = []

        def replace(match: re.Match[str]) -> str:
            mark = self._mark(match)
            if mark is None:
                return match.group()
            marks.append(mark)
            return FORCED if mark.word else PAUSE

        return MarkedText(self._pattern.sub(replace, _PRIVATE.sub("", text)), tuple(marks))

    def _mark(self, match: re.Match[str]) -> Mark | None:
        if match["given"]:
            return Mark(match.group(), self._words[match["given"]])
        if match["unit"]:
            seconds = float(match["number"]) / (1000 if match["unit"] == "ms" else 1)
            return Mark(match.group(), pause_s=seconds) if seconds <= MAX_PAUSE_S else None
        reading = to_katakana(match["reading"].strip())
        if not is_pronunciation(reading):
            return None
        return Mark(match.group(), Forced(match["surface"], reading, int(match["accent"] or 0)))


def restore(text: str, marks: Iterator[Mark]) -> tuple[str, list[Mark]]:
    """The user's own writing of a piece of marked text, and the marks in it."""
    own: list[Mark] = []

    def original(_: re.Match[str]) -> str:
        own.append(next(marks))
        return own[-1].source

    return _PLACE.sub(original, text), own


def without_markup(text: str) -> str:
    """What a reader is shown, as in subtitles: the written word of {word|reading}, nothing for a pause."""
    marked = MarkupReader({}).read(text)
    marks = iter(marked.marks)

    def surface(_: re.Match[str]) -> str:
        word = next(marks).word
        return word.surface if word else ""

    return _PLACE.sub(surface, marked.text)
