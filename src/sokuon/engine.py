"""The main path: text → sentences → phonemes → BERT → encoder → flow → decoder → Audio."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sokuon.audio.sound import Audio, join
from sokuon.errors import OptionError, TextError, shown
from sokuon.networks.synthesizer import Chunking, growing_chunks, whole
from sokuon.options import OptionChanges, SynthesisOptions
from sokuon.speaking import STAGES, Lengths, LoadedVoice, Steps, driven, length_steps, speak_steps
from sokuon.text import FrontEnd, PhonemeError, Sentence, with_given
from sokuon.voices.voice import VoiceInfo

if TYPE_CHECKING:
    from typing_extensions import Unpack


class VoiceOpener(Protocol):
    """Opens a voice beside the first one: folder, BERT folder or None for the first's, threads or None for the same."""

    def __call__(
        self, voice: str | Path, bert: str | Path | None, threads: int | None, first: LoadedVoice
    ) -> LoadedVoice: ...


class Engine:
    """Speaks. Thread-safe: one engine may serve many requests at once. Made by `sokuon.load`."""

    def __init__(self, first: LoadedVoice, front_end: FrontEnd, opener: VoiceOpener) -> None:
        self._loaded = {first.voice.manifest.name: first}
        self._front_end, self._opener = front_end, opener
        self._changing = threading.Lock()

    @property
    def voices(self) -> dict[str, VoiceInfo]:
        """What each loaded voice offers, by name; the first speaks when none is named."""
        return {name: VoiceInfo.of(name, loaded.voice.manifest) for name, loaded in self._loaded.items()}

    def add_voice(
        self,
        voice: str | Path,
        *,
        name: str | None = None,
        bert: str | Path | None = None,
        threads: int | None = None,
    ) -> str:
        """Load another voice and return the name it goes by: its own unless `name` is given.

        It shares the first voice's BERT unless `bert` is given, and what `sokuon.load` was told otherwise. Raises
        VoiceNotFoundError, VoiceError, or OptionError for a name that is taken.
        """
        loaded = self._opener(voice, bert, threads, next(iter(self._loaded.values())))
        name = name or loaded.voice.manifest.name
        with self._changing:
            if name in self._loaded:
                raise OptionError(f"a voice {name!r} is loaded already; pass another name=, or remove it first.")
            self._loaded = {**self._loaded, name: loaded}
        return name

    def remove_voice(self, name: str) -> None:
        """Forget a voice; what is speaking goes on. Raises OptionError for an unknown name and for the last voice."""
        with self._changing:
            self._choose_name(name)
            if len(self._loaded) == 1:
                raise OptionError(f"{name!r} is the only voice; an engine needs one, so add another first.")
            self._loaded = {other: loaded for other, loaded in self._loaded.items() if other != name}

    def speak(self, text: str, options: SynthesisOptions | None = None, **changes: Unpack[OptionChanges]) -> Audio:
        """All of `text` as one Audio. Keywords are the fields of SynthesisOptions."""
        options = (options or SynthesisOptions()).changed(**changes)
        loaded = self._choose(options)
        audio = join(_pieces(self._steps(loaded, text, options, whole)), loaded.voice.sample_rate)
        return audio.normalized() if options.normalize else audio

    def stream(
        self, text: str | Iterable[str], options: SynthesisOptions | None = None, **changes: Unpack[OptionChanges]
    ) -> Iterator[Audio]:
        """The sound of `speak` (to rounding) in pieces as soon as they are ready, from inside the first sentence on.

        `text` may still be written: an iterable of its pieces, such as a language model's tokens; each sentence is
        spoken when it is complete. Timings of a piece count from its own beginning; a phoneme or word belongs to the
        piece in which it begins.
        """
        options = (options or SynthesisOptions()).changed(**changes)
        if options.normalize:
            raise OptionError(
                "normalize needs the whole sound, which stream does not have; use speak, or leave it out."
            )
        loaded = self._choose(options)  # an unknown name is an error now, not at the first piece
        return _pieces(self._steps(loaded, text, options, growing_chunks))

    def profile(self, text: str, options: SynthesisOptions | None = None) -> dict[str, float]:
        """Seconds that speaking `text` spends in each of STAGES: together all of it but the joining of the pieces."""
        laps, options = _Laps(), options or SynthesisOptions()
        for _ in driven(self._steps(self._choose(options), text, options, whole), None, laps):
            pass
        return laps.spent

    def durations(
        self, text: str, options: SynthesisOptions | None = None, **changes: Unpack[OptionChanges]
    ) -> list[Lengths]:
        """How long each sentence of `text` would last, phone by phone, without making its sound."""
        options = (options or SynthesisOptions()).changed(**changes)
        steps = length_steps(self._choose(options), self._sentences(text, options), options)
        return [lengths for lengths in driven(steps) if isinstance(lengths, Lengths)]

    def _steps(
        self, loaded: LoadedVoice, text: str | Iterable[str], options: SynthesisOptions, chunks: Chunking
    ) -> Steps:
        return speak_steps(loaded, self._sentences(text, options), options, chunks, self._assist)

    def _assist(self, text: str) -> str:
        return self._front_end.phonemize(text).text

    def _sentences(self, text: str | Iterable[str], options: SynthesisOptions) -> Iterator[Sentence]:
        if not isinstance(text, str):
            if (options.phonemes, options.tones, options.durations) != (None, None, None):
                raise TextError("phonemes, tones and durations need a whole text; pass it as one string.")
            return self._front_end.incremental(text)
        return given_sentences(self._front_end.sentences(text), options)

    def _choose(self, options: SynthesisOptions) -> LoadedVoice:
        loaded = self._choose_name(options.voice)
        loaded.voice.style(options.style, options.style_weight)  # raise for names the voice does not know
        loaded.voice.speaker(options.speaker)
        return loaded

    def _choose_name(self, name: str | None) -> LoadedVoice:
        voices = self._loaded  # one look: voices may be added and removed meanwhile
        if name is None:
            return next(iter(voices.values()))
        if name not in voices:
            raise OptionError(f"no voice {shown(name)} is loaded; loaded are {', '.join(voices)}.")
        return voices[name]


def given_sentences(sentences: Iterator[Sentence], options: SynthesisOptions) -> Iterator[Sentence]:
    """The sentences of a text with the phonemes, tones and durations that are given. Raises TextError."""
    if (options.phonemes, options.tones, options.durations) == (None, None, None):
        yield from sentences
        return
    one = list(sentences)
    if len(one) != 1:
        raise TextError(f"phonemes, tones and durations can be given for one sentence, and the text has {len(one)}.")
    phonemes = with_given(one[0].phonemes, options.phonemes, options.tones)
    seconds = options.durations
    if seconds is not None and len(seconds) != len(phonemes.symbols):
        raise PhonemeError(
            f"{len(phonemes.symbols)} phonemes have {len(seconds)} given durations: give as many of both."
        )
    yield replace(one[0], phonemes=phonemes, seconds=None if seconds is None else tuple(seconds))


def _pieces(steps: Steps) -> Iterator[Audio]:
    return (piece for piece in driven(steps) if isinstance(piece, Audio))


class _Laps:
    """Adds the time since the last call to the stage that is named."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(STAGES, 0.0)
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.spent[stage] += now - self._last
        self._last = now
