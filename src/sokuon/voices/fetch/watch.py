"""What someone who waits for a fetch is told, and how a fetch tries again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sokuon.errors import DownloadError

T = TypeVar("T")

ATTEMPTS = 5
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
_YES = ("1", "true", "yes", "on")


def _silent(*_: object) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Watch:
    """`progress` hears (file, bytes so far, bytes in all or 0), `note` hears sentences."""

    progress: Callable[[str, int, int], None] = _silent
    note: Callable[[str], None] = _silent


SILENT = Watch()


class BusyError(Exception):
    """A failure that may pass; `wait_s` if the server said for how long."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


def offline() -> bool:
    """True if `$SOKUON_OFFLINE` or `$HF_HUB_OFFLINE` forbids the network."""
    return any(os.environ.get(name, "").lower() in _YES for name in ("SOKUON_OFFLINE", "HF_HUB_OFFLINE"))


def again(work: Callable[[], T], what: str, watch: Watch) -> T:
    """What `work` gives, tried again while it raises BusyError, after ever longer waits. Raises DownloadError."""
    for attempt in range(ATTEMPTS):
        try:
            return work()
        except BusyError as busy:
            if attempt == ATTEMPTS - 1:
                raise DownloadError(
                    f"{what} could not be fetched in {ATTEMPTS} attempts ({busy}); try again later, "
                    "what has arrived is kept."
                ) from busy
            wait = _FIRST_WAIT_S * 2**attempt if busy.wait_s is None else busy.wait_s
            watch.note(f"{what}: {busy}; trying again.")
            time.sleep(min(wait, _LONGEST_WAIT_S))
    raise AssertionError("unreachable")
