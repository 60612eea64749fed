"""The main path: text → sentences → phonemes → BERT → encoder → flow → decoder → Audio."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sokuon.audio.pitch import reshape_pitch
from sokuon.audio.sound import Audio, PhonemeTiming, SentenceTiming, join, silence, trailing_silence
from sokuon.errors import OptionError, TextError
from sokuon.networks.bert import Bert
from sokuon.networks.runtime import Runtime
from sokuon.networks.synthesizer import I64, Chunking, Synthesizer, Utterance, durations, growing_chunks, whole
from sokuon.noise import Noise, fresh_seed
from sokuon.options import OptionChanges, SynthesisOptions
from sokuon.pauses import SHORTEST_S, predicted_pause
from sokuon.storage.tensors import F32
from sokuon.text import FrontEnd, Phonemes, Sentence, with_given
from sokuon.voices.voice import Voice, VoiceInfo

if TYPE_CHECKING:
    from typing_extensions import Unpack

STAGES = ("front_end", "bert", "pauses", "encoder", "flow", "decoder")
Lap = Callable[[str], None]  # called with the name of a stage when it ends


@dataclass(frozen=True)
class LoadedVoice:
    """A voice with its networks and the BERT that reads for it."""

    voice: Voice
    synthesizer: Synthesizer
    bert: Bert
    runtime: Runtime


@dataclass(frozen=True)
class ReadSentence:
    """One sentence, read: what the encoder needs and what a person wrote."""

    sentence: Sentence
    phonemes: Phonemes
    utterance: Utterance


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
        audio = join(self._pieces(text, options, whole), self._choose(options).voice.sample_rate)
        return audio.normalized() if options.normalize else audio

    def stream(
        self, text: str, options: SynthesisOptions | None = None, **changes: Unpack[OptionChanges]
    ) -> Iterator[Audio]:
        """The sound of `speak` (to rounding) in pieces as soon as they are ready, from inside the first sentence on.

        Timings of a piece count from its own beginning; a phoneme belongs to the piece in which it begins.
        """
        options = (options or SynthesisOptions()).changed(**changes)
        if options.normalize:
            raise OptionError(
                "normalize needs the whole sound, which stream does not have; use speak, or leave it out."
            )
        self._choose(options)  # an unknown name is an error now, not at the first piece
        return self._pieces(text, options, growing_chunks)

    def profile(self, text: str, options: SynthesisOptions | None = None) -> dict[str, float]:
        """Seconds that speaking `text` spends in each of STAGES: together all of it but the joining of the pieces."""
        laps = _Laps()
        for _ in self._pieces(text, options or SynthesisOptions(), whole, laps):
            pass
        return laps.spent

    def _pieces(
        self, text: str, options: SynthesisOptions, chunks: Chunking, lap: Lap = lambda _: None
    ) -> Iterator[Audio]:
        loaded = self._choose(options)
        options = replace(options, seed=fresh_seed()) if options.seed is None else options
        before: ReadSentence | None = None
        tail = np.zeros(0, np.float32)
        for sentence in self._sentences(text, options):
            lap("front_end")
            line = self._read(loaded, sentence, options)
            lap("bert")
            if before is not None:
                gap = _gap(loaded, before, line, tail, options)
                if len(gap.samples):
                    yield gap
                lap("pauses")
            before, heard = line, []
            for piece in _spoken(loaded, line, options, chunks, lap):
                lap("decoder")
                heard.append(piece.samples)
                yield piece
            tail = np.concatenate(heard) if heard else tail

    def _sentences(self, text: str, options: SynthesisOptions) -> Iterator[Sentence]:
        sentences = self._front_end.sentences(text)
        if options.phonemes is None and options.tones is None:
            yield from sentences
            return
        one = list(sentences)
        if len(one) != 1:
            raise TextError(f"phonemes and tones can be given for one sentence, and the text has {len(one)}.")
        yield replace(one[0], phonemes=with_given(one[0].phonemes, options.phonemes, options.tones))

    def _read(self, loaded: LoadedVoice, sentence: Sentence, options: SynthesisOptions) -> ReadSentence:
        phonemes = sentence.phonemes
        utterance = Utterance(
            phonemes.slots(loaded.voice.manifest.add_blank),
            loaded.bert.features(phonemes.text),
            loaded.voice.style(options.style, options.style_weight),
            loaded.voice.speaker(options.speaker),
        )
        return ReadSentence(sentence, phonemes, utterance)

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
            raise OptionError(f"no voice {name!r} is loaded; loaded are {', '.join(voices)}.")
        return voices[name]


def _spoken(
    loaded: LoadedVoice, line: ReadSentence, options: SynthesisOptions, chunks: Chunking, lap: Lap
) -> Iterator[Audio]:
    """One sentence in pieces."""
    noise = Noise(options.seed or 0, line.phonemes)
    speaker, synthesizer = line.utterance.speaker, loaded.synthesizer
    encoded = synthesizer.encode(line.utterance, _duration_noise(line, noise, options))
    lap("encoder")
    frames = durations(encoded, options)
    z = synthesizer.latent(encoded, frames, _frame_noise(frames, encoded.mean.shape[1], noise, options), speaker)
    lap("flow")
    pieces = synthesizer.decode(z, speaker, chunks(len(z)))
    if options.reshapes_pitch:  # WORLD needs the whole sentence
        sound = np.concatenate(list(pieces))
        pieces = iter([reshape_pitch(sound, loaded.voice.sample_rate, options.pitch, options.intonation)])
    yield from _timed(pieces, line, frames, loaded.voice)


def _timed(pieces: Iterator[F32], line: ReadSentence, frames: I64, voice: Voice) -> Iterator[Audio]:
    """Attach to each piece the phonemes that begin in it; the first carries the sentence."""
    rate, hop = voice.sample_rate, voice.manifest.decoder.hop
    starts = (np.cumsum(frames) - frames) * hop  # [T] samples
    length = max(1, int(frames.sum())) * hop
    position = 0
    for samples in pieces:
        here = np.flatnonzero((starts >= position) & (starts < position + len(samples)) & (frames > 0))
        timings = tuple(
            PhonemeTiming(
                line.utterance.slots.symbols[t], (start - position) / rate, (start - position + count * hop) / rate
            )
            for t, start, count in zip(here.tolist(), starts[here].tolist(), frames[here].tolist(), strict=True)
        )
        sentences = (SentenceTiming(line.sentence.source, 0.0, length / rate),) if position == 0 else ()
        yield Audio(samples, rate, timings, sentences)
        position += len(samples)


def _gap(loaded: LoadedVoice, before: ReadSentence, after: ReadSentence, tail: F32, options: SynthesisOptions) -> Audio:
    """Silence between two sentences: what is wanted less what the first already ends with."""
    rate = loaded.voice.sample_rate
    wanted = before.sentence.pause_after_s if before.sentence.pause_after_s is not None else options.pause
    if wanted is None:
        pair = (before.phonemes, before.utterance), (after.phonemes, after.utterance)
        frames = predicted_pause(loaded.synthesizer, *pair, options)
        wanted = max(frames * loaded.voice.manifest.decoder.hop / rate, SHORTEST_S)
    return Audio(silence(wanted - trailing_silence(tail, rate), rate), rate)


def _duration_noise(line: ReadSentence, noise: Noise, options: SynthesisOptions) -> F32:
    return noise.draw(2, len(line.utterance.slots.ids), options.noise_w)


def _frame_noise(frames: I64, channels: int, noise: Noise, options: SynthesisOptions) -> F32:
    return noise.draw(max(1, int(frames.sum())), channels, options.noise)


class _Laps:
    """Adds the time since the last call to the stage that is named."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(STAGES, 0.0)
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.spent[stage] += now - self._last
        self._last = now
