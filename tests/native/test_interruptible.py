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


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize("begins", [True, False])
def test_an_interrupt_while_the_thread_is_started(monkeypatch: pytest.MonkeyPatch, begins: bool) -> None:
    """The work has ended, or never begins: what it works on is given back or closed next."""
    told, may_run, done = threading.Event(), threading.Event(), []

    class Interrupted(threading.Thread):
        def start(self) -> None:
            super().start()
            if begins:
                working.wait(10)
            raise KeyboardInterrupt

        def run(self) -> None:
            if not begins:
                may_run.wait(10)
            super().run()

    working = threading.Event()

    def work() -> None:
        working.set()
        told.wait(10)
        done.append("work")

    monkeypatch.setattr(threading, "Thread", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        interruptible(work, told.set)
    assert done == (["work"] if begins else [])
    may_run.set()
    assert not working.wait(0.2) or begins
