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
    from sokuon.audio.sound import Audio, PhonemeTiming, SentenceTiming
    from sokuon.engine import Engine
    from sokuon.loading import add_voice, load
    from sokuon.options import SynthesisOptions
    from sokuon.text.dictionary import UserDictionary

__version__ = "0.1.0"

__all__ = [
    "Audio",
    "Engine",
    "PhonemeTiming",
    "SentenceTiming",
    "SokuonError",
    "SynthesisOptions",
    "UserDictionary",
    "add_voice",
    "load",
]

__getattr__ = exports(  # the command line's help, errors and dictionary need none of the engine
    __name__,
    {
        "Audio": "audio.sound",
        "Engine": "engine",
        "PhonemeTiming": "audio.sound",
        "SentenceTiming": "audio.sound",
        "SynthesisOptions": "options",
        "UserDictionary": "text.dictionary",
        "add_voice": "loading",
        "load": "loading",
    },
)
