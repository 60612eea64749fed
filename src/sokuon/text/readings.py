"""Readings by context: `data/readings.tsv` over MeCab's morphemes, before OpenJTalk makes accent phrases of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

from sokuon.text.morae import count_morae

_TABLE = "data/readings.tsv"
_READ, _PRON, _ACCENT, _ORIG, _RULES = 8, 9, 10, 7, 11
"""Fields of a morpheme: surface, part of speech and its three groups, two of conjugation, base, read, said,
accent/morae, accent classes."""
_FIELDS = 12


@dataclass(frozen=True)
class Reading:
    """One row of the table."""

    word: str
    said: str
    """Katakana as pronounced."""
    accent: int | None
    """None: as the dictionary has it."""
    before: str
    after: str
    grammar: str = ""
    """Fields 1 to 7 of the morpheme, where the dictionary cuts the word into others; empty: those of its last one."""

    @cached_property
    def _before(self) -> re.Pattern[str]:
        return re.compile(f"(?:{self.before})$")

    @cached_property
    def _after(self) -> re.Pattern[str]:
        return re.compile(self.after)

    def fits(self, text: str, first: int, end: int) -> bool:
        """Whether the word at text[first:end] stands where this reading is meant."""
        if self.before and not self._before.search(text[max(0, first - _SIGHT) : first]):
            return False
        return not self.after or self._after.match(text, end) is not None


_SIGHT = 12
"""Characters before the word that a pattern may look at."""


@dataclass(frozen=True)
class Table:
    """All rows by word, and a pattern that finds any of the words."""

    rows: dict[str, tuple[Reading, ...]]
    words: re.Pattern[str]


@cache
def table() -> Table:
    """The table, read at the first use."""
    rows: dict[str, tuple[Reading, ...]] = {}
    for line in files("sokuon.text").joinpath(_TABLE).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            word, said, accent, before, after, _, *grammar = line.split("\t")
            reading = Reading(word, said, int(accent) if accent else None, before, after, *grammar)
            rows[word] = (*rows.get(word, ()), reading)
    words = "|".join(map(re.escape, sorted(rows, key=len, reverse=True)))
    return Table(rows, re.compile(words))


def choose_readings(morphemes: Sequence[str], own_words: Collection[str] = ()) -> list[str]:
    """The morphemes with the table's readings; words in `own_words` (the user's) keep theirs."""
    surfaces = [morpheme.partition(",")[0] for morpheme in morphemes]
    text = "".join(surfaces)
    if not table().words.search(text):
        return list(morphemes)
    places, end = {0: 0}, 0
    for number, surface in enumerate(surfaces, 1):
        end += len(surface)
        places[end] = number
    chosen, done = [], 0
    for match in table().words.finditer(text):
        first, last = places.get(match.start()), places.get(match.end())
        row = next((row for row in table().rows[match.group()] if row.fits(text, *match.span())), None)
        if row is None or first is None or last is None or row.word in own_words:
            continue
        chosen += [*morphemes[done:first], _said(morphemes[first:last], row)]
        done = last
    return [*chosen, *morphemes[done:]]


def _said(morphemes: Sequence[str], row: Reading) -> str:
    """One morpheme for all: the last one's grammar, the row's reading."""
    fields = morphemes[-1].split(",")
    fields += ["*"] * (_FIELDS - len(fields))
    accent = fields[_ACCENT].partition("/")[0] if row.accent is None else str(row.accent)
    stem = "".join(morpheme.partition(",")[0] for morpheme in morphemes[:-1])
    fields[0], fields[_ORIG] = row.word, stem + fields[_ORIG]
    if row.grammar:
        fields[1 : _ORIG + 1] = row.grammar.split(",")
        fields[_RULES] = "*"
    fields[_READ] = fields[_PRON] = row.said
    fields[_ACCENT] = f"{accent if accent.isdigit() else 0}/{count_morae(row.said)}"
    return ",".join(fields)
