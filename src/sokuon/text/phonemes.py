"""Phonemes of one sentence, their slots in the network, and corrections given from outside. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sokuon.errors import TextError, shown
from sokuon.text.tables import LANGUAGE_ID, PAD, SYMBOL_IDS, TONE_OFFSET

_MAX_PHONES_PER_CHARACTER = 6  # the bound that given phonemes are spread under


class PhonemeError(TextError):
    """Phonemes, tones and the characters they belong to do not fit together."""


@dataclass(frozen=True)
class Phonemes:
    """One sentence without blanks: N phones for C characters.

    Raises `PhonemeError` if the lengths disagree, a tone is not 0 or 1, or a symbol is unknown to the voices.
    """

    symbols: tuple[str, ...]
    """N phones, the first and the last are "_"."""
    tones: tuple[int, ...]
    """N levels, each 0 (low) or 1 (high)."""
    text: str
    """The text the character BERT reads, C characters."""
    word2ph: tuple[int, ...]
    """C + 2 phone counts: one per character and one for each end; they sum to N."""

    def __post_init__(self) -> None:
        phones = len(self.symbols)
        if len(self.tones) != phones or sum(self.word2ph) != phones or len(self.word2ph) != len(self.text) + 2:
            raise PhonemeError(
                f"{phones} phonemes, {len(self.tones)} tones, and counts for {len(self.word2ph) - 2} characters "
                f"that sum to {sum(self.word2ph)} do not fit the text of {len(self.text)} characters: give one tone "
                f"per phoneme and one count per character."
            )
        unknown = [symbol for symbol in self.symbols if symbol not in SYMBOL_IDS]
        if unknown:
            raise PhonemeError(f"Unknown phoneme {shown(unknown[0])}: use the symbols that `sokuon phonemes` prints.")
        if any(tone not in (0, 1) for tone in self.tones):
            raise PhonemeError("A tone is neither 0 (low) nor 1 (high).")

    def slots(self, add_blank: bool = True) -> Slots:
        """What the network eats: N slots, or 2N + 1 with a blank before, between and after the phones."""
        ids = np.array([SYMBOL_IDS[symbol] for symbol in self.symbols], dtype=np.int64)  # (N)
        tones = np.array(self.tones, dtype=np.int64) + TONE_OFFSET  # (N)
        languages = np.full_like(ids, LANGUAGE_ID)  # (N)
        if not add_blank:
            return Slots(self.symbols, ids, tones, languages, self.word2ph)
        counts = [2 * count for count in self.word2ph]
        counts[0] += 1
        return Slots(tuple(_with_blanks(self.symbols)), _spaced(ids), _spaced(tones), _spaced(languages), tuple(counts))


@dataclass(frozen=True)
class Slots:
    """Network input of one sentence: T slots."""

    symbols: tuple[str, ...]
    """T symbols, a blank is "_"."""
    ids: npt.NDArray[np.int64]
    """T symbol ids, a blank is 0."""
    tones: npt.NDArray[np.int64]
    """T tone ids, 6 or 7; a blank is 0."""
    languages: npt.NDArray[np.int64]
    """T language ids; a blank is 0."""
    counts: tuple[int, ...]
    """C + 2 slots per character; they sum to T."""


def _with_blanks(symbols: Sequence[str]) -> list[str]:
    spaced = [PAD] * (2 * len(symbols) + 1)
    spaced[1::2] = symbols
    return spaced


def _spaced(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    spaced = np.zeros(2 * len(values) + 1, dtype=np.int64)  # (N) -> (2N + 1)
    spaced[1::2] = values
    return spaced


def spread_evenly(phones: int, characters: int) -> list[int]:
    """Share a word's phones among its characters, the first ones getting one more; 0 is possible."""
    if characters == 0:
        return []
    each, more = divmod(phones, characters)
    return [each + 1] * more + [each] * (characters - more)


def with_given(phonemes: Phonemes, symbols: Sequence[str] | None, tones: Sequence[int] | None) -> Phonemes:
    """Replace the phones and tones by given ones (outer "_" included), moving the character counts along.

    Given phones need tones as well; phones without tones are ignored, as the voices' own tools do. Raises
    `PhonemeError` if the lengths disagree, or the counts cannot be moved to fit.
    """
    if tones is None:
        return phonemes
    if symbols is None:
        return Phonemes(phonemes.symbols, tuple(tones), phonemes.text, phonemes.word2ph)
    if len(symbols) != len(tones):
        raise PhonemeError(f"{len(symbols)} given phonemes have {len(tones)} given tones: give as many of both.")
    word2ph = phonemes.word2ph
    if len(symbols) != sum(word2ph):
        word2ph = adjust_counts(phonemes, tuple(symbols))
    return Phonemes(tuple(symbols), tuple(tones), phonemes.text, word2ph)


def adjust_counts(phonemes: Phonemes, symbols: tuple[str, ...]) -> tuple[int, ...]:
    """Counts per character for other phones: each changed span is charged to the character where it starts."""
    generated, given = phonemes.symbols[1:-1], symbols[1:-1]
    counts = list(phonemes.word2ph[1:-1])
    misfit = PhonemeError(
        f"{len(symbols)} given phonemes cannot be shared among {len(counts)} characters with 1 to "
        f"{_MAX_PHONES_PER_CHARACTER} each: give a text whose length fits."
    )
    if len(given) > _MAX_PHONES_PER_CHARACTER * len(counts) + sum(phonemes.word2ph):
        raise misfit  # before work that grows with both
    owners = [character for character, count in enumerate(counts) for _ in range(count)]
    for start, generated_length, given_length in _changed_spans(generated, given):
        if not owners:
            break
        counts[owners[min(start, len(owners) - 1)]] += given_length - generated_length
    _clamp(counts)
    adjusted = (phonemes.word2ph[0], *counts, phonemes.word2ph[-1])
    if sum(adjusted) != len(symbols):
        raise misfit
    return adjusted


def _changed_spans(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int]]:
    """Maximal spans outside the longest common subsequence: (start in old, length in old, length in new)."""
    matches = [*_common_subsequence(old, new), (len(old), len(new))]
    spans: list[tuple[int, int, int]] = []
    old_start = new_start = 0
    for old_place, new_place in matches:
        if old_place > old_start or new_place > new_start:
            spans.append((old_start, old_place - old_start, new_place - new_start))
        old_start, new_start = old_place + 1, new_place + 1
    return spans


def _common_subsequence(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Index pairs of a longest common subsequence; among equals the walk back prefers a step up in `old`."""
    lengths = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, symbol in enumerate(old):
        for j, other in enumerate(new):
            last, here = lengths[i], lengths[i + 1]
            here[j + 1] = last[j] + 1 if symbol == other else max(last[j + 1], here[j])
    pairs: list[tuple[int, int]] = []
    i, j = len(old), len(new)
    while i and j:
        if old[i - 1] == new[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif lengths[i - 1][j] >= lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _clamp(counts: list[int]) -> None:
    """Left to right, push what is below 1 or above 6 on to the characters that follow."""
    for place in range(len(counts)):
        if counts[place] < 1:
            debt, counts[place] = 1 - counts[place], 1
            for other in range(place + 1, len(counts)):
                taken = min(debt, max(counts[other] - 1, 0))
                counts[other], debt = counts[other] - taken, debt - taken
        elif counts[place] > _MAX_PHONES_PER_CHARACTER:
            surplus, counts[place] = counts[place] - _MAX_PHONES_PER_CHARACTER, _MAX_PHONES_PER_CHARACTER
            for other in range(place + 1, len(counts)):
                moved = min(surplus, max(_MAX_PHONES_PER_CHARACTER - counts[other], 0))
                counts[other], surplus = counts[other] + moved, surplus - moved
