"""Where fetched voices and BERTs lie, and the record of where they came from.

<cache>/sources/<id>/source.json      the record: written last, so what it lists is whole
<cache>/sources/<id>/<revision>/<name>/…   the files

A voice that was fetched once is used as it is, without the network, until it is pulled again.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sokuon.errors import DictionaryError, DownloadError, VoiceError
from sokuon.storage.cache import cache_folder
from sokuon.storage.files import write_atomically
from sokuon.storage.locks import locked

RECORD = "source.json"
_BLOCK_BYTES = 1 << 20
_NAME_CHARACTERS = 40


@dataclass(frozen=True)
class Record:
    """A fetched voice or BERT. `files`: path inside its folder → size and SHA-256; `main` is its one file, if it is."""

    address: str
    kind: str
    model: str | None
    revision: str
    folder: str
    main: str | None = None
    licence: str | None = None
    fetched: str = ""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(int(file["size"]) for file in self.files.values())


def sources_folder() -> Path:
    """Folder of everything that was fetched."""
    return cache_folder() / "sources"


def home_of(address: str, kind: str, model: str | None) -> Path:
    """The folder that belongs to one voice or BERT of a place."""
    return sources_folder() / _short(f"{kind} {address} {model or ''}", 16)


def read_record(home: Path) -> Record | None:
    """What is known of a fetched source; None if there is none or it cannot be read."""
    try:
        return Record(**json.loads((home / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_record(home: Path, record: Record) -> None:
    """Set the record; older revisions of the files go."""
    write_atomically(home / RECORD, (json.dumps(asdict(record), ensure_ascii=False, indent=1) + "\n").encode())
    for folder in home.iterdir():
        if folder.is_dir() and folder.name != Path(record.folder).parts[0]:
            shutil.rmtree(folder, ignore_errors=True)


def records() -> Iterator[tuple[Path, Record]]:
    """Every fetched source with its folder."""
    root = sources_folder()
    for home in sorted(root.iterdir()) if root.is_dir() else ():
        record = read_record(home)
        if record is not None:
            yield home, record


def origin_of(source: Path) -> Record | None:
    """The record of a folder or file that was fetched; None for any other."""
    for folder in (source, *source.parents)[:4]:
        if (folder / RECORD).is_file() and folder.parent.name == "sources":
            return read_record(folder)
    return None


def place_of(home: Path, record: Record) -> Path | None:
    """The folder or file that a record speaks of, if every file of it is there in its size."""
    folder = home / record.folder
    try:
        whole = all((folder / path).stat().st_size == int(file["size"]) for path, file in record.files.items())
    except (OSError, KeyError, ValueError, TypeError):
        return None
    if not whole or not record.files:
        return None
    return folder / record.main if record.main else folder


def folder_name(revision: str, name: str) -> str:
    """Where the files of a revision lie, relative to the source's folder; `name` is what a conversion is named by."""
    key = _short(revision, 12)
    readable = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", name)[:_NAME_CHARACTERS].strip(" .") or "voice"
    return f"{key}/{readable}"


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep other processes from fetching the same source at once; waits for one that does."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = locked(home / "source", timeout_s=None)
        lock.__enter__()
    except (OSError, DictionaryError) as error:
        raise VoiceError(
            f"the cache folder {home} cannot be written ({error}); set SOKUON_CACHE to a writable place."
        ) from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _short(text: str, digits: int) -> str:
    import hashlib  # with it comes OpenSSL, 3 MB, which the built-in voice never needs

    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    import hashlib

    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            sha.update(block)
    return sha.hexdigest()


def check_digest(path: Path, expected: str | None, what: str) -> str:
    """The file's SHA-256; a file that is not what its place promised is deleted. Raises DownloadError."""
    found = digest(path)
    if expected is not None and found != expected.lower():
        path.unlink()
        raise DownloadError(f"{what} arrived with checksum {found[:12]}…, not {expected[:12]}…; fetch it again.")
    return found


def check_space(folder: Path, size: int, what: str) -> None:
    """Raise DownloadError before a download that cannot fit."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DownloadError(
            f"{what} has {size / 1e6:,.0f} MB, but {folder} has only {free / 1e6:,.0f} MB left; "
            "free some, or set SOKUON_CACHE to another disk."
        )


def now() -> str:
    """The time, for a record."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
