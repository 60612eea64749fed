"""How a sentence is read and how long it takes, phrase by phrase, for the page to show. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sokuon.server.studio.models import GivenPhrase
from sokuon.server.voicevox.moras import SpokenMora, morae_of, phrase_lengths
from sokuon.text import Sentence
from sokuon.text.morae import word_phones


def reading_of(
    sentence: Sentence, seconds: Sequence[float], given: Sequence[GivenPhrase] | None = None
) -> list[dict[str, Any]]:
    """Accent phrases of a sentence whose phones last `seconds`; cut as the given ones are, where there are any.

    Each has its morae (text, tone, phones, seconds of each phone) and the words that begin in it.
    """
    morae = morae_of(sentence.phonemes.symbols, sentence.phonemes.tones)
    lengths = phrase_lengths(sentence, morae) if given is None else [len(phrase.moras) for phrase in given]
    cuts = [0]
    for length in lengths:
        cuts.append(cuts[-1] + length)
    if cuts[-1] != len(morae):  # phones of other morae than those that were given, such as ー after a pause
        cuts = [0, len(morae)]
    texts = [m.text for phrase in given for m in phrase.moras] if given is not None and len(cuts) > 2 else None
    words = [] if given is not None else _words(sentence)
    return [_phrase(morae, begin, end, seconds, words, texts) for begin, end in pairwise(cuts)]


def _phrase(
    morae: Sequence[SpokenMora], begin: int, end: int, seconds: Sequence[float],
    words: Sequence[tuple[int, str, str]], texts: Sequence[str] | None,
) -> dict[str, Any]:  # fmt: skip
    first = morae[begin].start
    after = morae[end].start if end < len(morae) else len(seconds)
    return {
        "words": [{"surface": s, "reading": r} for place, s, r in words if first <= place < after],
        "moras": [
            {
                "text": texts[i] if texts else mora.text,
                "tone": mora.tone,
                "phones": list(mora.phones),
                "seconds": [round(s, 4) for s in seconds[mora.start : mora.start + len(mora.phones)]],
            }
            for i, mora in enumerate(morae[begin:end], begin)
        ],
    }


def _words(sentence: Sentence) -> list[tuple[int, str, str]]:
    """Place of its first phone, surface and reading of each word."""
    found, place = [], 1
    for word, phones in zip(sentence.words, word_phones([w.reading for w in sentence.words]), strict=True):
        found.append((place, word.surface, word.reading))
        place += len(phones)
    return found
