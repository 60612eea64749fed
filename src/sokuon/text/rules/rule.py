"""What a reading rule is: a pattern and what it becomes. The rule modules are tables of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

SOFT = "\ue001"
"""A short break that is dropped beside punctuation (a private-use character, gone after normalisation)."""

_DIGIT = re.compile(r"\d")

Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class Rule:
    """A pattern and what it becomes. It is compiled when it is first applied: importing the tables costs nothing."""

    pattern: str
    replacement: Replacement
    flags: int = 0
    of_digits: bool = False
    """Whether nothing without a digit matches: then a text without any costs neither the search nor the compiling."""

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The pattern, compiled."""
        return re.compile(self.pattern, self.flags)


def rule(pattern: str, replacement: Replacement, flags: int = 0) -> Rule:
    """One rule; `replacement` is a template (\\1) or a function of the match."""
    return Rule(pattern, replacement, flags)


def digit_rule(pattern: str, replacement: Replacement, flags: int = 0) -> Rule:
    """A rule whose pattern has a digit in all that it matches or looks at."""
    return Rule(pattern, replacement, flags, of_digits=True)


def apply(rules: Iterable[Rule], text: str) -> str:
    """Apply the rules in order, each over the whole text."""
    for each in rules:
        if not each.of_digits or _DIGIT.search(text):
            text = each.regex.sub(each.replacement, text)
    return text


def alternatives(words: Iterable[str]) -> str:
    """A pattern for any of the words, the longest first."""
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


# Digits, decimals and thousands separators, not inside a word or another number.
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
JAPANESE = r"[ぁ-ゖァ-ヺー一-鿿々〆〇]"
