"""A child that is forked while another thread holds a lock does not wait for that thread."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from sokuon.storage.forking import ForkSafeLock
from sokuon.text import FrontEnd

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="fork as on POSIX"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # that is the subject here
]


def in_child(work: Callable[[], bool]) -> bool:
    """What `work` returns in a forked child, which has 20 s."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)
        try:
            os._exit(0 if work() else 3)
        finally:
            os._exit(4)
    return os.waitpid(child, 0)[1] == 0


class Guarded:
    """Something under a lock."""

    def __init__(self) -> None:
        self.whole = True
        self.lock = ForkSafeLock(self.lose)

    def lose(self) -> None:
        self.whole = False

    def use(self) -> bool:
        with self.lock:
            return self.whole


def test_what_another_thread_held_is_free_and_known_to_be_lost() -> None:
    guarded = Guarded()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with guarded.lock:
            held.set()
            over.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    try:
        assert in_child(lambda: not guarded.use())
    finally:
        over.set()
        thread.join()
    assert guarded.use()


def test_what_the_forking_thread_held_it_still_holds() -> None:
    guarded = Guarded()
    with guarded.lock:
        assert in_child(guarded.use)


def test_text_is_read_in_a_child_while_another_thread_reads() -> None:
    front_end = FrontEnd()
    wanted = front_end.phonemize("はい。").symbols
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            front_end.phonemize("今日は良い天気ですので散歩に出かけました。" * 40)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        assert all(in_child(lambda: front_end.phonemize("はい。").symbols == wanted) for _ in range(10))
    finally:
        over.set()
        thread.join()
