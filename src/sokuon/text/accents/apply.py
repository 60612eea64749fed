"""Apply the rules to one sentence's features."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sokuon.text.accents.compounds import join_compounds
from sokuon.text.accents.indefinite import flatten_indefinite
from sokuon.text.accents.phrases import Unit, combine, phrases
from sokuon.text.accents.rules import RULES, Rule, State, by_word

_RULES = by_word(RULES)
_NO_RULES: tuple[Rule, ...] = ()
_LOANWORD = re.compile(r"[ァ-ヶー]+")
_SPECIAL = frozenset("ンー")
"""Second morae of a long syllable."""
_REACH = 3
"""How far the two lists may be apart before a word counts as one that OpenJTalk made itself."""


def improve(features: Sequence[dict[str, Any]], morphemes: Sequence[str]) -> list[dict[str, Any]]:
    """OpenJTalk's features with the accents of `rules.py`; `morphemes` are MeCab's, with the words' own accents."""
    units = _units(features, morphemes)
    flatten_indefinite(units)
    join_compounds(units)
    for place in range(1, len(units)):
        for rule in _RULES.get(units[place].orig, _NO_RULES):
            if _holds(rule, units, place):
                _apply(rule, units[place])
                break
    spoken: list[dict[str, Any]] = []
    for phrase in phrases(units):
        after = units[len(spoken) + len(phrase)] if len(spoken) + len(phrase) < len(units) else None
        touched = any(unit.changed for unit in phrase) or (after is not None and after.changed)
        spoken += _spoken(phrase, touched)
    return spoken


def _units(features: Sequence[dict[str, Any]], morphemes: Sequence[str]) -> list[Unit]:
    accents = _own_accents(features, morphemes)
    units = [
        Unit(feature, feature["acc"] if own is None else own, feature["chain_flag"] != 1, feature["chain_rule"])
        for feature, own in zip(features, accents, strict=True)
    ]
    for unit in units:
        if unit.starts and unit.accent > 1 and _is_adverbial(unit):
            unit.give(accent=unit.accent - 1)
    return units


def _is_adverbial(unit: Unit) -> bool:
    """Whether it is an adjective's form in く: its kernel is one earlier, ハゲシ＼イ, ハゲ＼シク (not さりげなく)."""
    return unit.pos == "形容詞" and unit.surface.endswith("く") and not unit.orig.endswith("ない")


def _own_accents(features: Sequence[dict[str, Any]], morphemes: Sequence[str]) -> list[int | None]:
    """The accents that MeCab's dictionary gives the words that begin phrases: there the features hold the phrase's.
    None for other words and for those that OpenJTalk has made itself (digits)."""
    accents: list[int | None] = []
    place = 0
    for feature in features:
        surface = feature["string"]
        ahead = range(place, min(place + _REACH, len(morphemes)))
        found = next((i for i in ahead if morphemes[i].startswith(surface + ",")), None)
        if found is None:
            accents.append(None)
            continue
        place = found + 1
        accents.append(_own_accent(feature, morphemes[found]) if feature["chain_flag"] != 1 else None)
    return accents


def _own_accent(feature: dict[str, Any], morpheme: str) -> int | None:
    accent, _, _ = morpheme.rsplit(",", 2)[1].partition("/")
    if not accent.isdigit():
        return None
    # The renyokei of a verb with its kernel on the last mora has it one earlier: タベ\ル, タ\ベテ.
    stem = feature["pos"] == "動詞" and feature["cform"].startswith("連用形")
    early = stem and int(accent) == feature["mora_size"] > 1
    return int(accent) - int(early)


def _holds(rule: Rule, units: Sequence[Unit], place: int) -> bool:
    unit, before = units[place], units[place - 1]
    return (
        unit.kind.startswith(rule.kind)
        and unit.feature["cform"].startswith(rule.form)
        and (not rule.after or before.surface in rule.after)
        and before.kind.startswith(rule.after_kind)
        and _is_followed(rule, units[place + 1] if place + 1 < len(units) else None)
        and _in_state(rule.state, units, place)
    )


def _is_followed(rule: Rule, after: Unit | None) -> bool:
    if not rule.before and not rule.before_kind:
        return True
    return (
        after is not None
        and (after.orig in rule.before or after.kind.startswith(rule.before_kind or "-"))
        and after.feature["cform"].startswith(rule.before_form)
    )


def _in_state(state: State, units: Sequence[Unit], place: int) -> bool:
    if state is State.ANY:
        return True
    first = next((i for i in range(place - 1, -1, -1) if units[i].starts), 0)
    phrase = units[first:place]
    accent, moras = combine(phrase), sum(unit.moras for unit in phrase)
    if state is State.LAST:
        return _on_last_syllable(accent, moras, phrase[-1])
    fallen = 0 < accent < moras
    return fallen is (state is State.ACCENTED)


def _on_last_syllable(accent: int, moras: int, last: Unit) -> bool:
    long = str(last.feature["pron"])[-1:] in _SPECIAL and not _LOANWORD.fullmatch(last.surface)
    return accent >= 2 and accent == moras - int(long)


def _apply(rule: Rule, unit: Unit) -> None:
    if rule.begins is not None:
        unit.begin(rule.begins)
    unit.give(accent=rule.accent, rule=rule.classes)


def _spoken(phrase: Sequence[Unit], touched: bool) -> list[dict[str, Any]]:
    """The phrase's features; the accent of one that a rule has touched is made anew."""
    if not touched:
        return [unit.feature for unit in phrase]
    features: Any = [{**unit.feature, "chain_flag": int(unit is not phrase[0])} for unit in phrase]
    features[0]["acc"] = combine(phrase)
    from pyopenjtalk.utils import modify_acc_after_chaining, retreat_acc_nuc

    adjusted: Any = modify_acc_after_chaining(retreat_acc_nuc(features))
    return list(adjusted)
