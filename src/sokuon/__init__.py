"""Sokuon (速音): fast, exact Japanese text-to-speech on ordinary CPUs.

import sokuon

engine = sokuon.load("path/to/voice", bert="path/to/bert", threads=2)
engine.speak("こんにちは。", speed=1.1).save("hello.wav")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sokuon._lazy import exports
from sokuon.errors import SokuonError

if TYPE_CHECKING:
    from sokuon.audio.sound import Audio, PhonemeTiming, SentenceTiming, WordTiming
    from sokuon.engine import Engine
    from sokuon.loading import load
    from sokuon.options import SynthesisOptions
    from sokuon.text.dictionary import DictionaryWord, UserDictionary
    from sokuon.text.frontend import FrontEnd
    from sokuon.voices.voice import VoiceInfo

__version__ = "0.1.0"

__all__ = [
    "Audio",
    "DictionaryWord",
    "Engine",
    "FrontEnd",
    "PhonemeTiming",
    "SentenceTiming",
    "SokuonError",
    "SynthesisOptions",
    "UserDictionary",
    "VoiceInfo",
    "WordTiming",
    "load",
]

__getattr__ = exports(  # the command line's help, errors and dictionary need none of the engine
    __name__,
    {
        "Audio": "audio.sound",
        "DictionaryWord": "text.dictionary",
        "Engine": "engine",
        "FrontEnd": "text.frontend",
        "PhonemeTiming": "audio.sound",
        "SentenceTiming": "audio.sound",
        "SynthesisOptions": "options",
        "UserDictionary": "text.dictionary",
        "VoiceInfo": "voices.voice",
        "WordTiming": "audio.sound",
        "load": "loading",
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
