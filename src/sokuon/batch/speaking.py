"""What a worker does: a line → its encoded sound, or why there is none."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sokuon.audio.sound import Audio, has_speech
from sokuon.batch.lines import Line
from sokuon.engine import Engine
from sokuon.errors import OptionError, SokuonError, TextError, unspeakable
from sokuon.loading import Opener
from sokuon.native.library import Storage
from sokuon.networks.runtime import Backend, Runtime
from sokuon.options import SynthesisOptions
from sokuon.text import FrontEnd
from sokuon.text.dictionary import UserDictionary
from sokuon.voices.builtin import BUILTIN
from sokuon.voices.sources import resolve
from sokuon.voices.voice import speaker_of

_WARM_UP = "あ。今日は、晴れ。"


@dataclass(frozen=True)
class Setup:
    """How every worker speaks; can be pickled. `voice` None is the built-in one, `bert` None each voice's usual one;
    both are places as `sokuon.load` takes them.

    `options` hold where a line says nothing.
    """

    voice: str | Path | None = None
    bert: str | Path | None = None
    format: str = "wav"
    threads: int = 1
    precision: str = "q8"
    backend: Backend = "auto"
    weights: Storage = "q16"
    dictionary: Path | None = None
    options: SynthesisOptions = field(default_factory=SynthesisOptions)

    def __post_init__(self) -> None:
        assert self.runtime  # raises for names that do not exist

    @property
    def runtime(self) -> Runtime:
        """Raises OptionError for what cannot be."""
        return Runtime(self.threads, self.backend, self.weights)


@dataclass(frozen=True)
class Spoken:
    """A line that is done: the encoded sound and what is known of it, or an error.

    `about` holds seconds, sample_rate, sentences and phonemes; `again` marks an error that has to do with the machine
    and not with the line, so that another run tries once more.
    """

    line: Line
    data: bytes = b""
    about: Mapping[str, Any] = field(default_factory=dict)
    computing_s: float = 0.0
    error: str | None = None
    again: bool = False


class Engines:
    """Engines of voices, opened when they are first needed; BERTs and front end are shared. For one thread."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._opener = Opener(setup.runtime, setup.precision)
        self._front_end = FrontEnd(UserDictionary(setup.dictionary))
        self._engines: dict[str | None, Engine] = {}

    def of(self, voice: str | None) -> Engine:
        """The engine of a folder, file or address; None is the default voice. Raises SokuonError."""
        if voice not in self._engines:
            wanted = voice or self._setup.voice or BUILTIN / "voice"
            bert = None if self._setup.bert is None else resolve(self._setup.bert, kind="bert")
            loaded = self._opener.voice(resolve(wanted), bert)
            self._engines[voice] = Engine(loaded, self._front_end, self._opener)
        return self._engines[voice]

    def warm_up(self) -> None:
        """Load and touch what every line needs, with the options that hold for all. Raises SokuonError."""
        _sound(self.of(None), Line(0, "", _WARM_UP, self._setup.options))


def spoken(engines: Engines, line: Line, format: str) -> Spoken:
    """Speak a line. Never raises: one bad line is not the end."""
    begin = time.perf_counter()
    try:
        try:
            engine = engines.of(line.voice)
        except (SokuonError, OSError) as error:  # a voice that is not there now may be there later
            return Spoken(line, error=_sentence(error), again=True)
        audio = _sound(engine, line)
        data = audio.to_bytes(format)
    except (TextError, OptionError) as error:
        return Spoken(line, error=_sentence(error), computing_s=time.perf_counter() - begin)
    except Exception as error:  # whatever it is, the other lines are not to suffer
        return Spoken(line, error=_sentence(error), again=True)
    return Spoken(line, data, about(audio), time.perf_counter() - begin)


def about(audio: Audio) -> dict[str, Any]:
    """Length and timings of a sound, in seconds."""
    return {
        "seconds": round(audio.duration, 4),
        "sample_rate": audio.sample_rate,
        "sentences": [[s.text, round(s.start, 4), round(s.end, 4)] for s in audio.sentences],
        "phonemes": [[t.phoneme, round(t.start, 4), round(t.end, 4)] for t in audio.timings],
    }


def _sound(engine: Engine, line: Line) -> Audio:
    info = next(iter(engine.voices.values()))
    audio = engine.speak(line.text, line.options.changed(speaker=speaker_of(line.options.speaker, info.speakers)))
    if not has_speech(audio):
        raise unspeakable(line.text)
    return audio


def _sentence(error: Exception) -> str:
    if isinstance(error, SokuonError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there was not enough memory; use fewer workers."
    return f"{type(error).__name__}: {error}"
