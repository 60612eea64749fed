"""A lock that processes share, for a small file that several of them may change."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sokuon.errors import DictionaryError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TIMEOUT_S = 10.0
_POLL_S = 0.02


@contextmanager
def locked(path: Path, timeout_s: float | None = _TIMEOUT_S) -> Iterator[None]:
    """Hold `path`.lock, by a lock of the system's, which ends with its process.

    DictionaryError after `timeout_s`; None waits as long as it takes.
    """
    lock = path.with_name(path.name + ".lock")
    deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
    while (held := _try_named(lock)) is None:
        if time.monotonic() > deadline:
            raise DictionaryError(f"{path} has been in use by another process for {timeout_s:g} s: try again later.")
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        _unlock(lock, held)


def take_lock(path: Path) -> int:
    """Make `path` and lock it for as long as the returned descriptor is open. Raises OSError."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    _take(descriptor)
    return descriptor


def try_lock(path: Path) -> int | None:
    """As `take_lock`; None where a process holds it already. Raises OSError."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    if _take(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of `take_lock`. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        return not _take(descriptor)
    finally:
        os.close(descriptor)


def _try_named(lock: Path) -> int | None:
    """The descriptor of the locked file; None while another has it."""
    descriptor = _open(lock)
    if _take(descriptor) and _is_at(descriptor, lock):
        return descriptor
    os.close(descriptor)  # another holds it, or removed it when it was done: the file at `lock` is a new one
    return None


def _open(lock: Path) -> int:
    """Open the lock file, made with its folder where it is missing."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
    except OSError as error:
        raise DictionaryError(f"{lock.parent} cannot be written ({error}): choose another dictionary file.") from error


def _is_at(descriptor: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":

    def _take(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(lock: Path, descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # another has opened it
            lock.unlink()

else:

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(lock: Path, descriptor: int) -> None:
        """The name goes first: who waits for this file finds that it is no longer the one at `lock`."""
        with contextlib.suppress(FileNotFoundError):
            lock.unlink()
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # for a child too, forked meanwhile, that shares the descriptor
        os.close(descriptor)
