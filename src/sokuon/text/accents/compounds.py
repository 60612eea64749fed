"""Two words said as one compound, where OpenJTalk begins a phrase at the second."""

from __future__ import annotations

from collections.abc import Sequence

from sokuon.text.accents.phrases import Unit

_ADJECTIVAL, _CASE = "名詞:形容動詞語幹", "助詞:格助詞"


def join_compounds(units: Sequence[Unit]) -> None:
    """Doubled nouns (一人一人: the second one's accent), and an adjectival noun that its case particle makes a plain
    one (社会不安が)."""
    for place in range(1, len(units)):
        before, unit = units[place - 1], units[place]
        if not unit.starts or unit.pos != "名詞" or before.pos != "名詞":
            continue
        after = units[place + 1] if place + 1 < len(units) else None
        if unit.surface == before.surface and unit.accent:
            unit.begin(False)
            unit.give(rule="C1")
        elif unit.kind.startswith(_ADJECTIVAL) and after is not None and after.kind.startswith(_CASE):
            unit.begin(False)
