"""Long work in C, without making Ctrl-C wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def on_main_thread() -> bool:
    """Whether signals are handled here: elsewhere nothing can interrupt, and nothing has to wait."""
    return threading.current_thread() is threading.main_thread()


def started(thread: threading.Thread) -> bool:
    """Whether a thread could be had; where none can, signals have to wait."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def interruptible(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """What `work` returns or raises; what a signal handler raises meanwhile calls `stop`, which must end the work soon.

    Python runs signal handlers on the main thread, between two of its instructions: a C function called there holds
    them up. So there another thread, if one can be had, does the work while the main thread waits, 0.1 ms all told.
    """
    if not on_main_thread():
        return work()
    results: list[T] = []
    problems: list[BaseException] = []
    ended = threading.Event()
    begun = threading.Lock()  # taken by the work when it begins, or by the main thread when it gives that up

    def run() -> None:
        if not begun.acquire(blocking=False):
            return
        try:
            results.append(work())
        except BaseException as problem:  # raised again where it was called
            problems.append(problem)
        finally:
            ended.set()

    try:
        # What interrupts this does not tell whether the thread did start.
        if not started(threading.Thread(target=run, name="sokuon-run")):
            return work()
        ended.wait()  # not join: one that is interrupted takes the thread for ended (Python 3.10 to 3.12)
    except BaseException:
        if not begun.acquire(blocking=False):
            stop()
            ended.wait()
        raise
    if problems:
        raise problems[0]
    return results[0]
