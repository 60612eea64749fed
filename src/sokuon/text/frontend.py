"""The text front end: text -> sentences -> phonemes. One OpenJTalk analysis per sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import get_args

from sokuon.errors import OptionError, TextError
from sokuon.storage.forking import ForkSafeLock
from sokuon.text.dictionary import UserDictionary
from sokuon.text.english import EnglishReader
from sokuon.text.markup import Mark, MarkupReader, restore
from sokuon.text.normalize import normalize
from sokuon.text.openjtalk.analyzer import Accents, Analyzer
from sokuon.text.phonemes import Phonemes
from sokuon.text.sentences import (
    PARAGRAPH,
    PAUSE,
    complete,
    ends_paragraph,
    mark_paragraphs,
    speaks,
    split_long,
    split_sentences,
)
from sokuon.text.words import FORCED, Analysis, Word, phonemes_of, words_of

_MAX_ANALYSED = 1000
"""Characters for one analysis; OpenJTalk refuses a few thousand."""


@dataclass(frozen=True)
class Sentence:
    """One sentence, ready to speak."""

    source: str
    """The part of the user's text it came from."""
    words: tuple[Word, ...]
    phonemes: Phonemes
    pause_after_s: float | None
    """A pause asked for in the text, in seconds; None: the engine predicts it."""
    ends_paragraph: bool = False
    """Blank lines follow."""
    seconds: tuple[float | None, ...] | None = None
    """How long each phone is to last, with the blank after it; None: as the voice would have it."""


@dataclass(frozen=True)
class _Tools:
    """What is made from one state of the user dictionary."""

    version: int
    markup: MarkupReader
    analyzer: Analyzer
    english: EnglishReader


class FrontEnd:
    """Thread-safe; cheap to construct, opens OpenJTalk at the first text."""

    def __init__(self, dictionary: UserDictionary | None = None, accents: Accents = "standard") -> None:
        """`accents`: "standard" as a listener expects them, "openjtalk" as the published voices were trained."""
        if accents not in get_args(Accents):
            raise OptionError(f"accents is {accents!r}: it must be one of {', '.join(get_args(Accents))}.")
        if dictionary is not None and not isinstance(dictionary, UserDictionary):
            raise OptionError(f"dictionary must be a sokuon.UserDictionary, not {type(dictionary).__name__}.")
        self._dictionary = UserDictionary() if dictionary is None else dictionary
        self._accents: Accents = accents
        self._lock = ForkSafeLock()
        self._tools: _Tools | None = None

    def open(self) -> None:
        """Open OpenJTalk's dictionary now. Words of the user's own, which may take a second, wait for a text."""
        self._current().analyzer.open()

    def sentences(self, text: str) -> Iterator[Sentence]:
        """The sentences of a text of any length, analysed one after the other as they are asked for."""
        if not isinstance(text, str):
            raise TextError(f"text is {type(text).__name__}; it must be a string.")
        tools = self._current()
        marked = tools.markup.read(text)
        marks = iter(marked.marks)
        for marked_piece in split_sentences(mark_paragraphs(marked.text)):
            piece = marked_piece.replace(PARAGRAPH, "").rstrip()
            if not piece:  # blank lines before the first word
                continue
            source, own = restore(piece, marks)
            analysis = _analyze(piece, own, tools)
            pause_s = sum(mark.pause_s or 0.0 for mark in own) if PAUSE in piece else None
            ends = ends_paragraph(marked_piece)
            yield Sentence(source, words_of(analysis.nodes), phonemes_of(analysis), pause_s, ends)

    def incremental(self, pieces: Iterable[str]) -> Iterator[Sentence]:
        """The sentences of a text that is still being written, each as soon as its end is there."""
        held, said = "", False
        for piece in pieces:
            held += piece
            if end := complete(held):
                yield from self.sentences(held[:end])
                held, said = held[end:], True
        if speaks(held) or not said:
            yield from self.sentences(held)

    def phonemize(self, text: str) -> Phonemes:
        """The text as one sentence; pauses in it are ignored."""
        tools = self._current()
        marked = tools.markup.read(text)
        return phonemes_of(_analyze(marked.text, marked.marks, tools))

    def _current(self) -> _Tools:
        """The tools for the dictionary as it is now; another thread goes on with those it has."""
        with self._lock:
            if self._tools is None or self._tools.version != self._dictionary.version:
                self._tools = _make_tools(self._dictionary, self._accents)
            return self._tools


def _make_tools(dictionary: UserDictionary, accents: Accents) -> _Tools:
    version = dictionary.version
    analyzer = Analyzer(dictionary.csv(), accents)
    return _Tools(version, MarkupReader(dictionary.given()), analyzer, EnglishReader(analyzer.dictionary_reading))


def _analyze(marked_text: str, marks: Sequence[Mark], tools: _Tools) -> Analysis:
    """One sentence; only what is too long for one analysis is analysed in parts, joined again."""
    forced = iter([mark.word for mark in marks if mark.word])
    analyses = [
        tools.analyzer.analyze(text, list(islice(forced, text.count(FORCED))))
        for part in split_long(marked_text.replace(PAUSE, ""))
        for text in split_long(normalize(part, tools.english), _MAX_ANALYSED)
    ]
    nodes = tuple(chain.from_iterable(analysis.nodes for analysis in analyses))
    labels = tuple(chain.from_iterable(analysis.labels for analysis in analyses))
    return Analysis(nodes, labels, any(analysis.foreign for analysis in analyses))
