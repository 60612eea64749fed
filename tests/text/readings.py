"""The table of readings, and how one is compared: by its phones, so that spelling (エイ, エー) does not matter."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path(__file__).with_name("readings.tsv")
PUNCTUATION = frozenset("!?…,.'-_")


@dataclass(frozen=True)
class Reading:
    kind: str
    text: str
    expected: tuple[str, ...]
    """Katakana; any one of them is right."""


def table() -> list[Reading]:
    rows = [line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("# ")]
    return [Reading(kind, text, tuple(readings.split("|"))) for kind, text, readings in rows]


def sounds(phones: Iterable[str]) -> str:
    """Phones without punctuation; ei and ee, ou and oo are one sound to a listener."""
    joined = " ".join(phone for phone in phones if phone not in PUNCTUATION)
    return re.sub(r"\bo u\b", "o o", re.sub(r"\be i\b", "e e", joined))
