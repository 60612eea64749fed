"""Silence between sentences, predicted from what is already known of both.

The reference runs front end, BERT and encoder a second time over the whole text. Here the encoder alone reads the end
of one sentence and the start of the next with the BERT rows they already have, so a pause costs a bounded part of one
encoder run and belongs to its own boundary.

Source: spec runtime-behaviour sections 3 and 4.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from sokuon.networks.synthesizer import Synthesizer, Utterance, durations
from sokuon.noise import Noise
from sokuon.options import SynthesisOptions
from sokuon.storage.tensors import F32
from sokuon.text import Phonemes

SHORTEST_S = 0.08  # no two sentences are closer
PARAGRAPH_S = 0.4  # more where blank lines part two paragraphs: a breath, which single sentences do not teach a voice
_CONTEXT_CHARACTERS = 24  # on either side of the boundary: about a breath group
_ENDINGS = frozenset(".!?")


def predicted_pause(
    synthesizer: Synthesizer,
    before: tuple[Phonemes, Utterance],
    after: tuple[Phonemes, Utterance],
    options: SynthesisOptions,
    threads: int | None = None,
) -> int:
    """Frames of silence the duration model wants between two sentences: the last ending mark and blanks around it."""
    left = _part(*before, slice(-_CONTEXT_CHARACTERS, None))
    right = _part(*after, slice(None, _CONTEXT_CHARACTERS))
    phonemes, features = _joined(left, right)
    mark = _last_ending(left[0])
    if mark is None:
        return 0
    add_blank = len(before[1].slots.symbols) > len(before[0].symbols)
    utterance = Utterance(phonemes.slots(add_blank), features, before[1].style, before[1].speaker)
    noise = Noise(options.seed or 0, phonemes).draw(2, len(utterance.slots.ids), options.noise_w)
    frames = durations(synthesizer.encode(utterance, noise, threads), options)
    slot = 2 * mark + 1 if add_blank else mark
    return int(frames[slot - 1 : slot + 2].sum()) if add_blank else int(frames[slot])


def _part(phonemes: Phonemes, utterance: Utterance, characters: slice) -> tuple[Phonemes, F32]:
    """The phones of some characters, without outer "_", and their BERT rows."""
    inner = range(len(phonemes.text))[characters]
    ends = [0, *accumulate(phonemes.word2ph)]
    begin, end = (ends[inner.start + 1], ends[inner.stop + 1]) if len(inner) else (1, 1)
    part = Phonemes(
        ("_", *phonemes.symbols[begin:end], "_"),
        (0, *phonemes.tones[begin:end], 0),
        phonemes.text[characters],
        (1, *phonemes.word2ph[inner.start + 1 : inner.stop + 1], 1),
    )
    rows = utterance.features[[0, *(i + 1 for i in inner), -1]]
    return part, rows


def _joined(left: tuple[Phonemes, F32], right: tuple[Phonemes, F32]) -> tuple[Phonemes, F32]:
    """One utterance of both, the "_" between them left out."""
    (a, rows_a), (b, rows_b) = left, right
    phonemes = Phonemes(
        a.symbols[:-1] + b.symbols[1:], a.tones[:-1] + b.tones[1:], a.text + b.text, a.word2ph[:-1] + b.word2ph[1:]
    )
    return phonemes, np.concatenate([rows_a[:-1], rows_b[1:]])


def _last_ending(phonemes: Phonemes) -> int | None:
    """Index of the last ending mark in the closing run of punctuation."""
    for index in range(len(phonemes.symbols) - 2, 0, -1):
        if phonemes.symbols[index] in _ENDINGS:
            return index
        if phonemes.symbols[index] not in {",", "'", "-", "…"}:
            return None
    return None
