"""Many requests on few processors: always the step whose listener would run dry first.

A request is a generator of small steps (`sokuon.speaking`). A worker takes the most urgent one that nobody is working
on, runs one step of it, and looks again. Under load every request has one thread of its own, which wastes least; alone
it has all of them, which is soonest. Knows no HTTP and no event loop.

Urgency is a moment, the earliest first:
- who is listening needs more shortly before the sound already delivered ends;
- who has just come expects the first sound a moment later, so comes before chunks that nobody needs for seconds, but
  not before one that is about to be missed: where there are more listeners than the machine can serve, those who came
  last wait, and the others hear no gap;
- who waits for a whole file gets what is left, first come first served;
- nobody is starved: who has waited ten seconds for a step is next.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sokuon.audio.sound import Audio
from sokuon.errors import SokuonError
from sokuon.native.library import StopFlag
from sokuon.networks.bert import Bert
from sokuon.speaking import BertStep, Lengths, Step, Steps, Waiting
from sokuon.storage.tensors import F32

FIRST_SOUND_S = 0.3  # when a newcomer's first chunk is due
MARGIN_S = 0.4  # two turns, before a listener runs dry
FILE_S = 0.7  # a whole file is never due sooner
STARVED_S = 10.0
AHEAD_S = 20.0  # of sound that a listener has not taken: more is made when some is
_BATCH_ROWS = 128  # of a BERT run that several requests share; what it costs grows with the rows beyond that
_CACHE_BYTES = 32 * 2**20
_log = logging.getLogger("sokuon.server")

Result = Audio | Lengths | BaseException | None  # None: the end


class BusyError(SokuonError):
    """Too many requests; come again in a second."""


class TooSlowError(SokuonError):
    """A request used up its time."""


class StoppedError(SokuonError):
    """The server stops."""


class Turn:
    """A step that runs, for one job or for several that share it; ends early when none of them wants it any more."""

    def __init__(self, jobs: list[Job]) -> None:
        self._jobs, self.flag = jobs, StopFlag()

    def stop_if_unwanted(self) -> None:
        """Called when one of the jobs was cancelled."""
        if all(job.cancelled for job in self._jobs):
            self.flag.set()


@dataclass(eq=False)
class Job:
    """A request on its way. Only the scheduler changes it, under its lock."""

    steps: Steps
    deliver: Callable[[Result], None]
    live: bool
    arrived: float
    number: int = 0
    """The later it came, the higher."""
    pending: Step | None = None
    turn: Turn | None = None
    """The step that runs, perhaps for others too."""
    waiting: bool = False
    woken: bool = False
    cancelled: bool = False
    plays_until: float | None = None
    made_s: float = 0.0
    taken_s: float = 0.0
    spent_s: float = 0.0
    served: float = 0.0
    """When it last had a turn."""

    def due(self, now: float) -> float:
        """The moment by which its next step should be done."""
        if now - max(self.served, self.arrived) > STARVED_S:
            return now - STARVED_S
        if not self.live:
            return now + FILE_S
        if self.plays_until is None:
            starved = now - self.arrived > STARVED_S  # at one step in ten seconds the first sound would take a minute
            return now - STARVED_S if starved else max(now, self.arrived + FIRST_SOUND_S)
        return self.plays_until - MARGIN_S

    def is_unread(self) -> bool:
        """Whether it has just come, and its first sentence waits to be analysed."""
        return self.plays_until is None and (self.pending is None or self.pending.stage == "front_end")

    def ready(self) -> bool:
        """Whether a worker may take it."""
        ahead = self.live and self.made_s - self.taken_s > AHEAD_S
        return not (self.turn or self.waiting or ahead)


class Ticket:
    """What the one who asked holds."""

    def __init__(self, scheduler: Scheduler, job: Job) -> None:
        self._scheduler, self._job = scheduler, job

    def cancel(self) -> None:
        """Forget the request; a step that runs is the last, and ends early where it can."""
        self._scheduler.drop(self._job)

    def taken(self, seconds: float) -> None:
        """So much sound has been passed on: the scheduler need not hold back for its sake."""
        self._scheduler.note_taken(self._job, seconds)

    def wake(self) -> None:
        """There is more text to speak."""
        self._scheduler.wake(self._job)


class FeatureCache:
    """BERT features by text, the latest used: a query that is edited and sent back is not read again. Thread-safe."""

    def __init__(self, most_bytes: int = _CACHE_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._lock = threading.Lock()
        self._rows: OrderedDict[tuple[int, str], tuple[Bert, F32]] = OrderedDict()  # the BERT lives as long as its id

    def get(self, bert: Bert, text: str) -> F32 | None:
        """The features, if they are known."""
        with self._lock:
            found = self._rows.get((id(bert), text))
            if found is None:
                return None
            self._rows.move_to_end((id(bert), text))
            return found[1]

    def put(self, bert: Bert, text: str, features: F32) -> None:
        """Remember features, forgetting the least recently used beyond the bound."""
        with self._lock:
            if (id(bert), text) in self._rows:
                return
            self._rows[id(bert), text] = bert, features
            self._bytes += features.nbytes
            while self._bytes > self._most:
                self._bytes -= self._rows.popitem(last=False)[1][1].nbytes


class Scheduler:
    """Workers for `processors`; at most `queue` requests at once, each for at most `request_s` of work. Thread-safe."""

    def __init__(self, processors: int, queue: int = 32, request_s: float = 120.0) -> None:
        self._processors, self._queue, self._request_s = processors, queue, request_s
        self._jobs: set[Job] = set()
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._accepts, self._ends = True, False
        self._cache = FeatureCache()
        self.cancelled_jobs = 0
        self._workers = [
            threading.Thread(target=self._work, name=f"sokuon-worker-{i}", daemon=True) for i in range(processors)
        ]
        for worker in self._workers:
            worker.start()

    @property
    def load(self) -> int:
        """Requests under way."""
        return len(self._jobs)

    def submit(self, steps: Steps, deliver: Callable[[Result], None], *, live: bool) -> Ticket:
        """Have `steps` run; each result goes to `deliver` (from a worker's thread), None or an error at the end.

        `live`: someone listens while it is made. Raises BusyError, StoppedError.
        """
        job = Job(steps, deliver, live, time.monotonic(), next(self._numbers))
        with self._changed:
            if not self._accepts:
                raise StoppedError("The server is stopping.")
            if len(self._jobs) >= self._queue:
                raise BusyError(f"{len(self._jobs)} requests are under way; come again in a second.")
            self._jobs.add(job)
            self._changed.notify()
        return Ticket(self, job)

    def drop(self, job: Job) -> None:
        """See Ticket.cancel."""
        with self._changed:
            if job not in self._jobs or job.cancelled:
                return
            job.cancelled = True
            self.cancelled_jobs += 1
            runs = job.turn is not None
            if job.turn is not None:
                job.turn.stop_if_unwanted()
            else:
                self._remove(job)
        if not runs:
            job.steps.close()

    def note_taken(self, job: Job, seconds: float) -> None:
        """See Ticket.taken."""
        with self._changed:
            job.taken_s += seconds
            self._changed.notify()

    def wake(self, job: Job) -> None:
        """See Ticket.wake."""
        with self._changed:
            job.woken = True  # also while it looks for more text and has not found it yet
            if job.waiting:
                job.waiting, job.arrived = False, time.monotonic()
                self._changed.notify()

    def stop(self, within_s: float) -> None:
        """Take no more requests, let those under way finish for so long, then end."""
        with self._changed:
            self._accepts = False
            self._changed.wait_for(lambda: not self._jobs, within_s)
            self._ends = True
            left = list(self._jobs)
            self._changed.notify_all()
        for job in left:
            self.drop(job)
            job.deliver(StoppedError("The server is stopping."))
        for worker in self._workers:
            worker.join(5.0)

    def _work(self) -> None:
        while True:
            with self._changed:
                jobs = self._next()
                while not jobs and not self._ends:
                    self._changed.wait()
                    jobs = self._next()
                if self._ends:
                    return
                threads = self._processors if len(self._jobs) == len(jobs) == 1 else 1
            with jobs[0].turn.flag.stoppable():  # type: ignore[union-attr]
                self._run(jobs, threads)

    def _next(self) -> list[Job]:
        """The most urgent job, taken; with others whose sentences its BERT run may as well read."""
        now = time.monotonic()
        ready = sorted((job for job in self._jobs if job.ready()), key=lambda job: (job.due(now), job.number))
        taken = ready[:1]
        if taken and isinstance(taken[0].pending, BertStep):
            unread = [job for job in ready if job.is_unread()]  # a few ms each, and their sentences share the run
            taken = unread[:1] or self._sharing(taken[0].pending, ready)
        turn = Turn(taken)
        for job in taken:
            job.turn, job.served = turn, now
        return taken

    def _sharing(self, step: BertStep, ready: list[Job]) -> list[Job]:
        rows, taken = 0, list[Job]()
        for job in ready:
            other = job.pending
            if isinstance(other, BertStep) and other.bert is step.bert:
                rows += len(other.text) + 2
                if taken and rows > _BATCH_ROWS:
                    rows -= len(other.text) + 2
                    continue
                taken.append(job)
        return taken

    def _run(self, jobs: list[Job], threads: int) -> None:
        began = time.monotonic()
        try:
            answers = self._answers([job.pending for job in jobs], threads)
        except BaseException as error:
            answers = [error] * len(jobs)
        spent = (time.monotonic() - began) / len(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            job.spent_s += spent
            self._advance(job, answer)

    def _answers(self, steps: list[Step | None], threads: int) -> list[Any]:
        """What the steps give; None where a job has just begun."""
        first = steps[0]
        if not isinstance(first, BertStep):
            return [first and first.run(threads)]
        read = [step for step in steps if isinstance(step, BertStep)]
        known = {step.text: self._cache.get(first.bert, step.text) for step in read}
        missing = [text for text, features in known.items() if features is None]
        if len(missing) == 1:
            known[missing[0]] = first.bert.features(missing[0], threads)
        elif missing:
            known.update(zip(missing, first.bert.features_batch(missing, threads), strict=True))
        for text in missing:
            self._cache.put(first.bert, text, known[text])  # type: ignore[arg-type]
        return [known[step.text] for step in read]

    def _advance(self, job: Job, answer: Any) -> None:
        """Give a step's answer to its job, deliver what comes, up to the next step."""
        if job.cancelled:
            self._finish(job)
            return
        try:
            if isinstance(answer, BaseException):
                raise answer
            if job.spent_s > self._request_s:
                raise TooSlowError(f"The request needs more than {self._request_s:g} s of work; shorten the text.")
            while True:
                event = job.steps.send(answer)
                answer = None
                if isinstance(event, Step | Waiting):
                    break
                self._deliver(job, event)
        except StopIteration:
            self._finish(job)
            job.deliver(None)
        except BaseException as error:
            self._finish(job)
            job.deliver(error)
        else:
            self._release(job, event)

    def _deliver(self, job: Job, result: Audio | Lengths) -> None:
        if isinstance(result, Audio):
            with self._changed:
                job.made_s += result.duration
                job.plays_until = max(job.plays_until or 0.0, time.monotonic()) + result.duration
        job.deliver(result)

    def _release(self, job: Job, event: Step | Waiting) -> None:
        with self._changed:
            job.turn = None
            job.waiting = isinstance(event, Waiting) and not job.woken
            job.woken = False
            job.pending = None if isinstance(event, Waiting) else event
            dropped = job.cancelled
            if dropped:
                self._remove(job)
            self._changed.notify()
        if dropped:
            job.steps.close()

    def _finish(self, job: Job) -> None:
        with self._changed:
            job.turn = None
            self._remove(job)
        job.steps.close()

    def _remove(self, job: Job) -> None:
        self._jobs.discard(job)
        self._changed.notify_all()
