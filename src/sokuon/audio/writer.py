"""Writing speech while it is made: to a file that appears when it is whole, or down a pipe as it comes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sokuon.audio.formats import open_sound, pcm16
from sokuon.audio.sound import Audio, SentenceTiming
from sokuon.storage.files import whole_file

_UNKNOWN_LENGTH = 0xFFFFFFFF  # what players expect of a WAV whose end is not known yet
_BYTES_PER_SAMPLE = 2


def write_file(
    pieces: Iterable[Audio], sample_rate: int, path: Path, format: str
) -> tuple[float, list[SentenceTiming]]:
    """Write pieces as they come to a file that appears when all are there; seconds, and where each sentence lies."""
    samples = 0
    sentences: list[SentenceTiming] = []
    with whole_file(path) as file, open_sound(file, sample_rate, format) as sound:
        for piece in pieces:
            sound.write(piece.samples)
            sentences += piece.shifted(samples / sample_rate).sentences
            samples += len(piece.samples)
    return samples / sample_rate, sentences


def write_pipe(pieces: Iterable[Audio], sample_rate: int, pipe: BinaryIO | FileIO, format: str) -> None:
    """Write WAV or raw PCM as it comes; other formats once they are whole. A closed pipe ends it quietly."""
    try:
        for data in _encoded(pieces, sample_rate, format):
            pipe.write(data)
            pipe.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), pipe.fileno())  # keeps Python's own flush at exit quiet


def wav_header(sample_rate: int) -> bytes:
    """44 bytes for mono 16-bit sound of unknown length (spec runtime-behaviour section 8)."""
    rate = sample_rate * _BYTES_PER_SAMPLE
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, rate, _BYTES_PER_SAMPLE, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", _UNKNOWN_LENGTH, b"WAVE") + form + struct.pack("<4sI", b"data", _UNKNOWN_LENGTH)
    )


def _encoded(pieces: Iterable[Audio], sample_rate: int, format: str) -> Iterator[bytes]:
    if format in ("wav", "pcm"):
        header = wav_header(sample_rate) if format == "wav" else b""
        for piece in pieces:  # what cannot be spoken fails before a byte is written
            yield header + pcm16(piece.samples)
            header = b""
        return
    samples = [piece.samples for piece in pieces]
    yield Audio(np.concatenate(samples) if samples else np.zeros(0, np.float32), sample_rate).to_bytes(format)
