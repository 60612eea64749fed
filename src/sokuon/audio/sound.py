"""What comes out: samples with their rate, the timings of phonemes and sentences, and ways to save them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sokuon.audio.formats import open_sound
from sokuon.storage.files import write_atomically
from sokuon.storage.tensors import F32


class _Timed:
    """What lasts from `start` to `end`."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True)
class PhonemeTiming(_Timed):
    """One phone slot: `start` and `end` in seconds; a blank between phonemes is "_"."""

    phoneme: str
    start: float
    end: float


@dataclass(frozen=True)
class SentenceTiming(_Timed):
    """One sentence of the text as it was written: `start` and `end` in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class WordTiming(_Timed):
    """A part of the text as it was written: `start` and `end` in seconds. A sentence's words joined are all of it."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, eq=False)  # arrays have no single truth of equality
class Audio:
    """Mono speech: `samples` float32 [N] in [-1, 1] at `sample_rate` Hz."""

    samples: F32
    sample_rate: int
    timings: tuple[PhonemeTiming, ...] = ()
    sentences: tuple[SentenceTiming, ...] = ()
    words: tuple[WordTiming, ...] = ()

    def __repr__(self) -> str:
        """Short: samples and timings by their number."""
        numbers = f"{len(self.timings)} timings, {len(self.sentences)} sentences"
        return f"<Audio {self.duration:.3f} s at {self.sample_rate} Hz, {numbers}>"

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate

    def normalized(self) -> Audio:
        """Scaled so that the loudest sample is full scale; silence stays silence."""
        peak = float(np.abs(self.samples).max(initial=0.0))
        return self if peak == 0.0 else replace(self, samples=(self.samples / peak).astype(np.float32))

    def to_bytes(self, format: str = "wav") -> bytes:
        """The encoded file: wav, flac, ogg (Vorbis), opus, mp3, or pcm (raw 16-bit little-endian)."""
        buffer = io.BytesIO()
        with open_sound(buffer, self.sample_rate, format) as sound:
            sound.write(self.samples)
        return buffer.getvalue()

    def save(self, path: str | Path, format: str | None = None) -> None:
        """Write a file, whole or not at all; the format is that of the suffix unless given."""
        path = Path(path)
        write_atomically(path, self.to_bytes(format or path.suffix.lstrip(".")))

    def shifted(self, seconds: float) -> Audio:
        """The same sound, its timings moved."""
        timings = tuple(replace(t, start=t.start + seconds, end=t.end + seconds) for t in self.timings)
        sentences = tuple(replace(s, start=s.start + seconds, end=s.end + seconds) for s in self.sentences)
        words = tuple(replace(w, start=w.start + seconds, end=w.end + seconds) for w in self.words)
        return replace(self, timings=timings, sentences=sentences, words=words)


def join(pieces: Iterable[Audio], sample_rate: int) -> Audio:
    """One after the other, timings moved along."""
    moved: list[Audio] = []
    position = 0
    for piece in pieces:
        moved.append(piece.shifted(position / sample_rate))
        position += len(piece.samples)
    samples = np.concatenate([m.samples for m in moved]) if moved else np.zeros(0, np.float32)
    timings = tuple(t for m in moved for t in m.timings)
    sentences = tuple(s for m in moved for s in m.sentences)
    return Audio(samples, sample_rate, timings, sentences, tuple(w for m in moved for w in m.words))


def has_speech(audio: Audio) -> bool:
    """Whether something in it is spoken; a text of signs alone gives silence."""
    return any(timing.phoneme[0].isalpha() for timing in audio.timings)


def silence(seconds: float, sample_rate: int) -> F32:
    """Zeros [seconds · sample_rate]."""
    return np.zeros(round(max(0.0, seconds) * sample_rate), np.float32)


def trailing_silence(samples: F32, sample_rate: int) -> float:
    """Seconds at the end that stay below 2 % of the peak, in whole windows of 10 ms (spec runtime-behaviour 4)."""
    window = max(1, sample_rate // 100)
    count = len(samples) // window
    if count == 0:
        return 0.0
    peaks = np.abs(samples[len(samples) - count * window :]).reshape(count, window).max(axis=1)
    loud = np.flatnonzero(peaks > 0.02 * np.abs(samples).max())
    if len(loud) == 0:
        return len(samples) / sample_rate
    return float((count - 1 - loud[-1]) * window / sample_rate)
