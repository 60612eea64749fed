"""What of a book is finished: beside the sound files a small record of each, so that a run goes on where it stopped.

A chapter counts if its record has the key of what is to be spoken now (text and settings), and its file is what the
record says. The record is written after the file, each as a whole: whenever the process dies, what counts is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sokuon.audio.sound import PhonemeTiming, SentenceTiming
from sokuon.audio.writer import Timeline
from sokuon.errors import AudioError, DictionaryError
from sokuon.storage.files import write_atomically
from sokuon.storage.locks import locked
from sokuon.storage.records import build, read_record
from sokuon.text.markup import without_markup

_MOST_BYTES = 64_000_000
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Finished:
    """A chapter whose sound is there."""

    key: str
    file: str
    size: int
    sha256: str
    seconds: float
    sentences: tuple[SentenceTiming, ...]
    commas: tuple[PhonemeTiming, ...]
    """Where subtitles may be cut."""


class Records:
    """Records in a folder of their own; one process at a time has it (`held`)."""

    def __init__(self, folder: Path, sounds: Path) -> None:
        """`sounds` is where the sound files are."""
        self._folder, self._sounds = folder, sounds

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, and hold it. Raises AudioError if another process does."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with locked(self._folder / "records", 0.0):
                for left in (*self._sounds.glob(".sokuon-*.tmp"), *self._folder.glob(".sokuon-*.tmp")):
                    left.unlink(missing_ok=True)  # what a killed run was writing
                yield
        except DictionaryError as error:
            raise AudioError(f"another process writes a book into {self._sounds}; wait for its end.") from error

    def finished(self, number: int, key: str) -> Finished | None:
        """The chapter, if it is there and what it should be."""
        found = self.written(number)
        return found if found is not None and found.key == key and self._is_whole(found) else None

    def written(self, number: int) -> Finished | None:
        """What an earlier run wrote as chapter `number`, whatever became of it."""
        try:
            return build(Finished, read_record(self._place(number), _MOST_BYTES))
        except (OSError, ValueError):
            return None

    def finish(self, number: int, key: str, file: Path, timeline: Timeline) -> Finished:
        """Write the record of a chapter whose file is complete."""
        sentences = tuple(
            SentenceTiming(without_markup(sentence.text).strip(), sentence.start, sentence.end)
            for sentence in timeline.sentences
        )
        commas = tuple(phoneme for phoneme in timeline.phonemes if phoneme.phoneme == ",")
        made = Finished(key, file.name, file.stat().st_size, _sha256(file), timeline.seconds, sentences, commas)
        write_atomically(self._place(number), (json.dumps(asdict(made), ensure_ascii=False) + "\n").encode())
        return made

    def remove(self) -> None:
        """Remove the records and their folder."""
        for path in self._folder.glob("*.json"):
            path.unlink()
        with contextlib.suppress(OSError):  # something else lies there
            self._folder.rmdir()

    def _place(self, number: int) -> Path:
        return self._folder / f"{number:04}.json"

    def _is_whole(self, found: Finished) -> bool:
        file = self._sounds / found.file
        try:
            return file.stat().st_size == found.size and _sha256(file) == found.sha256
        except OSError:
            return False


def key_of(*parts: Any) -> str:
    """A digest of values that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            found.update(data)
    return found.hexdigest()
