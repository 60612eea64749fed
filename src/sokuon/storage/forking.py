"""A lock that a forked child finds free."""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType


class ForkSafeLock:
    """Reentrant. A child has only the thread that forked it: what another one held, it would wait for forever.

    `lost` is a method, called in the child where another thread held the lock: what it guards may be half done.
    """

    def __init__(self, lost: Callable[[], None] | None = None) -> None:
        self._lock = threading.RLock()
        self._lost = weakref.WeakMethod(lost) if lost else None
        _known_locks().add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Free what no thread of this process can hold."""
        if self._lock.acquire(blocking=False):  # free, or held by the thread that forked
            self._lock.release()
            return
        self._lock = threading.RLock()
        lost = self._lost() if self._lost else None
        if lost:
            lost()


@functools.cache
def _known_locks() -> weakref.WeakSet[ForkSafeLock]:
    """All locks there are; the first one registers what a child does."""
    known: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: _renew(known))
    return known


def _renew(locks: weakref.WeakSet[ForkSafeLock]) -> None:
    for lock in locks:
        lock.renew()
