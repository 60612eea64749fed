"""Processes that speak lines. They write nothing: a worker or its parent can be killed at any time, and no file knows.

    parent ── asks for ──> nursery (opened the voices, one thread) ── forks ──> worker, worker, …
       └──────────────── lines, sounds: a pipe for each ─────────────────────────┘

Forked from one process that has opened the voices, the workers share the packed weights too, which each would otherwise
have for itself: less memory, and one copy in the processor's cache. Where forks are not safe each starts on its own.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, reduction
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType
from typing import Any

from sokuon.batch.lines import Line
from sokuon.batch.speaking import Engines, Setup, Spoken, spoken
from sokuon.errors import VoiceError

FORKS = sys.platform == "linux"
_AHEAD = 2  # lines that a worker has: one to speak, one so that it never waits
_MOST_DEATHS = 3  # of workers, before their line is to blame
_context = get_context("spawn")


class Worker:
    """The parent's end of a worker, and the lines it has, in order."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.lines = connection, deque[Line]()

    def give(self, line: Line) -> None:
        """Hand a line over; one that has died is noticed where it is listened to."""
        self.lines.append(line)
        with suppress(OSError):
            self.connection.send(line)


class Workers:
    """As many processes as wanted, replaced when they die; use as a context manager.

    Raises what opening the default voice raises.
    """

    def __init__(self, setup: Setup, count: int, forks: bool = FORKS) -> None:
        self._start = (Nursery if forks else Separate)(setup)
        self._workers: list[Worker] = []
        self._count = count

    def __enter__(self) -> Workers:
        try:
            self._start.open()
            self._workers = [Worker(self._start.worker()) for _ in range(self._count)]
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """A worker whose pipe ends is gone at once, whatever it was doing."""
        for worker in self._workers:
            worker.connection.close()
        self._start.close()

    def spoken(self, lines: Iterable[Line]) -> Iterator[Spoken]:
        """Each line, spoken, in the order in which they are done."""
        waiting, deaths = iter(lines), Counter[int]()
        for worker in self._workers * _AHEAD:
            self._feed(worker, waiting)
        while any(worker.lines for worker in self._workers):
            busy = {worker.connection: worker for worker in self._workers if worker.lines}
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                try:
                    done = worker.connection.recv()
                except (EOFError, OSError):
                    yield from self._replace(worker, deaths)
                    continue
                worker.lines.popleft()
                self._feed(worker, waiting)
                yield done

    def _feed(self, worker: Worker, waiting: Iterator[Line]) -> None:
        line = next(waiting, None)
        if line is not None:
            worker.give(line)

    def _replace(self, worker: Worker, deaths: Counter[int]) -> Iterator[Spoken]:
        """A new worker for one that died, with its lines; the one it was speaking is given up after some deaths."""
        worker.connection.close()
        first, *rest = worker.lines
        deaths[first.number] += 1
        new = Worker(self._start.worker())
        self._workers[self._workers.index(worker)] = new
        if deaths[first.number] >= _MOST_DEATHS:
            message = f"the process that spoke it ended {_MOST_DEATHS} times; is there enough memory?"
            yield Spoken(first, error=message, again=True)
        else:
            rest.insert(0, first)
        for line in rest:
            new.give(line)


class Separate:
    """Starts each worker on its own."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def open(self) -> None:
        """Raise what the voice raises, before anything is started."""
        Engines(self._setup).of(None)

    def worker(self) -> Connection:
        """The parent's end of a new worker's pipe."""
        ours, theirs = Pipe()
        with _without_interrupts():
            _context.Process(target=_separate, args=(theirs, self._setup), daemon=True).start()
        theirs.close()
        return ours

    def close(self) -> None:
        """Nothing is left to end."""


class Nursery:
    """Starts workers by forking a process that has opened the voice."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._control: Connection | None = None
        self._process: Any = None

    def open(self) -> None:
        """Start it. Raises what opening the voice raises."""
        self._control, theirs = Pipe()
        self._process = _context.Process(target=_nursery, args=(theirs, self._setup), daemon=True)
        with _without_interrupts():
            self._process.start()
        theirs.close()
        try:
            problem = self._control.recv()
        except EOFError:
            problem = VoiceError("the process that opens the voice was ended; is there enough memory?")
        if problem is not None:
            raise problem

    def worker(self) -> Connection:
        """The parent's end of a new worker's pipe; a nursery that has died is started again."""
        try:
            return self._forked()
        except (EOFError, OSError):
            self.close()
            self.open()
            return self._forked()

    def _forked(self) -> Connection:
        assert self._control is not None
        ours, theirs = Pipe()
        try:
            reduction.send_handle(self._control, theirs.fileno(), self._process.pid)
            self._control.recv()  # its process number: it has been forked
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def close(self) -> None:
        """It ends when its pipe does."""
        if self._control is not None:
            self._control.close()
            self._process.join()
            self._control = None


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process that is started inside ignores Ctrl-C, which a terminal sends to all: the parent decides."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _nursery(control: Connection, setup: Setup) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    try:
        engines = Engines(setup)
        engines.warm_up()
    except Exception as problem:  # raised again in the parent
        control.send(problem)
        return
    control.send(None)
    while True:
        try:
            handle = reduction.recv_handle(control)
        except (EOFError, OSError, RuntimeError):
            os._exit(0)
        if os.fork() == 0:
            control.close()
            _work(Connection(handle), engines, setup.format)
        os.close(handle)
        control.send(os.getpid())


def _separate(connection: Connection, setup: Setup) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work(connection, Engines(setup), setup.format)


def _work(connection: Connection, engines: Engines, format: str) -> None:
    """Speak what comes until nothing can come any more; then end at once, also within a line.

    This thread only reads, so that no pipe is ever full both ways. It is the main one, on which C code would be run by
    yet another thread so that Ctrl-C need not wait (native/interruptible.py).
    """
    lines: queue.SimpleQueue[Line] = queue.SimpleQueue()

    def speak() -> None:
        try:
            while True:
                connection.send(spoken(engines, lines.get(), format))
        finally:
            os._exit(1)

    threading.Thread(target=speak, name="sokuon-speak", daemon=True).start()
    try:
        while True:
            lines.put(connection.recv())
    finally:
        os._exit(0)
