"""The main path: table → lines → what is left to do → sounds, longest first → store, while they come → manifest."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TypeAlias

import sokuon
from sokuon.batch.lines import Defaults, Line, Problem, lines_of, unused_columns
from sokuon.batch.speaking import Setup, Spoken
from sokuon.batch.store import Layout, Store, digest
from sokuon.batch.tables import Row
from sokuon.batch.workers import Workers
from sokuon.errors import SokuonError
from sokuon.networks.threads import available_processors
from sokuon.voices.builtin import BUILTIN
from sokuon.voices.fetch.watch import SILENT, Watch
from sokuon.voices.sources import resolve

_MOST_WAITING = 256  # sounds for the disk, before workers wait for it
_GATHER_S = 0.1  # sounds that come within this time are put on the disk together
_LEAVE_S = 0.1  # for the group that is being written when Ctrl-C comes
_FILES_OF_A_VOICE = (".json", ".weights", ".npy", ".safetensors", ".onnx", ".aivm", ".aivmx", ".sbv2", ".txt")

Speak: TypeAlias = Callable[[Sequence[Line]], Iterator[Spoken]]


@dataclass(frozen=True)
class Plan:
    """The rows of a table as lines or problems, and columns nobody asked for."""

    rows: tuple[Line | Problem, ...]
    unused: tuple[str, ...]

    @classmethod
    def of(cls, rows: Iterable[Row], defaults: Defaults) -> Plan:
        """Read them all. Raises what reading raises."""
        unused: set[str] = set()

        def watched() -> Iterator[Row]:
            for row in rows:
                unused.update(unused_columns(row.values))
                yield row

        return cls(tuple(lines_of(watched(), defaults)), tuple(sorted(unused)))


@dataclass(frozen=True)
class Progress:
    """How far a run is: `lines` and `phones` of those it has to speak; `seconds` of sound made in `elapsed_s`."""

    lines: int
    all_lines: int
    phones: float = 0.0
    all_phones: float = 0.0
    seconds: float = 0.0
    elapsed_s: float = 0.0

    @property
    def speed(self) -> float:
        """Seconds of sound per second."""
        return self.seconds / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds to go, as far as one can tell."""
        return self.elapsed_s * (self.all_phones - self.phones) / self.phones if self.phones else None


def run(
    plan: Plan, setup: Setup, layout: Layout, speak: Speak, told: Callable[[Progress], None], watch: Watch = SILENT
) -> list[Problem]:
    """Speak what is not done yet into `layout`; returns the rows that have no sound.

    `speak` gives the sounds of lines in any order; `told` is called from another thread. Raises AudioError where
    another run writes there, OSError for a disk that is full, and what `speak` raises; what was done is kept then.
    """
    with closing(Store(layout, plan.rows, line_key(setup, watch))) as store:
        todo = in_order(store.todo, layout)
        if todo:
            with Committer(store, told, todo) as committer:
                for done in speak(todo):
                    committer.put(done)
        return store.finish()


def local(setup: Setup, workers: int | None = None) -> Speak:
    """Worker processes of this machine, by default one for each processor that this process may use.

    n processes of one thread make more of n processors than one of n threads (SPEED.md).
    """
    count = workers or max(1, available_processors() // setup.threads)

    def speak(lines: Sequence[Line]) -> Iterator[Spoken]:
        with Workers(setup, min(count, len(lines))) as pool:
            yield from pool.spoken(lines)

    return speak


def in_order(lines: Iterable[Line], layout: Layout) -> list[Line]:
    """The longest first, so that at the end nobody waits for a long one; shards one after the other."""
    return sorted(lines, key=lambda line: (layout.shard(line.number) or 0, -line.phones, line.number))


def line_key(setup: Setup, watch: Watch = SILENT) -> Callable[[Line], str]:
    """What a line's sound depends on, in short; a line whose key has changed is spoken again."""
    voices: dict[str | None, str] = {}
    words = b""
    if setup.dictionary is not None:
        with suppress(OSError):
            words = setup.dictionary.read_bytes()
    common = (
        sokuon.__version__, setup.format, setup.precision, setup.backend == "onnx", setup.weights, str(setup.bert),
        hashlib.sha256(words).hexdigest(),
    )  # fmt: skip

    def key(line: Line) -> str:
        if line.voice not in voices:
            voices[line.voice] = _identity(line.voice, setup, watch)
        return digest([common, voices[line.voice], line.id, line.text, line.options])

    return key


def _identity(voice: str | None, setup: Setup, watch: Watch) -> str:
    """A voice's place with the state of its files, fetched now if it must be; a missing one is found out later."""
    try:
        place = resolve(voice or setup.voice or BUILTIN / "voice", watch=watch)
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        states = [(file.name, file.stat()) for file in files if file.suffix in _FILES_OF_A_VOICE and file.is_file()]
    except (SokuonError, OSError):
        return f"{voice} missing"
    return repr((str(place), [(name, state.st_size, state.st_mtime_ns) for name, state in states]))


class Committer:
    """Puts sounds into the store on a thread of its own, several at a time; use as a context manager.

    What goes wrong there is raised by `put`, or when the block ends.
    """

    def __init__(self, store: Store, told: Callable[[Progress], None], lines: Sequence[Line]) -> None:
        self._store, self._told = store, told
        self._queue: queue.Queue[Spoken | None] = queue.Queue(_MOST_WAITING)
        self._problem: BaseException | None = None
        self._stopped = threading.Event()
        self._begin = time.monotonic()
        self._progress = Progress(0, len(lines), all_phones=sum(line.phones for line in lines))
        self._thread = threading.Thread(target=self._run, name="sokuon-commit", daemon=True)

    def __enter__(self) -> Committer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is not None:
            self._stopped.set()
            with suppress(queue.Full):
                self._queue.put_nowait(None)
            self._thread.join(_LEAVE_S)
            return
        self.put(None)
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    def put(self, done: Spoken | None) -> None:
        """Hand a sound over; waits where the disk is slower than the voices."""
        while True:
            if self._problem is not None:
                raise self._problem
            try:
                return self._queue.put(done, timeout=_GATHER_S)
            except queue.Full:
                continue

    def _run(self) -> None:
        try:
            more = True
            while more and not self._stopped.is_set():
                group, more = self._gathered()
                if group:
                    self._store.commit(group)
                    self._note(group)
        except BaseException as problem:  # raised again where sounds come from
            self._problem = problem

    def _gathered(self) -> tuple[list[Spoken], bool]:
        """The sounds of a moment, and whether more may come."""
        group: list[Spoken] = []
        first = self._queue.get()
        if first is None:
            return group, False
        group.append(first)
        deadline = time.monotonic() + _GATHER_S
        while (left := deadline - time.monotonic()) > 0:
            try:
                item = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if item is None:
                return group, False
            group.append(item)
        return group, True

    def _note(self, group: Sequence[Spoken]) -> None:
        before = self._progress
        self._progress = replace(
            before,
            lines=before.lines + len(group),
            phones=before.phones + sum(done.line.phones for done in group),
            seconds=before.seconds + sum(done.about.get("seconds", 0.0) for done in group),
            elapsed_s=time.monotonic() - self._begin,
        )
        self._told(self._progress)
