"""The text front end: text -> sentences -> phonemes. One OpenJTalk analysis per sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sokuon.text.dictionary import UserDictionary
from sokuon.text.normalize import normalize
from sokuon.text.openjtalk import Analyzer
from sokuon.text.phonemes import Phonemes
from sokuon.text.sentences import split_sentences
from sokuon.text.words import Word, phonemes_of, words_of


@dataclass(frozen=True)
class Sentence:
    """One sentence, ready to speak."""

    source: str
    """The part of the user's text it came from."""
    words: tuple[Word, ...]
    phonemes: Phonemes
    pause_after_s: float | None
    """A pause asked for in the text, in seconds; None: the engine predicts it."""


class FrontEnd:
    """Thread-safe; cheap to construct, opens OpenJTalk at the first text."""

    def __init__(self, dictionary: UserDictionary | None = None) -> None:
        self._dictionary = dictionary
        self._analyzer = Analyzer()

    def sentences(self, text: str) -> Iterator[Sentence]:
        """The sentences of a text of any length, analysed one after the other as they are asked for."""
        for source in split_sentences(text):
            analysis = self._analyzer.analyze(normalize(source))
            yield Sentence(source, words_of(analysis.nodes), phonemes_of(analysis), None)

    def phonemize(self, text: str) -> Phonemes:
        """The text as one sentence."""
        return phonemes_of(self._analyzer.analyze(normalize(text)))
