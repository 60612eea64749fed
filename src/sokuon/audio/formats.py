"""Sound formats and their encoder (libsndfile)."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import numpy.typing as npt

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


_FULL_SCALE = np.float32(32767)


def pcm16(samples: F32) -> bytes:
    """float32 [N] in [-1, 1] → little-endian int16, rounded to the nearest."""
    data: bytes = _rounded(samples).astype("<i2").tobytes()
    return data


def _rounded(samples: F32) -> npt.NDArray[np.int16]:
    """The one rounding of files and pipes: libsndfile's own truncates, half a step of offset and twice the noise."""
    return np.asarray((np.clip(samples, -1.0, 1.0) * _FULL_SCALE).round(), np.int16)


class SoundWriter:
    """An encoder on an open binary file; use as a context manager."""

    def __init__(self, file: BinaryIO, sample_rate: int, format: str) -> None:
        import soundfile  # 20 ms to import, and only some users write files

        kind, subtype = _format(format, sample_rate)
        self._rounds = subtype == "PCM_16"
        endian = "LITTLE" if kind == "RAW" else None
        self._sound = soundfile.SoundFile(file, "w", sample_rate, 1, subtype, endian, kind)

    def __enter__(self) -> SoundWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._sound.close()

    def write(self, samples: F32) -> None:
        """Append samples [N]."""
        for begin in range(0, len(samples), _WRITE_SAMPLES):
            block = samples[begin : begin + _WRITE_SAMPLES]
            self._sound.write(_rounded(block) if self._rounds else block)


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
