"""Sound as bytes while it is made: one encoder for a whole stream.

WAV and PCM are written here; FLAC, MP3 and Opus by libsndfile into a buffer that is emptied as it fills; AAC by FFmpeg
(extra `sokuon[aac]`, 100 MB, so not part of the server).
"""

from __future__ import annotations

import struct
from typing import Any, Protocol

import numpy as np

from sokuon.audio.formats import pcm16, wav_header
from sokuon.audio.sound import Audio
from sokuon.errors import AudioError, MissingExtraError
from sokuon.storage.tensors import F32

MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
PCM_HZ = 24000  # by the OpenAI contract: clients read no header
OPUS_HZ = 48000
_RATES = {
    "pcm": (PCM_HZ,),
    "opus": (OPUS_HZ, 24000, 16000, 12000, 8000),
    "mp3": (44100, 48000, 32000, 24000, 22050, 16000, 12000, 11025, 8000),
    "aac": (44100, 48000, 32000, 24000, 22050, 16000, 12000, 11025, 8000),
}
_OGG_PAGE_LATENCY = 0x1302  # libsndfile's SFC_SET_OGG_PAGE_LATENCY_MS
_PAGE_MS = 60.0  # its default is a second, which a listener would wait


class Encoder(Protocol):
    """Samples [N] in, bytes out; `end` gives what is left."""

    def add(self, samples: F32) -> bytes: ...

    def end(self) -> bytes: ...


def output_rate(format: str, rate: int, wanted: int | None = None) -> int:
    """The rate a format is written in: `wanted` or the voice's own where the format can hold it, else a near one."""
    own = wanted or rate
    rates = _RATES.get(format)
    return own if rates is None or own in rates else rates[0]


def open_encoder(format: str, rate: int, *, streaming: bool = True) -> Encoder:
    """An encoder for mono sound. Raises AudioError for an unknown format, MissingExtraError for AAC without FFmpeg."""
    if format not in MEDIA_TYPES:
        raise AudioError(f"{format!r} is not a sound format; use one of {', '.join(MEDIA_TYPES)}.")
    if format == "aac":
        return _Aac(rate)
    if not streaming:
        return _Whole(rate, format)
    if format in ("wav", "pcm"):
        return _Pcm(wav_header(rate) if format == "wav" else b"")
    return _Sndfile(rate, format)


def wav_bytes(samples: F32, rate: int, channels: int = 1) -> bytes:
    """A whole 16-bit WAV with true sizes; `channels` 2 repeats the one there is."""
    data = pcm16(np.repeat(samples, channels))
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE") + form + struct.pack("<4sI", b"data", len(data)) + data
    )


class _Pcm:
    def __init__(self, header: bytes) -> None:
        self._header = header

    def add(self, samples: F32) -> bytes:
        data, self._header = self._header + pcm16(samples), b""
        return data

    def end(self) -> bytes:
        data, self._header = self._header, b""
        return data


class _Whole:
    """One file with true sizes."""

    def __init__(self, rate: int, format: str) -> None:
        self._rate, self._format = rate, format
        self._pieces: list[F32] = []

    def add(self, samples: F32) -> bytes:
        self._pieces.append(samples)
        return b""

    def end(self) -> bytes:
        samples = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)
        return Audio(samples, self._rate).to_bytes(self._format)


class _Sink:
    """A file that libsndfile writes and whose new bytes are taken away; it may rewrite only what is still here."""

    def __init__(self) -> None:
        self._position = self._taken = 0
        self._data = bytearray()

    def write(self, data: Any) -> int:
        place = self._position - self._taken
        if place >= 0:  # else a header that has been sent: sizes stay unknown, as in any stream
            self._data[place : place + len(data)] = bytes(data)
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._position, self._taken + len(self._data))[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        data = bytes(self._data)
        self._taken += len(data)
        self._data.clear()
        return data


class _Sndfile:
    def __init__(self, rate: int, format: str) -> None:
        import soundfile

        kind, subtype = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16")}[format]
        quality = {"bitrate_mode": "CONSTANT", "compression_level": 0.2} if format == "mp3" else {}
        self._sink = _Sink()
        self._file: Any = soundfile.SoundFile(self._sink, "w", rate, 1, subtype, None, kind, **quality)
        self._skips_info_frame, self._rounds = format == "mp3", format == "flac"
        if format == "opus":
            latency = soundfile._ffi.new("double*", _PAGE_MS)
            soundfile._snd.sf_command(self._file._file, _OGG_PAGE_LATENCY, latency, 8)

    def add(self, samples: F32) -> bytes:
        whole_numbers = self._rounds  # libsndfile's own rounding to 16 bits truncates
        self._file.write(np.frombuffer(pcm16(samples), "<i2") if whole_numbers else np.clip(samples, -1.0, 1.0))
        return self._sent()

    def end(self) -> bytes:
        self._file.close()
        return self._sent()

    def _sent(self) -> bytes:
        """What is new; of MP3 without the first frame, which would hold the length that a stream does not know."""
        data = self._sink.take()
        if self._skips_info_frame and data:
            self._skips_info_frame = False
            return data[mp3_frame_bytes(data) :]
        return data


def mp3_frame_bytes(head: bytes) -> int:
    """Length of the MPEG layer III frame that `head` begins with."""
    low = not head[1] & 0x08
    kbits = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160) if low else (
        32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320
    )  # fmt: skip
    rates = (44100, 48000, 32000)
    rate = rates[(head[2] >> 2) & 3] >> (0 if not low else 1 if head[1] & 0x10 else 2)
    samples = 576 if low else 1152
    return samples // 8 * kbits[(head[2] >> 4) - 1] * 1000 // rate + ((head[2] >> 1) & 1)


class _Aac:
    """AAC in ADTS by PyAV."""

    def __init__(self, rate: int) -> None:
        try:
            import av
        except ImportError as error:
            raise MissingExtraError("AAC needs FFmpeg; install it with `pip install 'sokuon[aac]'`.") from error
        self._av, self._rate, self._sink = av, rate, _Sink()
        self._container: Any = av.open(self._sink, "w", format="adts")
        self._stream: Any = self._container.add_stream("aac", rate=rate, layout="mono")

    def add(self, samples: F32) -> bytes:
        if not len(samples):  # FFmpeg takes no empty frame
            return b""
        frame = self._av.AudioFrame.from_ndarray(np.clip(samples, -1.0, 1.0)[None], format="fltp", layout="mono")
        frame.sample_rate = self._rate
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
        return self._sink.take()

    def end(self) -> bytes:
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()
        return self._sink.take()
