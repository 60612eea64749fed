"""What a reading rule is: a pattern and what it becomes. The rule modules are tables of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

SOFT = "\ue001"
"""A short break that is dropped beside punctuation (a private-use character, gone after normalisation)."""

DIGIT, RARE = r"\d", "rare"
"""In `Rule.signs`: any digit; any character but ASCII, kana, kanji in common use and their punctuation."""

Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class Rule:
    """A pattern and what it becomes, compiled for the first text that has one of its signs: importing costs nothing."""

    pattern: str
    replacement: Replacement
    signs: frozenset[str] | None = None
    """Characters without any of which nothing matches, besides DIGIT and RARE: what a text without them is spared."""

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The pattern, compiled."""
        return re.compile(self.pattern)


def rule(pattern: str, replacement: Replacement, signs: Iterable[str] | None = None) -> Rule:
    """One rule; `replacement` is a template (\\1) or a function of the match, `signs` as in Rule."""
    return Rule(pattern, replacement, None if signs is None else frozenset(signs))


def digit_rule(pattern: str, replacement: Replacement) -> Rule:
    """A rule whose pattern has a digit in all that it matches or looks at."""
    return rule(pattern, replacement, (DIGIT,))


def apply(rules: Iterable[Rule], text: str) -> str:
    """Apply the rules in order, each over the whole text."""
    signs = _signs(text)
    for each in rules:
        if each.signs is None or not each.signs.isdisjoint(signs):
            before, text = text, each.regex.sub(each.replacement, text)
            if text != before:
                signs = _signs(text)
    return text


def _signs(text: str) -> set[str]:
    signs = set(text)
    if any(map(str.isdecimal, signs)):
        signs.add(DIGIT)
    if any(map(is_rare, signs)):
        signs.add(RARE)
    return signs


def is_rare(character: str) -> bool:
    """What RARE stands for."""
    return not (character < "\x7f" or "\u3000" <= character <= "\u30ff" or "\u4e00" <= character <= "\u9fff")


def heads(words: Iterable[str]) -> str:
    """The first characters of words: signs of a rule for any of them."""
    return "".join(word[0] for word in words)


def alternatives(words: Iterable[str]) -> str:
    """A pattern for any of the words, the longest first."""
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


# Digits, decimals and thousands separators, not inside a word or another number.
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
JAPANESE = r"[ぁ-ゖァ-ヺー一-鿿々〆〇]"
