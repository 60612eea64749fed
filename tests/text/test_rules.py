"""Rules are passed over in texts that have none of their signs; nothing is lost by it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from sokuon.text.rules.rule import DIGIT, RARE, Rule, apply, is_rare, rule

if sys.version_info >= (3, 11):
    from re import _constants as parts
    from re import _parser as parser
else:
    import sre_constants as parts
    import sre_parse as parser

READING = ("corrections", "dates", "emoticons", "numbers", "symbols", "units")
TABLES = {
    f"{module}.{name}": value
    for module in (*map("rules.{}".format, READING), "normalize")
    for name, value in vars(import_module(f"sokuon.text.{module}")).items()
    if isinstance(value, tuple) and value and all(isinstance(each, Rule) for each in value)
}
RULES = [each for table in TABLES.values() for each in table]


def is_sign(character: str, signs: Collection[str]) -> bool:
    return character in signs or (DIGIT in signs and character.isdecimal()) or (RARE in signs and is_rare(character))


def signs_alone(items: Iterable[tuple[Any, Any]], signs: Collection[str]) -> bool:
    """Whether a class of characters holds signs and nothing else."""
    for kind, value in items:
        ends = {parts.LITERAL: (value, value), parts.RANGE: value}.get(kind)
        if kind is parts.CATEGORY and value is parts.CATEGORY_DIGIT and DIGIT in signs:
            continue
        if ends is None or not all(is_sign(chr(code), signs) for code in range(ends[0], ends[1] + 1)):
            return False
    return True


def has_a_sign(pattern: Iterable[tuple[Any, Any]], signs: Collection[str]) -> bool:
    """Whether every match of a parsed pattern has, or looks at, one of the signs."""
    return any(
        (kind is parts.LITERAL and is_sign(chr(value), signs))
        or (kind is parts.IN and signs_alone(value, signs))
        or (kind in (parts.MAX_REPEAT, parts.MIN_REPEAT) and value[0] > 0 and has_a_sign(value[2], signs))
        or (kind is parts.SUBPATTERN and has_a_sign(value[-1], signs))
        or (kind is parts.BRANCH and all(has_a_sign(branch, signs) for branch in value[1]))
        or (kind is parts.ASSERT and has_a_sign(value[1], signs))
        for kind, value in pattern
    )


def test_every_rule_is_looked_at() -> None:
    assert len(TABLES) >= 9
    assert sum(each.signs == {DIGIT} for each in RULES) > 100
    assert sum(each.signs is None for each in RULES) < 5


@pytest.mark.parametrize("each", RULES, ids=lambda each: each.pattern[:30])
def test_a_rule_finds_nothing_without_its_signs(each: Rule) -> None:
    parsed = parser.parse(each.pattern)
    assert has_a_sign(parsed, (DIGIT,)) is (each.signs == {DIGIT})
    assert each.signs is None or has_a_sign(parsed, each.signs)


@pytest.mark.parametrize("pattern", [r"\d*", r"[\da]", "一1?", "1|a", "(?!1)a", "(?<!1)a", "[^1]", "①", "²", ""])
def test_what_need_not_have_a_digit_is_told_from_it(pattern: str) -> None:
    assert not has_a_sign(parser.parse(pattern), (DIGIT,))
    assert has_a_sign(parser.parse(f"(?:{pattern})(?=a*[0-9])"), (DIGIT,))


@pytest.mark.parametrize("pattern", ["[〆あ]", "[あ-う]", "[^〆]", "〆*あ", "あ|〆", r"\w", "(?!〆)"])
def test_what_need_not_have_a_sign_is_told_from_it(pattern: str) -> None:
    assert not has_a_sign(parser.parse(pattern), ("〆", RARE))
    assert has_a_sign(parser.parse(f"(?:{pattern})〆"), ("〆",))


def test_a_plain_sentence_compiles_few_patterns() -> None:
    plain = "今日はとてもいい天気ですね、どこかへ行きませんか?"
    tried = [each for each in RULES if each.signs is None or not each.signs.isdisjoint(plain)]
    assert len(tried) < 10


@pytest.mark.parametrize(
    "text",
    [
        "2026年8月1日(土)、3/4の12:30に1,234円。",
        "①番と²と1つ",
        "第3Q、7色の虹",
        "えー!",
        "(^_^)草草ww〆切〜①㎡#夏😀",
        "AB型で第IV章=x-y",
    ],
)
def test_passing_over_changes_nothing(text: str) -> None:
    for rules in TABLES.values():
        assert apply(rules, text) == apply([replace(each, signs=None) for each in rules], text)


def test_a_sign_that_an_earlier_rule_wrote_counts() -> None:
    rules = [rule("一", "1"), rule("1", "2", (DIGIT,)), rule("2", "3〆", "2"), rule("〆", "", "〆")]
    assert apply(rules, "一") == "3"
