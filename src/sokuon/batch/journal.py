"""What has been done, on disk: one JSON object a line, appended and synchronised; the last one of a name counts.

A line is in the journal only after its sound is where it belongs, so that whatever ends the program at whatever moment
can only make it do a line twice, which gives the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A line of the journal: of what content, how large the file is, and where in the journal the rest stands."""

    key: str
    bytes: int
    failed: bool
    again: bool
    place: int


class Journal:
    """Opened for appending; what an interrupted write left at the end is cut off. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        self._out = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
        self._in = path.open("rb")
        self._end = self._read()
        os.ftruncate(self._out, self._end)

    def close(self) -> None:
        """For good."""
        self._in.close()
        os.close(self._out)

    def append(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Add objects with name, key, bytes, error and again; on the disk when this returns. Raises OSError."""
        added: list[tuple[str, Entry]] = []
        data = bytearray()
        for item in items:
            added.append((item["name"], _entry(item, self._end + len(data))))
            data += json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            self._write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self._end += len(data)
        self.entries.update(added)

    def read(self, name: str) -> dict[str, Any]:
        """The last object of that name. Raises KeyError."""
        self._in.seek(self.entries[name].place)
        item: dict[str, Any] = json.loads(self._in.readline())
        return item

    def _write(self, data: bytearray) -> None:
        written = 0
        while written < len(data):
            written += os.write(self._out, memoryview(data)[written:])
        os.fsync(self._out)

    def _read(self) -> int:
        whole = 0
        for item, begin, end in _items(self._in):
            self.entries[item["name"]] = _entry(item, begin)
            whole = end
        return whole


def _items(file: Any) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Objects with where they begin and end, up to the first that is not whole."""
    file.seek(0)
    begin = 0
    for line in file:
        try:
            item = json.loads(line)
        except ValueError:
            return
        if not line.endswith(b"\n"):
            return
        yield item, begin, begin + len(line)
        begin += len(line)


def _entry(item: Mapping[str, Any], place: int) -> Entry:
    return Entry(item["key"], item["bytes"], item.get("error") is not None, bool(item.get("again")), place)
