"""A text that is still being written, as sentences that may be asked for before they are there."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from sokuon.server.errors import RequestError
from sokuon.speaking import WAITING, Waiting
from sokuon.text import FrontEnd, Sentence
from sokuon.text.sentences import complete, speaks


class Feed:
    """Text goes in at one end, complete sentences come out at the other. Thread-safe."""

    def __init__(self, front_end: FrontEnd, most_characters: int) -> None:
        self._front_end, self._most = front_end, most_characters
        self._lock = threading.Lock()
        self._held, self._ended = "", False
        self.characters = 0

    def add(self, text: str) -> None:
        """More text. Raises RequestError where it becomes too long."""
        with self._lock:
            self.characters += len(text)
            if self.characters > self._most:
                raise RequestError(413, f"The text has more than {self._most} characters.", "text", "text_too_long")
            self._held += text

    def end(self) -> None:
        """That was all of it."""
        with self._lock:
            self._ended = True

    def sentences(self) -> Iterator[Sentence | Waiting]:
        """Sentences as they are complete; WAITING while there is none."""
        while True:
            text, ended = self._take()
            if text:
                yield from self._front_end.sentences(text)
            elif ended:
                return
            else:
                yield WAITING

    def _take(self) -> tuple[str, bool]:
        with self._lock:
            end = complete(self._held)
            if not end and self._ended:
                end = len(self._held) if speaks(self._held) else 0
            text, self._held = self._held[:end], self._held[end:]
            return text, self._ended
