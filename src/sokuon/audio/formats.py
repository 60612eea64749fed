"""Sound formats and their encoder (libsndfile): into a file, or piece by piece as bytes."""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

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
# Of a streamed MP3: players tell its length by its rate. 64 kbit/s at 24 kHz, 160 at 44.1.
_CONSTANT = {"bitrate_mode": "CONSTANT", "compression_level": 0.6}
_FULL_SCALE = np.float32(32767)


def pcm16(samples: F32) -> bytes:
    """float32 [N] in [-1, 1] → little-endian int16, rounded to the nearest."""
    data: bytes = _rounded(samples).astype("<i2").tobytes()
    return data


def _rounded(samples: F32) -> npt.NDArray[np.int16]:
    """The one rounding of files and pipes: libsndfile's own truncates, half a step of offset and twice the noise."""
    return np.asarray((np.clip(samples, -1.0, 1.0) * _FULL_SCALE).round(), np.int16)


def wav_header(sample_rate: int) -> bytes:
    """44 bytes for mono 16-bit sound of unknown length (spec runtime-behaviour section 8)."""
    rate = sample_rate * _BYTES_PER_SAMPLE
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, rate, _BYTES_PER_SAMPLE, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", _UNKNOWN_LENGTH, b"WAVE") + form + struct.pack("<4sI", b"data", _UNKNOWN_LENGTH)
    )


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

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        return self._try(self._file.write, data)

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
        return 0  # of a write: nothing was taken, so libsndfile stops


class SoundWriter:
    """An encoder on an open binary file; use as a context manager.

    Sound whose rate the format cannot hold is resampled. Raises AudioError for an unknown format, and OSError at the
    first block that the file does not take.
    """

    def __init__(self, file: BinaryIO, sample_rate: int, format: str, more: Mapping[str, Any] | None = None) -> None:
        import soundfile  # 20 ms to import, and only some users write files

        rate = format_rate(format, sample_rate)
        kind, subtype = FORMATS[format.lower()]
        self._resampler = Resampler(sample_rate, rate)
        self._rounds = subtype == "PCM_16"
        self._file = _Guarded(file)
        endian = "LITTLE" if kind == "RAW" else None
        with self._checked():
            self._sound = soundfile.SoundFile(self._file, "w", rate, 1, subtype, endian, kind, **(more or {}))

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
        for begin in range(0, len(samples), _WRITE_SAMPLES):
            block = samples[begin : begin + _WRITE_SAMPLES]
            with self._checked():
                self._sound.write(_rounded(block) if self._rounds else block)

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


def open_sound(file: BinaryIO, sample_rate: int, format: str) -> SoundWriter:
    """An encoder for `format` on `file`. Raises AudioError for an unknown format."""
    return SoundWriter(file, sample_rate, format)


class _Outlet(io.RawIOBase):
    """Collects what an encoder appends. What it would rewrite at its end has been sent: a length that streams lack."""

    def __init__(self) -> None:
        self._new = bytearray()
        self._end = self._position = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self._position == self._end:
            self._new += data
            self._end += len(data)
        self._position = min(self._end, self._position + len(data))
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = max(0, min(self._end, origin + offset))
        return self._position

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        """What is new since the last call."""
        new = bytes(self._new)
        self._new.clear()
        return new


class StreamEncoder:
    """Sound in pieces to bytes in pieces, for a pipe or a response, with the length left open; FLAC comes at the end.

    Raises AudioError for an unknown format.
    """

    def __init__(self, sample_rate: int, format: str) -> None:
        kind = check_format(format)
        self._outlet = io.BytesIO() if kind == "flac" else _Outlet()  # many cannot read a FLAC of unknown length
        self._sound: SoundWriter | None = None
        if kind == "wav":
            self._outlet.write(wav_header(sample_rate))
        elif kind != "pcm":
            self._sound = SoundWriter(self._outlet, sample_rate, kind, _CONSTANT if kind == "mp3" else None)  # type: ignore[arg-type]

    def push(self, samples: F32) -> bytes:
        """The bytes that samples [N] complete; may be none yet."""
        if self._sound is None:
            self._outlet.write(pcm16(samples))
        else:
            self._sound.write(samples)
        return self._taken()

    def finish(self) -> bytes:
        """The last bytes; the encoder is closed."""
        if self._sound is None:
            return self._taken()
        self._sound.close()
        return self._outlet.getvalue() if isinstance(self._outlet, io.BytesIO) else self._taken()

    def _taken(self) -> bytes:
        return self._outlet.take() if isinstance(self._outlet, _Outlet) else b""
