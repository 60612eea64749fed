"""Sound formats and their encoder into a file (libsndfile; WAV and PCM do without); `encoding` gives bytes."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sokuon.audio.libsndfile import Encoder
from sokuon.audio.ogg import OggPages
from sokuon.audio.resample import Resampler
from sokuon.errors import AudioError
from sokuon.storage.tensors import F32

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
_UNKNOWN_LENGTH = 0xFFFFFFFF  # what players expect of a WAV whose end is not known yet
_BYTES_PER_SAMPLE = 2
_WAV_HEADER_BYTES = 44
_FULL_SCALE = np.float32(32767)


@dataclass(frozen=True)
class Labels:
    """What a sound file says about itself, where its format can (WAV and PCM cannot); "" and None are left out."""

    title: str = ""
    artist: str = ""
    album: str = ""
    track: int | None = None
    serial: int | None = None
    """Of an Ogg stream, 32 bits, so that the same sound is the same file; None: drawn at random."""

    def texts(self) -> dict[str, str]:
        """By the names that libsndfile has for them."""
        track = "" if self.track is None else str(self.track)
        named = {"title": self.title, "artist": self.artist, "album": self.album, "tracknumber": track}
        return {name: text for name, text in named.items() if text}


NO_LABELS = Labels()


def pcm16(samples: F32) -> bytes:
    """float32 [N] in [-1, 1] → little-endian int16, rounded to the nearest."""
    data: bytes = rounded(samples).astype("<i2").tobytes()
    return data


def rounded(samples: F32) -> npt.NDArray[np.int16]:
    """The one rounding of files and pipes: libsndfile's own truncates, half a step of offset and twice the noise."""
    return np.asarray((np.clip(samples, -1.0, 1.0) * _FULL_SCALE).round(), np.int16)


def blocks(samples: F32) -> Iterator[F32]:
    """The samples in parts that libsndfile takes at once."""
    for begin in range(0, len(samples), _WRITE_SAMPLES):
        yield samples[begin : begin + _WRITE_SAMPLES]


def wav_bytes(samples: F32, rate: int, channels: int = 1) -> bytes:
    """A whole 16-bit WAV with true sizes; `channels` 2 repeats the one there is."""
    data = pcm16(np.repeat(samples, channels))
    return wav_header(rate, len(data), channels) + data


def wav_header(sample_rate: int, data_bytes: int = _UNKNOWN_LENGTH, channels: int = 1) -> bytes:
    """44 bytes for 16-bit sound, of unknown length where none is given (spec runtime-behaviour section 8)."""
    frame = _BYTES_PER_SAMPLE * channels
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, sample_rate, sample_rate * frame, frame, 16)
    whole, data = (min(size, _UNKNOWN_LENGTH) for size in (_WAV_HEADER_BYTES - 8 + data_bytes, data_bytes))
    return struct.pack("<4sI4s", b"RIFF", whole, b"WAVE") + form + struct.pack("<4sI", b"data", data)


def format_rate(format: str, sample_rate: int) -> int:
    """The rate at which `format` holds sound of `sample_rate`: its own, else the next higher one, else the highest."""
    rates = _RESTRICTED_RATES.get(check_format(format))
    if rates is None or sample_rate in rates:
        return sample_rate
    return min((rate for rate in rates if rate > sample_rate), default=rates[-1])


def check_format(name: str) -> str:
    """The name as FORMATS has it. Raises AudioError for another."""
    key = name.lower()
    if key not in FORMATS:
        raise AudioError(f"{name!r} is not a sound format; use one of {', '.join(FORMATS)}.")
    return key


class _Guarded:
    """A file as libsndfile's callbacks see it: an error raised in one would be printed and forgotten, so it is kept."""

    def __init__(self, file: BinaryIO, pages: OggPages | None = None) -> None:
        self._file, self._pages = file, pages
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self._pages is None:
            return self._try(self._file.write, data)
        whole = self._pages.push(bytes(data))
        return len(data) if self._try(self._file.write, whole) == len(whole) else 0

    def seek(self, *place: int) -> int:
        return self._try(self._file.seek, *place)  # a buffered file writes when it moves

    def tell(self) -> int:
        return self._try(self._file.tell)

    def _try(self, call: Callable[..., int], *arguments: Any) -> int:
        if self.error is None:
            try:
                return call(*arguments)
            except OSError as error:
                self.error = error
        return 0  # of a write: nothing was taken, so who writes stops


class _Uncoded:
    """Samples as they are; where `wav_rate` is given, after a header that gets its lengths at the end."""

    def __init__(self, file: _Guarded, wav_rate: int | None) -> None:
        self._file, self._wav_rate, self._bytes = file, wav_rate, 0
        if wav_rate is not None:
            self._start = file.tell()
            file.write(wav_header(wav_rate))

    def write(self, samples: npt.NDArray[np.int16]) -> None:
        data = samples.astype("<i2", copy=False).tobytes()
        self._file.write(data)
        self._bytes += len(data)

    def close(self) -> None:
        """The file stays open."""
        if self._wav_rate is not None:
            self._file.seek(self._start)
            self._file.write(wav_header(self._wav_rate, self._bytes))
            self._file.seek(0, os.SEEK_END)


class SoundWriter:
    """An encoder on an open binary file; use as a context manager.

    Sound whose rate the format cannot hold is resampled. Raises AudioError for an unknown format, and OSError at the
    first block that the file does not take.
    """

    def __init__(self, file: BinaryIO, sample_rate: int, format: str, labels: Labels = NO_LABELS) -> None:
        rate = format_rate(format, sample_rate)
        kind, subtype = FORMATS[format.lower()]
        self._resampler = Resampler(sample_rate, rate)
        self._rounds = subtype == "PCM_16"
        pages = OggPages(labels.serial) if kind == "OGG" and labels.serial is not None else None
        self._file = _Guarded(file, pages)
        if kind in ("WAV", "RAW"):
            with self._checked():
                self._sound: Any = _Uncoded(self._file, rate if kind == "WAV" else None)
            return
        with self._checked():
            self._sound = Encoder(self._file, rate, kind, subtype)
            for name, text in labels.texts().items():
                self._sound.tag(name, text)

    def __enter__(self) -> SoundWriter:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is None:
            self.close()
            return
        with contextlib.suppress(Exception):  # an error is on its way already
            self._sound.close()

    def close(self) -> None:
        """Write what is left and the end of the format."""
        self._write(self._resampler.finish())
        with self._checked():
            self._sound.close()

    def write(self, samples: F32) -> None:
        """Append samples [N]."""
        self._write(self._resampler.push(samples))

    def _write(self, samples: F32) -> None:
        for block in blocks(samples):
            with self._checked():
                self._sound.write(rounded(block) if self._rounds else block)

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        """Raise what the file said instead of what libsndfile makes of it."""
        try:
            yield
        except (RuntimeError, AssertionError):  # soundfile asserts that all was written
            if self._file.error is None:
                raise
        if self._file.error is not None:
            raise self._file.error


def open_sound(file: BinaryIO, sample_rate: int, format: str, labels: Labels = NO_LABELS) -> SoundWriter:
    """An encoder for `format` on `file`. Raises AudioError for an unknown format."""
    return SoundWriter(file, sample_rate, format, labels)
