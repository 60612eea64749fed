"""Ctrl-C during long work in C."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from sokuon.native.interruptible import interruptible


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_work_has_ended_when_the_interrupt_is_raised() -> None:
    """Else the process may end while a thread of it is in C++, which aborts."""
    told, ended = threading.Event(), threading.Event()

    def work() -> None:
        told.wait(10)
        time.sleep(0.2)  # soon, not at once
        ended.set()

    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        interruptible(work, told.set)
    assert ended.is_set()


def test_work_has_ended_when_its_start_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, told, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        told.wait(10)
        time.sleep(0.2)
        ended.set()

    def start(thread: threading.Thread) -> None:
        usual(thread)
        begun.wait(10)
        raise KeyboardInterrupt

    usual = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        interruptible(work, told.set)
    assert ended.is_set()


def test_without_a_thread_the_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert interruptible(threading.get_ident, lambda: None) == threading.get_ident()


def test_work_that_is_given_up_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    done: list[bool] = []

    def start(thread: threading.Thread) -> None:
        threads.append(thread)
        raise KeyboardInterrupt

    usual = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        interruptible(lambda: done.append(True), lambda: None)
    usual(threads[0])
    threads[0].join()
    assert not done
