"""The text front end: any text -> the phonemes, tones and character counts a JP-Extra voice was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sokuon._lazy import exports

if TYPE_CHECKING:
    from sokuon.text.dictionary import DictionaryWord, UserDictionary
    from sokuon.text.frontend import FrontEnd, Sentence
    from sokuon.text.openjtalk.analyzer import Accents
    from sokuon.text.phonemes import PhonemeError, Phonemes, Slots, with_given
    from sokuon.text.tables import LANGUAGE_ID, SYMBOLS, TONE_OFFSET
    from sokuon.text.words import Word

__all__ = [
    "LANGUAGE_ID",
    "SYMBOLS",
    "TONE_OFFSET",
    "Accents",
    "DictionaryWord",
    "FrontEnd",
    "PhonemeError",
    "Phonemes",
    "Sentence",
    "Slots",
    "UserDictionary",
    "Word",
    "with_given",
]

__getattr__ = exports(
    __name__,
    {
        "LANGUAGE_ID": "tables",
        "SYMBOLS": "tables",
        "TONE_OFFSET": "tables",
        "Accents": "openjtalk.analyzer",
        "DictionaryWord": "dictionary",
        "FrontEnd": "frontend",
        "PhonemeError": "phonemes",
        "Phonemes": "phonemes",
        "Sentence": "frontend",
        "Slots": "phonemes",
        "UserDictionary": "dictionary",
        "Word": "words",
        "with_given": "phonemes",
    },
)
