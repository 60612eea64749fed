"""Phonemes ↔ morae and accent phrases as VOICEVOX writes them. Pure.

Punctuation is a mora of its own with the vowel "pau", as AivisSpeech has it (spec http-api 2.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sokuon.server.voicevox.models import AccentPhrase, Mora
from sokuon.text import Sentence
from sokuon.text.morae import word_phones
from sokuon.text.tables import MORAE, PUNCTUATION, VOWELS

_KANA = {phones: kana for kana, phones in reversed(MORAE.items()) if len(phones) <= 2}  # the first spelling wins
_VOWEL_NAMES = {"q": "cl"}  # ours → VOICEVOX's
_MORA_ENDS = frozenset([*VOWELS, "N", "q", *PUNCTUATION])


@dataclass(frozen=True)
class SpokenMora:
    """A mora of a sentence: its phones, their tone, and the place of the first among the sentence's phones."""

    text: str
    phones: tuple[str, ...]
    tone: int
    start: int

    @property
    def is_pause(self) -> bool:
        """Punctuation."""
        return self.phones[0] in PUNCTUATION


def morae_of(symbols: Sequence[str], tones: Sequence[int]) -> list[SpokenMora]:
    """The morae of one sentence; the outer "_" are none."""
    morae: list[SpokenMora] = []
    start = 1
    for place in range(1, len(symbols) - 1):
        next_is_vowel = place + 1 < len(symbols) - 1 and symbols[place + 1] in VOWELS
        if symbols[place] in _MORA_ENDS or not next_is_vowel:
            phones = tuple(symbols[start : place + 1])
            morae.append(SpokenMora(_KANA.get(phones, "".join(phones)), phones, tones[place], start))
            start = place + 1
    return morae


def phrase_lengths(sentence: Sentence, morae: Sequence[SpokenMora]) -> list[int]:
    """Morae of each accent phrase: cut where the analysis starts one, and after punctuation."""
    starts = _phrase_starts(sentence)
    cuts = {i for i, mora in enumerate(morae) if mora.start in starts and not mora.is_pause}
    cuts |= {i + 1 for i, mora in enumerate(morae) if mora.is_pause and not _next_is_pause(morae, i)}
    places = sorted({0, *cuts, len(morae)})
    return [end - begin for begin, end in pairwise(places)]


def accent_of(tones: Sequence[int]) -> int:
    """The last high mora before the first fall, from 1; without a fall, the number of morae."""
    for place in range(len(tones) - 1):
        if tones[place] == 1 and tones[place + 1] == 0:
            return place + 1
    return max(1, len(tones))


def tones_of(accent: int, morae: int) -> list[int]:
    """The tone of each mora of an accent phrase (spec http-api 2.5)."""
    return [0 if (i == 0 and accent != 1) or i >= accent else 1 for i in range(morae)]


def phrases_of(sentence: Sentence, seconds: Sequence[float] | None = None) -> Iterator[AccentPhrase]:
    """Accent phrases of one sentence; `seconds` of each phone, outer "_" included."""
    morae = morae_of(sentence.phonemes.symbols, sentence.phonemes.tones)
    begin = 0
    for length in phrase_lengths(sentence, morae):
        own = morae[begin : begin + length]
        yield AccentPhrase(moras=[_mora(m, seconds) for m in own], accent=accent_of([m.tone for m in own]))
        begin += length


def phones_of(text: str, vowel: str, before: str) -> tuple[str, ...]:
    """Phones of a mora as a client sends it: by its text, with the vowel for a long mark; () if it is none."""
    if text in ("ー", "－"):
        last = vowel.lower() if vowel.lower() in VOWELS or vowel == "N" else before
        return (last,) if last in VOWELS or last in ("N", "q") else ("-",)
    if text in PUNCTUATION or text in _MARKS:
        return (_MARKS.get(text, text),)
    return MORAE.get(text, ())


_MARKS = {"、": ",", "。": ".", "！": "!", "？": "?", "…": "…", "・": ","}


def _mora(mora: SpokenMora, seconds: Sequence[float] | None) -> Mora:
    last = mora.phones[-1]
    lengths = [0.0] * len(mora.phones) if seconds is None else list(seconds[mora.start : mora.start + len(mora.phones)])
    consonant = len(mora.phones) > 1
    return Mora(
        text=mora.text,
        consonant=mora.phones[0] if consonant else None,
        consonant_length=lengths[0] if consonant else None,
        vowel="pau" if mora.is_pause else _VOWEL_NAMES.get(last, last),
        vowel_length=lengths[-1],
        pitch=0.0,
    )


def _phrase_starts(sentence: Sentence) -> set[int]:
    """Places of phones where a word begins an accent phrase."""
    starts, place = set(), 1
    for word, phones in zip(sentence.words, word_phones([w.reading for w in sentence.words]), strict=True):
        if word.starts_phrase:
            starts.add(place)
        place += len(phones)
    return starts


def _next_is_pause(morae: Sequence[SpokenMora], place: int) -> bool:
    return place + 1 < len(morae) and morae[place + 1].is_pause
