"""Frames per slot: the teacher's phoneme string and frame counts laid over OpenJTalk's phonemes.

The teacher writes IPA-like characters (one token each), OpenJTalk phones; both say the same reading, mostly. A
monotonic alignment over phoneme classes finds which characters belong to which phone; sentences whose readings differ
are dropped. Frames here are ours: `FRAMES_PER_TOKEN_FRAME` of the teacher's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]

FRAMES_PER_TOKEN_FRAME = 2
VOWELS = "aiueo"
PAUSES = frozenset(",.!?'-")
SAME = {
    "a": "a", "i": "i", "ɯ": "u", "ɨ": "u", "e": "e", "o": "o", "ʔ": "q", "ɴ": "N", "n": "n N ny", "m": "m my N",
    "ɲ": "n ny N", "ŋ": "N g", "k": "k ky", "ɡ": "g gy", "s": "s", "ɕ": "sh", "z": "z", "ʣ": "z", "ʥ": "j",
    "t": "t ty", "ʨ": "ch", "ʦ": "ts", "d": "d dy", "h": "h hy", "ç": "h hy", "ɸ": "f", "b": "b by", "p": "p py",
    "ɾ": "r ry", "j": "y", "β": "w", "v": "v b by", ",": ",", ".": ".", "?": "?", "!": "!", "“": "'", "”": "'",
}  # fmt: skip
PHONES = {symbol: frozenset(phones.split()) for symbol, phones in SAME.items()}
TRAILING = {"ʲ": 0.0, "ᵝ": 0.0, " ": 0.0, "j": 0.2, "ː": 0.5}  # cost of belonging to the phone before
MISMATCH, SKIP, MERGE = 3.0, 3.0, 2.0
MOST_COST = 1.2  # of a sentence that is kept


@dataclass(frozen=True)
class Alignment:
    """Frames of each of N phones (outer "_" included), and of the gap between words after it."""

    phone: I64  # [N]
    gap: I64  # [N]
    cost: float


def match_cost(symbol: str, phones: tuple[str, ...], j: int) -> float:
    """Cost of teacher character `symbol` starting phone j."""
    phone = phones[j]
    if symbol == "ː":
        before = phones[j - 1] if j else ""
        if phone == before and phone in VOWELS:
            return 0.0
        return 0.2 if (before, phone) in {("e", "i"), ("o", "u")} else MISMATCH
    if symbol in " ʲᵝ":
        return np.inf
    if phone in PHONES[symbol]:
        return 0.0
    return 1.0 if symbol in "aiueoɯɨ" and phone in VOWELS else MISMATCH


def align(teacher: str, frames: list[int], phones: tuple[str, ...]) -> Alignment:
    """`frames` has one count per character of `teacher` and one for each end; `phones` includes both "_"."""
    inner = phones[1:-1]
    owner, cost = _path(teacher, inner)
    phone, gap = np.zeros(len(phones), np.int64), np.zeros(len(phones), np.int64)
    phone[0], phone[-1] = frames[0], frames[-1]
    for symbol, count, j in zip(teacher, frames[1:-1], owner, strict=True):
        (gap if symbol == " " else phone)[j + 1] += count
    return Alignment(FRAMES_PER_TOKEN_FRAME * phone, FRAMES_PER_TOKEN_FRAME * gap, cost)


def _path(teacher: str, inner: tuple[str, ...]) -> tuple[list[int], float]:
    """The phone index of each teacher character on the cheapest monotonic path, and its cost."""
    rows, columns = len(teacher), len(inner)
    best = np.full((rows, columns), np.inf)
    came = np.zeros((rows, columns), np.int64)  # phones advanced by this character: 0, 1 or 2
    for i, symbol in enumerate(teacher):
        stay = TRAILING.get(symbol, MERGE)
        for j in range(columns):
            start = match_cost(symbol, inner, j)
            if i == 0:
                best[i, j] = start + SKIP * j if j < 2 else np.inf
                continue
            options = [best[i - 1, j] + stay]
            options.append(best[i - 1, j - 1] + start if j >= 1 else np.inf)
            options.append(best[i - 1, j - 2] + start + SKIP if j >= 2 else np.inf)
            came[i, j] = int(np.argmin(options))
            best[i, j] = options[came[i, j]]
    owner, j = [0] * rows, columns - 1
    for i in range(rows - 1, -1, -1):
        owner[i] = j
        j -= int(came[i, j]) if i else 0
    return owner, float(best[-1, -1])


BELOW_PEAK, BELOW_LOUD = 7.0, 9.0  # log power under a phone's peak, and under the loudest frames, that is a pause


def settle_pauses(alignment: Alignment, phones: tuple[str, ...], loudness: npt.NDArray[np.float32]) -> Alignment:
    """Move the border between a phone and the pause after it to where the sound ends. The teacher counts much of a
    pause to the vowel before it. `loudness` [F] is the mean log power of a frame."""
    phone, gap = alignment.phone.copy(), alignment.gap.copy()
    starts = np.concatenate([[0], np.cumsum(phone + gap)])
    quiet = np.quantile(loudness, 0.95) - BELOW_LOUD
    for j in range(1, len(phones) - 1):
        if phones[j] not in PAUSES or phones[j - 1] in PAUSES or j < 2:
            continue
        first, last = int(starts[j - 1]), int(starts[j]) + int(phone[j])
        region = loudness[first:last]
        loud = np.flatnonzero(region > max(region.max() - BELOW_PEAK, quiet))
        sound = int(np.clip(loud[-1] + 1 if len(loud) else 4, 3, last - first - 2))
        phone[j - 1], gap[j - 1], phone[j] = sound, 0, last - first - sound
    return Alignment(phone, gap, alignment.cost)


BLANK_SHARE = 0.4  # of a phone's frames that go to the blank before it: two steps a phone follow transitions better


def slot_frames(alignment: Alignment) -> I64:
    """Frames of the 2N + 1 slots, each at least 1: a phone's first frames and the gap before it are the blank's.

    Phones have at least 2 frames, the closing "_" at least 3; the sum is that of the alignment.
    """
    phone = alignment.phone
    blank = np.maximum(np.round(BLANK_SHARE * phone).astype(np.int64), 1)
    slots = np.zeros(2 * len(phone) + 1, np.int64)
    slots[0:-1:2], slots[1::2] = blank, phone - blank
    slots[2::2] += alignment.gap
    slots[-2:] = slots[-2] - 1, 1  # the very last blank takes a frame of the closing "_"
    return slots
