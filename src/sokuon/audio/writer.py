"""Writing speech while it is made: to a file that appears when it is whole, or down a pipe as it comes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from sokuon.audio.encoding import StreamEncoder
from sokuon.audio.formats import NO_LABELS, Labels, open_sound
from sokuon.audio.sound import Audio, PhonemeTiming, SentenceTiming
from sokuon.storage.files import whole_file


class Timeline:
    """Where sentences and phonemes lie in pieces that passed by; `samples` have passed."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.samples = 0
        self.sentences: list[SentenceTiming] = []
        self.phonemes: list[PhonemeTiming] = []

    @property
    def seconds(self) -> float:
        """Of all that passed."""
        return self.samples / self.sample_rate

    def watch(self, pieces: Iterable[Audio]) -> Iterator[Audio]:
        """The same pieces, noted."""
        for piece in pieces:
            placed = piece.shifted(self.seconds)
            self.sentences += placed.sentences
            self.phonemes += placed.timings
            self.samples += len(piece.samples)
            yield piece


def write_file(pieces: Iterable[Audio], sample_rate: int, path: Path, format: str, labels: Labels = NO_LABELS) -> None:
    """Write pieces as they come to a file that appears when all are there."""
    with whole_file(path) as file, open_sound(file, sample_rate, format, labels) as sound:
        for piece in pieces:
            sound.write(piece.samples)


def write_pipe(pieces: Iterable[Audio], sample_rate: int, pipe: BinaryIO | FileIO, format: str) -> bool:
    """Write each piece as it comes; False if the reader closed the pipe before the end, which is no error."""
    try:
        for data in encoded(pieces, sample_rate, format):
            pipe.write(data)
            pipe.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), pipe.fileno())  # keeps Python's own flush at exit quiet
        return False
    return True


def encoded(pieces: Iterable[Audio], sample_rate: int, format: str) -> Iterator[bytes]:
    """Pieces as bytes of `format`; what cannot be spoken fails before the first byte."""
    encoder = StreamEncoder(sample_rate, format)
    for piece in pieces:
        if data := encoder.push(piece.samples):
            yield data
    if data := encoder.finish():
        yield data
