"""The order of work, without HTTP: requests here are steps that sleep and note their turn."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import pytest

from sokuon.audio.sound import Audio
from sokuon.native.library import StopRunError
from sokuon.networks.bert import Bert
from sokuon.server.scheduler import (
    AHEAD_S,
    BusyError,
    FeatureCache,
    Job,
    Result,
    Scheduler,
    StoppedError,
    TooSlowError,
    Turn,
)  # fmt: skip
from sokuon.speaking import WAITING, BertStep, Step, Steps
from sokuon.voices.builtin import builtin_bert

RATE = 100


def sound(seconds: float) -> Audio:
    return Audio(np.zeros(round(seconds * RATE), np.float32), RATE)


class Results:
    """What one request was given, in order."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Result] = queue.Queue()

    def __call__(self, result: Result) -> None:
        self._queue.put(result)

    def all(self) -> list[Result]:
        """Up to the end, which is the last item."""
        seen: list[Result] = []
        while not seen or isinstance(seen[-1], Audio):
            seen.append(self._queue.get(timeout=10))
        return seen

    def next(self, timeout: float = 10) -> Result:
        return self._queue.get(timeout=timeout)


@pytest.fixture
def one() -> Iterator[Scheduler]:
    scheduler = Scheduler(1, queue=8)
    yield scheduler
    scheduler.stop(0)


def turns(log: list[str], name: str, count: int, seconds: float, step_s: float = 0.01) -> Steps:
    """`count` steps of `step_s`, each giving `seconds` of sound."""
    for _ in range(count):

        def run(_: int | None) -> None:
            log.append(name)
            time.sleep(step_s)

        yield Step("decoder", run)
        yield sound(seconds)


def blocked(gate: threading.Event) -> Steps:
    yield Step("decoder", lambda _: gate.wait(10))


def test_all_results_come_in_order_and_then_the_end(one: Scheduler) -> None:
    results = Results()
    one.submit(turns([], "a", 3, 0.1), results, live=True)
    seen = results.all()
    assert [type(r) for r in seen] == [Audio, Audio, Audio, type(None)]
    assert one.load == 0


def job(live: bool = True, arrived: float = 100.0, plays_until: float | None = None, served: float = 100.0) -> Job:
    return Job(turns([], "", 0, 0), lambda _: None, live, arrived, plays_until=plays_until, served=served)


def test_who_runs_dry_first_is_served_first() -> None:
    now = 100.5
    starved, nearly_dry, newcomer = job(live=False, arrived=80.0, served=90.0), job(plays_until=100.6), job()
    file, later = job(live=False), job(plays_until=104.0)
    order = [starved, nearly_dry, newcomer, file, later]
    shuffled = order[::-1]
    assert sorted(shuffled, key=lambda own: own.due(now)) == order


def test_with_too_many_listeners_the_last_wait_and_the_others_hear_no_gap() -> None:
    """Overdue newcomers stay behind who runs dry; after ten seconds it is their turn, whatever becomes of others."""
    playing, newcomer = job(plays_until=105.2), job(arrived=100.0, served=104.9)
    assert playing.due(105.0) < newcomer.due(105.0)
    assert newcomer.due(110.1) < job(plays_until=110.2, served=110.0).due(110.1)


def test_a_newcomer_comes_before_chunks_that_nobody_needs_yet(one: Scheduler) -> None:
    log: list[str] = []
    first, second = Results(), Results()
    one.submit(turns(log, "old", 30, 0.5), first, live=True)
    first.next()
    first.next()  # two seconds ahead
    one.submit(turns(log, "new", 2, 1.0), second, live=True)
    second.all()
    first.all()
    place = log.index("new")
    assert place < 10
    assert log[place + 1] == "new" or log[place + 1 : place + 3].count("new") == 1


def test_listeners_have_no_gap_while_files_are_made(one: Scheduler) -> None:
    """Steps take a tenth of the sound they give; two listeners and two files at once."""
    log: list[str] = []
    listeners, files = [Results(), Results()], [Results(), Results()]
    began = time.monotonic()
    for results in files:
        one.submit(turns(log, "file", 40, 0.2, 0.02), results, live=False)
    for results in listeners:
        one.submit(turns(log, "live", 10, 0.2, 0.02), results, live=True)
    for results in listeners:
        played = None
        for number in range(10):
            assert isinstance(results.next(), Audio)
            now = time.monotonic()
            played = now if played is None else played
            assert now <= played + 0.2 * number + 0.05, f"a gap before piece {number}"
    for results in files:
        results.all()
    assert time.monotonic() - began < 10


def test_files_are_served_in_the_order_they_came(one: Scheduler) -> None:
    gate, log = threading.Event(), list[str]()
    one.submit(blocked(gate), Results(), live=True)
    results = [Results() for _ in range(3)]
    for number, own in enumerate(results):
        one.submit(turns(log, str(number), 3, 0.0), own, live=False)
        time.sleep(0.01)
    gate.set()
    for own in results:
        own.all()
    assert log == ["0"] * 3 + ["1"] * 3 + ["2"] * 3


def test_files_are_not_starved_by_listeners() -> None:
    """Nobody waits for ever: a file that has had no turn for long is more urgent than sound that is needed now."""
    assert job(live=False, served=100.0).due(111.0) < job(plays_until=111.0, served=111.0).due(111.0)


class CountingBert:
    def __init__(self) -> None:
        self.runs: list[list[str]] = []

    def features(self, text: str, threads: int | None = None) -> np.ndarray[Any, Any]:  # noqa: ARG002
        return self.features_batch([text])[0]

    def features_batch(self, texts: list[str], threads: int | None = None) -> list[np.ndarray[Any, Any]]:  # noqa: ARG002
        self.runs.append(list(texts))
        return [np.full((len(text) + 2, 1), len(text), np.float32) for text in texts]


def reading(bert: CountingBert, text: str, seen: list[Any]) -> Generator[Step, Any, None]:
    seen.append((yield BertStep.of(bert, text)))  # type: ignore[arg-type]


def test_waiting_sentences_share_a_run_of_the_bert(one: Scheduler) -> None:
    bert, gate = CountingBert(), threading.Event()
    one.submit(blocked(gate), Results(), live=True)
    texts, seen, results = ["あ" * n for n in (3, 5, 3, 200, 7)], [[] for _ in range(5)], [Results() for _ in range(5)]

    def first_step(text: str, own: list[Any]) -> Steps:
        yield Step("front_end", lambda _: None)
        yield from reading(bert, text, own)  # type: ignore[misc]

    for text, own, result in zip(texts, seen, results, strict=True):
        one.submit(first_step(text, own), result, live=True)
    gate.set()
    for result in results:
        result.all()
    assert [own[0].shape[0] - 2 for own in seen] == [3, 5, 3, 200, 7]
    assert sum(len(run) for run in bert.runs) == 4  # the same sentence is read once
    assert max(len(run) for run in bert.runs) >= 2
    assert all(sum(len(t) + 2 for t in run) <= 128 or len(run) == 1 for run in bert.runs)


def test_what_was_read_is_not_read_again(one: Scheduler) -> None:
    bert = CountingBert()
    for _ in range(3):
        results = Results()
        one.submit(reading(bert, "同じ文", []), results, live=True)  # type: ignore[arg-type]
        results.all()
    assert bert.runs == [["同じ文"]]


def test_the_cache_forgets_what_was_used_least_recently() -> None:
    cache, bert, row = FeatureCache(most_bytes=80), CountingBert(), np.zeros(10, np.float32)
    for text in ("a", "b"):
        cache.put(bert, text, row)  # type: ignore[arg-type]
    assert cache.get(bert, "a") is row  # type: ignore[arg-type]
    cache.put(bert, "c", row)  # type: ignore[arg-type]
    assert cache.get(bert, "b") is None  # type: ignore[arg-type]
    assert cache.get(bert, "a") is row  # type: ignore[arg-type]


def test_cancelling_ends_the_work_with_the_step_that_runs(one: Scheduler) -> None:
    log: list[str] = []
    closed, results = threading.Event(), Results()

    def steps() -> Steps:
        try:
            yield from turns(log, "a", 1000, 0.01, 0.02)
        finally:
            closed.set()

    ticket = one.submit(steps(), results, live=True)
    results.next()
    ticket.cancel()
    assert closed.wait(1)
    done = len(log)
    time.sleep(0.1)
    assert len(log) == done
    assert one.load == 0
    ticket.cancel()  # harmless


@pytest.fixture(scope="module")
def bert() -> Bert:
    return Bert.open(builtin_bert("q8"), 1)


def long_reading(bert: Bert, began: threading.Event, seconds: list[float]) -> Steps:
    """One sentence as long as a BERT takes: seconds of work in one step."""

    def run(_: int | None) -> Any:
        began.set()
        since = time.monotonic()
        try:
            return bert.features("あ" * 2000, 1)
        finally:
            seconds.append(time.monotonic() - since)

    yield Step("bert", run)


def test_cancelling_ends_a_long_run_of_the_bert_too(one: Scheduler, bert: Bert) -> None:
    if not bert.native:
        pytest.skip("ONNX Runtime's runs go on to their end")
    seconds: list[float] = []
    bert.features("あ" * 2000, 1)
    alone = time.monotonic()
    bert.features("あ" * 2000, 1)
    alone = time.monotonic() - alone
    began = threading.Event()
    ticket = one.submit(long_reading(bert, began, seconds), Results(), live=True)
    assert began.wait(5)
    ticket.cancel()
    after = Results()
    one.submit(turns([], "b", 1, 0.1), after, live=True)
    assert isinstance(after.next(), Audio)
    assert seconds[0] < max(0.2, alone / 4)


def test_a_run_that_others_share_goes_on_when_one_of_them_leaves(bert: Bert) -> None:
    stays, leaves = (Job(iter(()), lambda _: None, True, 0.0) for _ in range(2))  # type: ignore[arg-type]
    turn = Turn([stays, leaves])
    leaves.cancelled = True
    turn.stop_if_unwanted()
    with turn.flag.stoppable():
        assert len(bert.features("あ" * 10)) == 12
    stays.cancelled = True
    turn.stop_if_unwanted()
    if bert.native:
        with turn.flag.stoppable(), pytest.raises(StopRunError):
            bert.features("あ" * 10)
    assert len(bert.features("あ" * 10)) == 12  # the thread's next run is its own


def test_a_full_queue_refuses_and_empties_again(one: Scheduler) -> None:
    gate = threading.Event()
    results = [Results() for _ in range(8)]
    for own in results:
        one.submit(blocked(gate), own, live=True)
    with pytest.raises(BusyError, match="8 requests"):
        one.submit(blocked(gate), Results(), live=True)
    gate.set()
    for own in results:
        assert own.all() == [None]
    one.submit(turns([], "a", 1, 0.1), own, live=True)
    assert len(own.all()) == 2


def test_an_error_ends_its_own_request_only(one: Scheduler) -> None:
    def broken() -> Steps:
        yield Step("bert", lambda _: 1 / 0)

    bad, good = Results(), Results()
    one.submit(broken(), bad, live=True)
    one.submit(turns([], "a", 2, 0.1), good, live=True)
    assert isinstance(bad.next(), ZeroDivisionError)
    assert len(good.all()) == 3


def test_a_request_that_needs_too_much_is_ended() -> None:
    scheduler, results = Scheduler(1, request_s=0.05), Results()
    scheduler.submit(turns([], "a", 1000, 0.01, 0.02), results, live=True)
    assert isinstance(results.all()[-1], TooSlowError)
    scheduler.stop(0)


def test_sound_is_not_made_far_ahead_of_who_takes_it(one: Scheduler) -> None:
    log: list[str] = []
    ticket = one.submit(turns(log, "a", 100, AHEAD_S / 4, 0.0), results := Results(), live=True)
    time.sleep(0.2)
    assert len(log) == 5
    results.next()
    ticket.taken(AHEAD_S / 2)
    time.sleep(0.2)
    assert len(log) == 7
    ticket.cancel()


def test_text_that_is_not_there_yet_holds_nobody_up(one: Scheduler) -> None:
    there: list[str] = []

    def steps() -> Steps:
        while not there:
            yield WAITING
        yield sound(0.1)

    waiting, other = Results(), Results()
    ticket = one.submit(steps(), waiting, live=True)
    one.submit(turns([], "a", 2, 0.1), other, live=True)
    assert len(other.all()) == 3
    there.append("text")
    ticket.wake()
    assert len(waiting.all()) == 2


def test_alone_all_threads_and_in_company_one_each() -> None:
    scheduler, threads, both = Scheduler(2), list[int | None](), threading.Barrier(2)

    def steps(meets: bool) -> Steps:
        yield Step("a", lambda _: both.wait(5) if meets else None)
        yield Step("b", lambda n: (threads.append(n), both.wait(5) if meets else None))

    alone = Results()
    scheduler.submit(steps(False), alone, live=True)
    alone.all()
    assert threads == [2]
    pair = Results(), Results()
    for own in pair:
        scheduler.submit(steps(True), own, live=True)
    for own in pair:
        own.all()
    assert threads == [2, 1, 1]
    scheduler.stop(0)


def test_stopping_lets_work_finish_within_its_bound_and_takes_no_more() -> None:
    scheduler, short, long = Scheduler(2), Results(), Results()
    scheduler.submit(turns([], "a", 5, 0.1, 0.02), short, live=True)
    scheduler.submit(turns([], "a", 10_000, 0.001, 0.02), long, live=True)
    began = time.monotonic()
    scheduler.stop(0.5)
    assert time.monotonic() - began < 3
    assert short.all()[-1] is None
    assert isinstance(long.all()[-1], StoppedError)
    with pytest.raises(StoppedError):
        scheduler.submit(turns([], "a", 1, 0.1), short, live=True)
