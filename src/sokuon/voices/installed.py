"""What was fetched and converted: listed, removed, kept within a size."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sokuon.errors import VoiceNotFoundError
from sokuon.formats.about import read_about
from sokuon.storage.cache import cache_folder
from sokuon.voices.fetch import store
from sokuon.voices.fetch.store import Record
from sokuon.voices.licence import first_line

KINDS = ("sources", "voices", "berts")
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Installed:
    """A fetched voice or BERT; `place` is None where files of it are missing."""

    home: Path
    record: Record
    place: Path | None

    @property
    def name(self) -> str:
        """The name of its folder or file."""
        return (self.place or Path(self.record.folder)).stem if self.record.main else Path(self.record.folder).name

    @property
    def licence(self) -> str:
        """Its licence in a line, "" where none is stated."""
        return first_line(self.record.licence or "")


@dataclass(frozen=True)
class Kept:
    """A folder of the cache: `used` is when it was last written or listed as needed, `size` in bytes."""

    folder: Path
    kind: str
    size: int
    used: float


def installed() -> list[Installed]:
    """Everything that was fetched, by address."""
    found = [Installed(home, record, store.place_of(home, record)) for home, record in store.records()]
    return sorted(found, key=lambda item: (item.record.kind, item.record.address, item.record.model or ""))


def remove(name: str) -> list[Installed]:
    """Delete what was fetched under this address or name, with its conversions. Raises VoiceNotFoundError."""
    wanted = [i for i in installed() if name in (i.record.address, i.name, i.record.model, i.home.name)]
    if not wanted:
        names = ", ".join(item.record.address for item in installed()) or "nothing"
        raise VoiceNotFoundError(f"{name} was not fetched; fetched are: {names}.")
    for item in wanted:
        for folder in _conversions(item.record):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(item.home, ignore_errors=True)
    return wanted


def _conversions(record: Record) -> Iterator[Path]:
    """Converted folders that say they were made of this source."""
    for folder in _folders("voices"):
        with contextlib.suppress(ValueError, OSError):  # a damaged one says nothing
            origin = read_about(folder).origin or {}
            if origin.get("address") == record.address and origin.get("model") == record.model:
                yield folder


def contents() -> list[Kept]:
    """Every folder of the cache with its size."""
    return [Kept(folder, kind, size_of(folder), _used(folder)) for kind in KINDS for folder in _folders(kind)]


def prune(days: float | None, most_bytes: int | None) -> list[Kept]:
    """Delete what was not used for `days`, then the longest unused until `most_bytes` are left; returns what went.

    Whatever goes is fetched or converted again when it is needed.
    """
    kept = sorted(contents(), key=lambda item: item.used)
    gone = [item for item in kept if days is not None and time.time() - item.used > days * _DAY_S]
    left = [item for item in kept if item not in gone]
    while most_bytes is not None and left and sum(item.size for item in left) > most_bytes:
        gone.append(left.pop(0))
    for item in gone:
        shutil.rmtree(item.folder, ignore_errors=True)
    return gone


def size_of(folder: Path) -> int:
    """Bytes of all files below; a link counts what it leads to only if that lies in the cache."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _folders(kind: str) -> list[Path]:
    root = cache_folder() / kind
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _used(folder: Path) -> float:
    """When a file of it was last read, as far as the file system notes that, or written."""
    times = [max(path.stat().st_atime, path.stat().st_mtime) for path in folder.rglob("*") if path.is_file()]
    return max(times, default=folder.stat().st_mtime)
