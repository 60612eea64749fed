"""Sound as bytes while it is made, for a pipe or a response: one encoder for a whole stream.

WAV and PCM are written here; FLAC, MP3, Vorbis and Opus by libsndfile into a buffer that is emptied as it fills; AAC by
FFmpeg (extra `sokuon[aac]`, 100 MB, so not part of the server).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from sokuon.audio.formats import FORMATS, blocks, check_format, format_rate, pcm16, rounded, wav_header
from sokuon.audio.libsndfile import Encoder
from sokuon.audio.resample import Resampler
from sokuon.audio.sound import Audio
from sokuon.errors import missing_extra
from sokuon.storage.tensors import F32

_OGG_PAGE_LATENCY = 0x1302  # libsndfile's SFC_SET_OGG_PAGE_LATENCY_MS
_PAGE_MS = 60.0  # its default is a second, which a listener would wait
# MP3: players tell the length of a stream by its rate. 64 kbit/s at 24 kHz, 160 at 44.1.
_CONSTANT = {"bitrate_mode": "CONSTANT", "compression_level": 0.6}


class StreamEncoder:
    """Mono sound in pieces to bytes in pieces, with the length left open.

    `rate` is that of the bytes, None the nearest that the format holds. FLAC comes whole at the end, as many cannot
    read one of unknown length, unless it is `live`; every format does where `whole`, and then has true sizes. Raises
    AudioError for an unknown format, MissingExtraError for AAC without FFmpeg.
    """

    def __init__(
        self, sample_rate: int, format: str, rate: int | None = None, *, live: bool = False, whole: bool = False
    ) -> None:
        kind = format if format == "aac" else check_format(format)
        rate = rate or (sample_rate if kind == "aac" else format_rate(kind, sample_rate))
        self._resampler = Resampler(sample_rate, rate)
        self._codec = _codec(kind, rate, whole or (kind == "flac" and not live))

    def push(self, samples: F32) -> bytes:
        """The bytes that samples [N] complete; may be none yet."""
        return self._codec.add(self._resampler.push(samples))

    def finish(self) -> bytes:
        """The last bytes; the encoder is closed."""
        return self._codec.add(self._resampler.finish()) + self._codec.end()


class _Codec(Protocol):
    """Samples [N] in, bytes out; `end` gives what is left."""

    def add(self, samples: F32) -> bytes: ...

    def end(self) -> bytes: ...


def _codec(kind: str, rate: int, whole: bool) -> _Codec:
    if kind == "aac":
        return _Aac(rate)
    if whole:
        return _Whole(rate, kind)
    if kind in ("wav", "pcm"):
        return _Pcm(wav_header(rate) if kind == "wav" else b"")
    return _Sndfile(rate, kind)


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
        kind, subtype = FORMATS[format]
        quality: dict[str, Any] = _CONSTANT if format == "mp3" else {}
        self._sink = _Sink()
        self._file = Encoder(self._sink, rate, kind, subtype, **quality)
        self._skips_info_frame, self._rounds = format == "mp3", format == "flac"
        if format == "opus":
            self._file.command(_OGG_PAGE_LATENCY, _PAGE_MS)

    def add(self, samples: F32) -> bytes:
        for block in blocks(samples):
            self._file.write(rounded(block) if self._rounds else np.clip(block, -1.0, 1.0))
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
            raise missing_extra("AAC needs", "FFmpeg", "aac") from error
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
