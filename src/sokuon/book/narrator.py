"""Speaks passages: each in its manner, by its voice, all at one sample rate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sokuon.audio.resample import Resampler
from sokuon.audio.sound import Audio
from sokuon.book.cast import Manner
from sokuon.book.script import Passage
from sokuon.engine import Engine
from sokuon.options import SynthesisOptions

_SAMPLE_BYTES = 65_536


@dataclass(frozen=True)
class Part:
    """What a manner is spoken with, and a digest of the files of its voice and BERT."""

    options: SynthesisOptions
    files: str


class Narrator:
    """An engine that holds the voices of all manners."""

    def __init__(self, engine: Engine, parts: Mapping[Manner, Part]) -> None:
        """Raises OptionError for a speaker or style that a voice does not have."""
        self._engine, self._parts = engine, dict(parts)
        self.sample_rate = next(iter(engine.voices.values())).sample_rate
        for part in parts.values():
            engine.stream("", part.options)  # looks for voice, speaker and style at once

    def speak(self, passages: Iterable[Passage]) -> Iterator[Audio]:
        """Passages one after the other, in pieces as they are ready."""
        for passage in passages:
            options = self._parts[passage.manner].options
            pieces = self._engine.stream(passage.text, options)
            rate = self._rate(options)
            yield from pieces if rate == self.sample_rate else _resampled(pieces, rate, self.sample_rate)

    def settings(self, passages: Iterable[Passage]) -> list[Any]:
        """What the sound of passages depends on, as JSON has it."""
        parts = [(passage.text, self._parts[passage.manner]) for passage in passages]
        return [[text, asdict(replace(part.options, voice=None)), part.files] for text, part in parts]

    def _rate(self, options: SynthesisOptions) -> int:
        voices = self._engine.voices
        return (voices[options.voice] if options.voice is not None else next(iter(voices.values()))).sample_rate


def _resampled(pieces: Iterable[Audio], rate: int, wanted: int) -> Iterator[Audio]:
    resampler = Resampler(rate, wanted)
    for piece in pieces:
        yield replace(piece, samples=resampler.push(piece.samples), sample_rate=wanted)
    yield Audio(resampler.finish(), wanted)


def digest_of_files(place: Path) -> str:
    """What a voice or BERT is: names and sizes of its files, and the beginning and end of each."""
    found = hashlib.sha256()
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    for path in files:
        size = path.stat().st_size
        found.update(f"{path.relative_to(place) if path != place else path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            found.update(file.read(_SAMPLE_BYTES))
            file.seek(max(0, size - _SAMPLE_BYTES))
            found.update(file.read(_SAMPLE_BYTES))
    return found.hexdigest()
