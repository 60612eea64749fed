"""OpenJTalk's nodes and labels -> words -> Phonemes. Pure: an `Analysis` is plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sokuon.text.accent import align_tones, labelled_tones
from sokuon.text.characters import fold
from sokuon.text.morae import is_punctuation, word_phones
from sokuon.text.phonemes import Phonemes, spread_evenly
from sokuon.text.tables import PAD

_SILENT = frozenset(["、", "？", "！", "", "*"])  # what OpenJTalk gives for punctuation and what it cannot read
_DEVOICED = "’"

FORCED = "\ue000"
"""Stands in normalised text for a word whose reading is given, not analysed (a private-use character)."""


@dataclass(frozen=True)
class Forced:
    """A word with a given reading."""

    surface: str
    reading: str
    """Katakana as pronounced."""
    accent: int
    """The pitch falls after this mora; 0 is flat."""


@dataclass(frozen=True)
class Node:
    """One word as OpenJTalk analyses it."""

    surface: str
    """Full-width."""
    pron: str
    """Katakana as pronounced, with ’ after devoiced morae; 、 if silent or unreadable; ？ or ！ for these marks."""
    accent: int = 0
    """Of the accent phrase, on its first node: the pitch falls after this mora; 0 is flat."""
    moras: int = 0
    chained: bool = False
    """Belongs to the accent phrase of the node before it."""


@dataclass(frozen=True)
class Analysis:
    """One sentence as OpenJTalk analyses it: its words and its full-context labels."""

    nodes: tuple[Node, ...]
    labels: tuple[str, ...]
    foreign: bool = False
    """Its readings know the morae フュ and デェ."""


@dataclass(frozen=True)
class Word:
    """A word as spoken."""

    surface: str
    """As the voices' text knows it (punctuation folded)."""
    reading: str
    """Katakana as pronounced, or the punctuation marks themselves."""
    accent: int
    """The pitch of the accent phrase falls after this mora; 0 is flat. Meant on the first word of a phrase."""
    starts_phrase: bool


def words_of(nodes: Sequence[Node]) -> tuple[Word, ...]:
    """Words with their readings; only what has neither a character the voices know nor a reading is dropped."""
    words = [_word(node) for node in nodes]
    return tuple(word for word in words if word.surface)


def _word(node: Node) -> Word:
    surface = fold(node.surface)
    reading = node.pron.replace(_DEVOICED, "")
    if reading in _SILENT:
        reading = surface if is_punctuation(surface) else "'" * len(surface)
    if (surface, reading) == (".", "テン"):
        surface = "点"
    # A readable word in characters the voices do not know (𩸽) is written as its reading.
    return Word(surface or reading, reading, node.accent, not node.chained)


def phonemes_of(analysis: Analysis) -> Phonemes:
    """Phones, tones, text and counts of one sentence."""
    words = words_of(analysis.nodes)
    spoken = word_phones([word.reading for word in words], analysis.foreign)
    phones = [phone for word in spoken for phone in word]
    tones = align_tones(phones, labelled_tones(analysis.labels))
    counts = [
        count for word, own in zip(words, spoken, strict=True) for count in spread_evenly(len(own), len(word.surface))
    ]
    return Phonemes(
        symbols=(PAD, *phones, PAD),
        tones=(0, *tones, 0),
        text="".join(word.surface for word in words),
        word2ph=(1, *counts, 1),
    )
