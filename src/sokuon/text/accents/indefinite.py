"""何も, どこにも, 誰とも, 何のNも before a negation: the interrogative loses its accent (NHK)."""

from __future__ import annotations

from collections.abc import Sequence

from sokuon.text.accents.phrases import Unit

_INTERROGATIVES = frozenset(["何", "なに", "どこ", "何処", "誰", "だれ", "どちら", "どれ", "どなた"])
_OF = frozenset(["何の", "なんの"])
_CASES = frozenset(["に", "へ", "と", "から", "で"])
_NEGATIONS = frozenset(["ない", "ぬ", "ん", "無い"])
_MOST_WORDS_OF = 4
"""Words from 何の to its も."""


def flatten_indefinite(units: Sequence[Unit]) -> None:
    """Take the accent from the interrogatives with も in a negated clause."""
    for place, unit in enumerate(units):
        if unit.orig in _INTERROGATIVES and unit.pos == "名詞":
            particles = _particles(units, place + 1)
        elif unit.surface in _OF and any(x.surface == "も" for x in units[place + 2 : place + 2 + _MOST_WORDS_OF]):
            particles = units[place + 1 : place + 1]
        else:
            continue
        if particles is not None and _negated(units, place + 1):
            unit.give(accent=0, rule="F1")
            for particle in particles:
                particle.give(rule="F1")


def _particles(units: Sequence[Unit], place: int) -> Sequence[Unit] | None:
    """も with the case particle before it, if that is what stands there."""
    first = place
    if place < len(units) and units[place].surface in _CASES:
        place += 1
    return units[first : place + 1] if place < len(units) and units[place].surface == "も" else None


def _negated(units: Sequence[Unit], place: int) -> bool:
    """Whether a negation follows before the next mark."""
    for unit in units[place:]:
        if unit.pos == "記号":
            return False
        if unit.orig in _NEGATIONS:
            return True
    return False
