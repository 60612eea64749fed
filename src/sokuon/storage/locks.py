"""A lock that processes share, for a small file that several of them may change."""

from __future__ import annotations

import contextlib
import os
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
    """Make the lock file, and its folder; False if it exists."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    except OSError as error:
        if isinstance(error, PermissionError) and os.name == "nt":  # while another process deletes the file
            return False
        raise DictionaryError(f"{lock.parent} cannot be written ({error}): choose another dictionary file.") from error
    return True
