"""Tones from OpenJTalk's full-context labels. Pure: labels are plain strings.

Within an accent phrase the pitch rises after the first mora and falls after the accent kernel; a level of 0 or 1
per phone says which side of the rise and the fall it stands on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sokuon.text.tables import LABEL_PHONES

_LABEL = re.compile(
    r"-(?P<phone>[^+]*)\+.*?/A:(?P<kernel>-?\d+|xx)\+(?P<start>\d+|xx)\+(?P<end>\d+|xx)/(?:.*?/F:(?P<length>\d+|xx)_)?"
)
_UNKNOWN = -50
_MORA_ENDS = frozenset(["a", "i", "u", "e", "o", "N", "cl"])
_DEVOICED = frozenset("AIUEO")
_SILENCES = frozenset(["sil", "pau"])


@dataclass(frozen=True)
class _Label:
    phone: str
    from_kernel: int  # morae from the accent kernel (A1): 0 on the kernel, negative before it
    from_start: int  # morae from the start of the accent phrase, counted from 1 (A2)
    to_end: int  # morae to the end of the accent phrase, counted from 1 (A3)
    phrase_morae: int  # length of the accent phrase (F1)


def labelled_tones(labels: Sequence[str]) -> list[tuple[str, int]]:
    """(phone, tone 0 or 1) of every phone in the labels, without silences."""
    tones: list[tuple[str, int]] = []
    for phrase in _phrases([_parse(label) for label in labels]):
        tones.extend(_expand(_to_two_levels(phrase)))
    return tones


def _parse(label: str) -> _Label:
    match = _LABEL.search(label)
    if match is None:
        return _Label("", _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN)
    name, kernel, start, end, length = match.groups()
    return _Label(
        name.lower() if name in _DEVOICED else name,
        from_kernel=_number(kernel),
        from_start=_number(start),
        to_end=_number(end),
        phrase_morae=_number(length),
    )


def _number(text: str | None) -> int:
    return _UNKNOWN if text in (None, "xx") else int(text)


def _phrases(labels: Sequence[_Label]) -> Iterator[list[tuple[str, int]]]:
    """Accent phrases as (phone, level) with the level counted from 0 at the phrase's start."""
    phrase: list[tuple[str, int]] = []
    level = 0
    next_starts = [label.from_start for label in labels[1:]] + [_UNKNOWN]
    for label, next_start in zip(labels, next_starts, strict=False):
        ends = label.phone in _SILENCES
        if not ends:
            phrase.append((label.phone, level))
            step = _step(label, next_start)
            level, ends = level + (step or 0), step is None
        if ends:
            yield phrase
            phrase, level = [], 0
    yield phrase


def _step(label: _Label, next_from_start: int) -> int | None:
    """Change of level after a phone: None at the phrase's end, -1 fall, +1 rise, else 0. Only the first rule counts."""
    if label.to_end == 1 and next_from_start == 1 and label.phone in _MORA_ENDS:
        return None
    at_mora_end = next_from_start == label.from_start + 1
    if label.from_kernel == 0 and at_mora_end and label.from_start != label.phrase_morae:
        return -1
    return 1 if label.from_start == 1 and next_from_start == 2 else 0


def _to_two_levels(phrase: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Lift a phrase that starts high ({-1, 0}) to {0, 1}; anything else a damaged label gives is clipped to 0 and 1."""
    lift = 1 if any(level < 0 for _, level in phrase) else 0
    return [(phone, min(max(level + lift, 0), 1)) for phone, level in phrase]


def _expand(phrase: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    for label_phone, tone in phrase:
        for phone in LABEL_PHONES.get(label_phone, (label_phone,)):
            yield phone, tone


def align_tones(phones: Sequence[str], labelled: Sequence[tuple[str, int]]) -> list[int]:
    """Tone of every phone, punctuation (absent from the labels) getting 0.

    Where readings and labels disagree, which OpenJTalk does for a few rare kana, the phone keeps the level of the one
    before it and the walk goes on at the next phone that agrees.
    """
    tones: list[int] = []
    pointer = 0
    for phone in phones:
        found = _find(phone, labelled, pointer)
        if found is not None:
            pointer = found + 1
            tones.append(labelled[found][1])
        else:
            tones.append(0 if phone in _PAUSES or pointer >= len(labelled) else tones[-1] if tones else 0)
    return tones


_PAUSES = frozenset("!?…,.'-")
_RESYNC_PHONES = 4


def _find(phone: str, labelled: Sequence[tuple[str, int]], start: int) -> int | None:
    """Place of the phone in the labels: normally right at `start`; a few further if the two disagree."""
    reach = 1 if phone in _PAUSES else _RESYNC_PHONES
    for place in range(start, min(start + reach, len(labelled))):
        if labelled[place][0] == phone:
            return place
    return None
