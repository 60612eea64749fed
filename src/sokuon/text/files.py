"""A small file that several processes may change: locked while it is read and written, replaced in one step."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sokuon.errors import DictionaryError

_TIMEOUT_S = 10.0
_STALE_S = 30.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `path`.lock; a lock older than 30 s belongs to a process that died. `DictionaryError` after 10 s."""
    lock = path.with_name(path.name + ".lock")
    _make_folder(path)
    deadline = time.monotonic() + _TIMEOUT_S
    while not _create(lock):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - lock.stat().st_mtime > _STALE_S:
                lock.unlink()
        if time.monotonic() > deadline:
            raise DictionaryError(f"{path} is locked by another process: delete {lock} if there is none.")
        time.sleep(0.02)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _create(lock: Path) -> bool:
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except (FileExistsError, PermissionError):  # PermissionError: Windows, while another process deletes it
        return False
    return True


def write_atomically(path: Path, text: str) -> None:
    """Write beside the file and rename: a reader sees the old or the new content, never half of it."""
    _make_folder(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DictionaryError(f"The folder {path.parent} cannot be made ({error}): choose another file.") from error
