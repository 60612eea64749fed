"""What comes out: samples with their rate, the timings of phonemes and sentences, and ways to save them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sokuon.errors import AudioError
from sokuon.files import write_atomically
from sokuon.tensors import F32

# format → (libsndfile format, subtype)
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "pcm": ("RAW", "PCM_16"),
}
_RESTRICTED_RATES = {
    "opus": (8000, 12000, 16000, 24000, 48000),
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}
_WRITE_SAMPLES = 65536  # libsndfile's Vorbis encoder overflows the stack on long writes


@dataclass(frozen=True)
class PhonemeTiming:
    """One phone slot: `start` and `duration` in seconds; a blank between phonemes is "_"."""

    phoneme: str
    start: float
    duration: float

    @property
    def end(self) -> float:
        """Seconds."""
        return self.start + self.duration


@dataclass(frozen=True)
class SentenceTiming:
    """One sentence of the text as it was written: `start` and `end` in seconds."""

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
        timings = tuple(replace(t, start=t.start + seconds) for t in self.timings)
        sentences = tuple(replace(s, start=s.start + seconds, end=s.end + seconds) for s in self.sentences)
        return replace(self, timings=timings, sentences=sentences)


def join(pieces: Iterable[Audio], sample_rate: int) -> Audio:
    """One after the other, timings moved along."""
    moved: list[Audio] = []
    position = 0
    for piece in pieces:
        moved.append(piece.shifted(position / sample_rate))
        position += len(piece.samples)
    samples = np.concatenate([m.samples for m in moved]) if moved else np.zeros(0, np.float32)
    timings = tuple(t for m in moved for t in m.timings)
    return Audio(samples, sample_rate, timings, tuple(s for m in moved for s in m.sentences))


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


class SoundWriter:
    """An encoder on an open binary file; use as a context manager."""

    def __init__(self, file: BinaryIO, sample_rate: int, format: str) -> None:
        import soundfile  # 20 ms to import, and only some users write files

        kind, subtype = _format(format, sample_rate)
        endian = "LITTLE" if kind == "RAW" else None
        self._sound = soundfile.SoundFile(file, "w", sample_rate, 1, subtype, endian, kind)

    def __enter__(self) -> SoundWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._sound.close()

    def write(self, samples: F32) -> None:
        """Append samples [N]."""
        for begin in range(0, len(samples), _WRITE_SAMPLES):
            self._sound.write(samples[begin : begin + _WRITE_SAMPLES])


def open_sound(file: BinaryIO, sample_rate: int, format: str) -> SoundWriter:
    """An encoder for `format` on `file`. Raises AudioError for a format or a rate it cannot hold."""
    return SoundWriter(file, sample_rate, format)


def _format(name: str, sample_rate: int) -> tuple[str, str]:
    key = name.lower()
    if key not in FORMATS:
        raise AudioError(f"{name!r} is not a sound format; use one of {', '.join(FORMATS)}.")
    rates = _RESTRICTED_RATES.get(key)
    if rates and sample_rate not in rates:
        raise AudioError(f"{key} cannot hold {sample_rate} Hz; use wav, flac or ogg for this voice.")
    return FORMATS[key]
