"""Accent phrases as OpenJTalk's features hold them, and the accent of a phrase from those of its words.

A phrase's accent is made word by word, each word saying by its class what it does to what stands before it (Sagisaka
and Sato 1983; the classes as OpenJTalk's dictionary writes them). OpenJTalk has applied them already; they are applied
again here to the phrases that a rule of `rules.py` has cut, joined or given another class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_RULE = re.compile(r"(?:(?P<after>[^%/]+)%)?(?P<name>[CFPM]\d+)(?:@(?P<first>-?\d+))?(?:,(?P<second>-?\d+))?")


@dataclass
class Unit:
    """One word of OpenJTalk's analysis with what its own dictionary entry said."""

    feature: dict[str, Any]
    accent: int
    """Of the word alone: the pitch falls after this mora; 0 is flat."""
    starts: bool
    """Begins an accent phrase."""
    rule: str
    """Accent classes, one for each part of speech before it: `動詞%F2@1/名詞%F1`, or one for all: `C3`."""
    changed: bool = False

    @property
    def moras(self) -> int:
        return int(self.feature["mora_size"])

    @property
    def pos(self) -> str:
        return str(self.feature["pos"])

    @property
    def kind(self) -> str:
        """Part of speech with its two groups, `名詞:非自立:一般`."""
        return f"{self.feature['pos']}:{self.feature['pos_group1']}:{self.feature['pos_group2']}"

    @property
    def orig(self) -> str:
        return str(self.feature["orig"])

    @property
    def surface(self) -> str:
        return str(self.feature["string"])

    def begin(self, starts: bool) -> None:
        """Begin a phrase here, or go on with the one before."""
        if self.starts != starts:
            self.starts, self.changed = starts, True

    def give(self, *, accent: int | None = None, rule: str | None = None) -> None:
        """Another accent of its own, or other classes."""
        if accent is not None and accent != self.accent:
            self.accent, self.changed = accent, True
        if rule is not None and rule != self.rule:
            self.rule, self.changed = rule, True


def phrases(units: Sequence[Unit]) -> Iterator[Sequence[Unit]]:
    """The units phrase by phrase."""
    first = 0
    for place in range(1, len(units) + 1):
        if place == len(units) or units[place].starts:
            yield units[first:place]
            first = place


def combine(phrase: Sequence[Unit]) -> int:
    """The accent of the whole phrase, 0 to its number of morae."""
    accent, moras = phrase[0].accent, phrase[0].moras
    for before, unit in pairwise(phrase):
        accent = _joined(accent, moras, unit, before.pos)
        moras += unit.moras
    return max(accent, 0)


def _joined(accent: int, moras: int, unit: Unit, after: str) -> int:
    """The accent of a phrase of `moras` and `accent` once `unit` has followed it."""
    name, first, second = _rule_of(unit.rule, after)
    match name:
        case "F2":
            return accent or moras + first
        case "F3":
            return accent and moras + first
        case "F4":
            return moras + first
        case "F5" | "C4" | "P6":
            return 0
        case "F6":
            return moras + (second if accent else first)
        case "C1":
            return moras + unit.accent
        case "C2":
            return moras + 1
        case "C3":
            return moras
        case "P1":
            return moras + unit.accent if unit.accent else 0
        case "P2":
            return moras + (unit.accent or 1)
        case "P14":
            return moras + unit.accent if unit.accent else accent
        case _:  # F1, C5 and words without a class
            return accent


def _rule_of(rules: str, after: str) -> tuple[str, int, int]:
    """(class, its first number, its second) for the part of speech `after`; no class where there is none."""
    for match in _RULE.finditer(rules):
        if match["after"] is None or match["after"] in after:
            return match["name"], int(match["first"] or 0), int(match["second"] or 0)
    return "", 0, 0
