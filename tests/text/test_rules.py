"""Rules of digits are passed over in texts without any; nothing is lost by it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from sokuon.text.rules.rule import Rule, apply

if sys.version_info >= (3, 11):
    from re import _constants as parts
    from re import _parser as parser
else:
    import sre_constants as parts
    import sre_parse as parser

TABLES = {
    f"{module}.{name}": value
    for module in ("corrections", "dates", "emoticons", "numbers", "symbols", "units")
    for name, value in vars(import_module(f"sokuon.text.rules.{module}")).items()
    if isinstance(value, tuple) and value and all(isinstance(each, Rule) for each in value)
}
RULES = [each for table in TABLES.values() for each in table]


def digits_alone(items: Iterable[tuple[Any, Any]]) -> bool:
    """Whether a class of characters holds digits (as \\d has them) and nothing else."""
    for kind, value in items:
        ends = {parts.LITERAL: (value, value), parts.RANGE: value}.get(kind)
        if kind is parts.CATEGORY and value is parts.CATEGORY_DIGIT:
            continue
        if ends is None or not all(chr(code).isdecimal() for code in range(ends[0], ends[1] + 1)):
            return False
    return True


def has_a_digit(pattern: Iterable[tuple[Any, Any]]) -> bool:
    """Whether every match of a parsed pattern has, or looks at, a digit."""
    return any(
        (kind is parts.LITERAL and chr(value).isdecimal())
        or (kind is parts.IN and digits_alone(value))
        or (kind in (parts.MAX_REPEAT, parts.MIN_REPEAT) and value[0] > 0 and has_a_digit(value[2]))
        or (kind is parts.SUBPATTERN and has_a_digit(value[-1]))
        or (kind is parts.BRANCH and all(map(has_a_digit, value[1])))
        or (kind is parts.ASSERT and has_a_digit(value[1]))
        for kind, value in pattern
    )


def test_every_rule_is_looked_at() -> None:
    assert len(TABLES) >= 7
    assert sum(each.of_digits for each in RULES) > 100


@pytest.mark.parametrize("each", RULES, ids=lambda each: each.pattern[:30])
def test_a_rule_of_digits_finds_nothing_without_one(each: Rule) -> None:
    assert has_a_digit(parser.parse(each.pattern, each.flags)) is each.of_digits


@pytest.mark.parametrize("pattern", [r"\d*", r"[\da]", "一1?", "1|a", "(?!1)a", "(?<!1)a", "[^1]", "①", "²", ""])
def test_what_need_not_have_a_digit_is_told_from_it(pattern: str) -> None:
    assert not has_a_digit(parser.parse(pattern))
    assert has_a_digit(parser.parse(f"(?:{pattern})(?=a*[0-9])"))


@pytest.mark.parametrize("text", ["2026年8月1日(土)、3/4の12:30に1,234円。", "①番と²と1つ", "第3Q、7色の虹", "えー!"])
def test_passing_over_changes_nothing(text: str) -> None:
    for rules in TABLES.values():
        assert apply(rules, text) == apply([replace(each, of_digits=False) for each in rules], text)


def test_a_digit_that_an_earlier_rule_wrote_counts() -> None:
    rules = [Rule("一", "1"), Rule("1", "2", of_digits=True)]
    assert apply(rules, "一") == "2"
