"""Where sounds go: a file each, or shards of many; and the manifest. Whatever ends the program, what is there is whole.

OUTPUT/
    ID.wav …                     or shard-000000.tar …, shard-000000.parquet …
    manifest.jsonl               at the end: a row for each row of the table, in its order
    .sokuon-batch/journal        what has been done (journal.py)
    .sokuon-batch/lock           held by the run that writes here
    .sokuon-batch/parts/         sounds on their way, and those of shards that are not complete
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from sokuon.batch import shards
from sokuon.batch.journal import Journal
from sokuon.batch.lines import Line, Problem
from sokuon.batch.speaking import Spoken
from sokuon.errors import AudioError, OptionError
from sokuon.storage.files import whole_file
from sokuon.storage.locks import try_lock

Packing = Literal["files", "tar", "parquet"]

MANIFEST = "manifest.jsonl"
_HIDDEN = ".sokuon-batch"
_SYNCS_AT_ONCE = 8  # file systems gather them


@dataclass(frozen=True)
class Layout:
    """How sounds are kept: `suffix` of their format; shards hold the lines of `shard_lines` rows of the table."""

    root: Path
    suffix: str
    packing: Packing = "files"
    shard_lines: int = 1000
    timings: bool = True

    def __post_init__(self) -> None:
        if self.packing not in get_args(Packing):
            raise OptionError(f"packing is {self.packing!r}; it must be one of {', '.join(get_args(Packing))}.")
        if self.shard_lines < 1:
            raise OptionError(f"a shard of {self.shard_lines} lines cannot be; give at least 1.")

    @property
    def hidden(self) -> Path:
        """Folder of what is not the user's."""
        return self.root / _HIDDEN

    @property
    def parts(self) -> Path:
        """Folder of sounds on their way."""
        return self.hidden / "parts"

    def shard(self, number: int) -> int | None:
        """Which shard the row belongs to, whatever becomes of other rows; None without shards."""
        return None if self.packing == "files" else (number - 1) // self.shard_lines

    def shard_path(self, shard: int) -> Path:
        """The file of a shard."""
        return self.root / f"shard-{shard:06d}.{self.packing}"

    def part(self, line: Line) -> Path:
        """Where a sound waits for its shard."""
        return self.parts / f"{line.number}.{self.suffix}"

    def place(self, line: Line) -> Path:
        """Where a sound stays until the end, or until its shard is complete."""
        return self.root / f"{line.id}.{self.suffix}" if self.packing == "files" else self.part(line)


class Store:
    """An output folder, for one run at a time. Raises AudioError where it cannot be written or another run has it."""

    def __init__(self, layout: Layout, rows: Sequence[Line | Problem], key: Callable[[Line], str]) -> None:
        self._layout = layout
        self._rows = rows
        self._keys = {row.id: key(row) for row in rows if isinstance(row, Line)}
        self._lock = _locked(layout)
        self._journal = Journal(layout.hidden / "journal")
        self._syncing = ThreadPoolExecutor(_SYNCS_AT_ONCE)
        self._members: dict[int, list[Line]] = defaultdict(list)
        if layout.packing != "files":
            shards.check(layout.packing)
            for row in rows:
                if isinstance(row, Line):
                    self._members[(row.number - 1) // layout.shard_lines].append(row)
        self._complete = {shard for shard in self._members if self._has_shard(shard)}
        self.todo = [row for row in rows if isinstance(row, Line) and not self._is_done(row)]
        self._missing: dict[int | None, int] = defaultdict(int)
        for line in self.todo:
            self._missing[layout.shard(line.number)] += 1

    def close(self) -> None:
        """Let the next run in; sounds on their way that are in no journal go."""
        self._syncing.shutdown()
        self._journal.close()
        if self._layout.packing == "files" or len(self._complete) == len(self._members):
            shutil.rmtree(self._layout.parts, ignore_errors=True)
        os.close(self._lock)

    def commit(self, group: Sequence[Spoken]) -> None:
        """Put sounds where they belong and note them; they are on the disk when this returns. Raises OSError."""
        sounds = [done for done in group if done.error is None]
        list(self._syncing.map(self._write, sounds))
        for done in sounds:
            os.replace(self._temporary(done.line), self._layout.place(done.line))
        self._journal.append(self._item(done) for done in group)
        for done in group:
            shard = self._layout.shard(done.line.number)
            self._missing[shard] -= 1
            if shard is not None and self._missing[shard] == 0:
                self._assemble(shard)

    def finish(self) -> list[Problem]:
        """Write what is left and the manifest; every row without a sound is returned. Raises OSError."""
        for shard in sorted(self._members.keys() - self._complete):
            self._assemble(shard)
        problems = list[Problem]()
        with whole_file(self._layout.root / MANIFEST) as file:
            for row in self._rows:
                item = _problem_item(row) if isinstance(row, Problem) else self._manifest_item(row)
                if item["error"] is not None:
                    problems.append(Problem(row.number, row.id, item["error"]))
                file.write(json.dumps(item, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return problems

    def _temporary(self, line: Line) -> Path:
        return self._layout.parts / f"{line.number}.new"

    def _write(self, done: Spoken) -> None:
        path = self._temporary(done.line)
        try:
            with path.open("wb") as file:
                file.write(done.data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            path.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(self._layout.place(done.line))) from error

    def _is_done(self, line: Line) -> bool:
        shard = self._layout.shard(line.number)
        if shard in self._complete:
            return True
        entry = self._journal.entries.get(line.id)
        if entry is None or entry.key != self._keys[line.id]:
            return False
        return not entry.again if entry.failed else _bytes(self._layout.place(line)) == entry.bytes

    def _has_shard(self, shard: int) -> bool:
        """Whether a shard is there, of these very lines, and none of them is worth another try."""
        entry = self._journal.entries.get(_shard_name(shard))
        lines = [self._journal.entries.get(line.id) for line in self._members[shard]]
        if entry is None or any(line is None or line.again for line in lines):
            return False
        return entry.key == self._shard_key(shard) and entry.bytes == _bytes(self._layout.shard_path(shard))

    def _shard_key(self, shard: int) -> str:
        return digest([self._keys[line.id] for line in self._members[shard]])

    def _assemble(self, shard: int) -> None:
        """Make a shard of its parts, in the order of the table, and let them go."""
        members = [line for line in self._members[shard] if not self._journal.entries[line.id].failed]
        path = self._layout.shard_path(shard)
        sounds = [(line, self._layout.part(line), self._row(line)) for line in members]
        with whole_file(path) as file:
            shards.WRITERS[self._layout.packing](file, sounds)
            file.flush()
            os.fsync(file.fileno())
        self._journal.append(
            [{"name": _shard_name(shard), "key": self._shard_key(shard), "bytes": path.stat().st_size}]
        )
        self._complete.add(shard)
        for _, part, _ in sounds:
            part.unlink(missing_ok=True)

    def _item(self, done: Spoken) -> dict[str, Any]:
        """As the journal has it."""
        row = {**done.about, "computing_s": round(done.computing_s, 4)}
        if not self._layout.timings:
            row = {name: value for name, value in row.items() if name not in ("sentences", "phonemes")}
        key = self._keys[done.line.id]
        return {
            "name": done.line.id, "key": key, "bytes": len(done.data), "error": done.error, "again": done.again,
            "row": row,
        }  # fmt: skip

    def _row(self, line: Line) -> dict[str, Any]:
        """What is known of a sound, the same in every run."""
        return _line_item(line) | {k: v for k, v in self._journal.read(line.id)["row"].items() if k != "computing_s"}

    def _manifest_item(self, line: Line) -> dict[str, Any]:
        item = self._journal.read(line.id)
        shard = self._layout.shard(line.number)
        file = self._layout.place(line) if shard is None else self._layout.shard_path(shard)
        place = {"file": None if item["error"] else file.name}
        return {"row": line.number, **_line_item(line), **place, **item["row"], "error": item["error"]}


def digest(parts: Iterable[object]) -> str:
    """A short name for a content."""
    return hashlib.sha256(repr(list(parts)).encode(errors="surrogatepass")).hexdigest()[:24]


def _line_item(line: Line) -> dict[str, Any]:
    return {"id": line.id, "text": line.text, "voice": line.voice, "seed": line.options.seed}


def _problem_item(problem: Problem) -> dict[str, Any]:
    return {"row": problem.number, "id": problem.id, "file": None, "error": problem.message}


def _shard_name(shard: int) -> str:
    return f"/{shard}"  # no id has a slash


def _bytes(path: Path) -> int | None:
    """Of a file; None where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _locked(layout: Layout) -> int:
    """Make the folder and hold it."""
    if layout.root.exists() and not layout.root.is_dir():
        raise AudioError(f"{layout.root} is not a folder; name a folder for the sounds.")
    layout.parts.mkdir(parents=True, exist_ok=True)
    lock = try_lock(layout.hidden / "lock")
    if lock is None:
        raise AudioError(f"another run writes into {layout.root}; wait for it, or name another folder.")
    for left in layout.parts.glob("*.new"):
        left.unlink()
    return lock
