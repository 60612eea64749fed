"""A signal ends the block of `clean_ends`, whatever the block makes of the exception."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from types import ModuleType

import pytest

from sokuon.cli.ends import clean_ends

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
ENDS = {signal.SIGTERM: SystemExit, signal.SIGHUP: SystemExit, signal.SIGINT: KeyboardInterrupt}
HANDLED = (*ENDS, signal.SIGALRM)


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """Under nohup SIGHUP is ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@contextlib.contextmanager
def ends_by(number: signal.Signals) -> Iterator[None]:
    """The block ends as that signal wants it, soon, and leaves all handlers as they were."""
    before, began = [signal.getsignal(each) for each in HANDLED], time.monotonic()
    with pytest.raises(ENDS[number]) as ended:
        yield
    assert time.monotonic() - began < 2
    assert number == signal.SIGINT or ended.value.code == 128 + number  # type: ignore[union-attr]
    assert [signal.getsignal(each) for each in HANDLED] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def _swallowed(number: signal.Signals) -> None:
    with contextlib.suppress(BaseException):
        signal.raise_signal(number)


@pytest.mark.parametrize("number", ENDS)
def test_what_is_swallowed_comes_again(number: signal.Signals) -> None:
    with ends_by(number), clean_ends():
        for _ in range(3):
            _swallowed(number)
        time.sleep(10)


@pytest.mark.parametrize("number", ENDS)
def test_it_comes_again_where_it_was_swallowed_again(number: signal.Signals) -> None:
    with ends_by(number), clean_ends():
        _swallowed(number)
        for _ in range(2):
            with contextlib.suppress(BaseException):
                time.sleep(10)
        time.sleep(10)


class _Finalized:
    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


@pytest.mark.parametrize("number", ENDS)
def test_what_a_finalizer_loses_comes_again_and_is_not_printed(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sys.unraisablehook
    with ends_by(number), clean_ends():
        _Finalized(number)
        time.sleep(10)
    assert capfd.readouterr().err == ""
    assert sys.unraisablehook == before


class _Loader(ExtensionFileLoader):
    """Of a compiled module that meets a signal while it is loaded."""

    def __init__(self, name: str, number: signal.Signals) -> None:
        super().__init__(name, "")
        self.number, self.loaded = number, False

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == self.name else None

    def create_module(self, _: ModuleSpec) -> ModuleType:
        return ModuleType(self.name)

    def exec_module(self, _: ModuleType) -> None:
        signal.raise_signal(self.number)
        time.sleep(0.2)
        self.loaded = True


@pytest.mark.parametrize("number", ENDS)
def test_a_compiled_module_is_loaded_first(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception from within ended the process where nanobind had made the module."""
    compiled = _Loader("compiled_module_of_a_test", number)
    monkeypatch.setattr(sys, "meta_path", [compiled, *sys.meta_path])
    with ends_by(number), clean_ends():
        import_module(compiled.name)
        time.sleep(10)
    assert compiled.loaded
    del sys.modules[compiled.name]


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("error", [ImportError, RuntimeError])
def test_what_was_made_of_it_is_told_to_nobody(number: signal.Signals, error: type[Exception]) -> None:
    with ends_by(number), clean_ends():
        try:
            signal.raise_signal(number)
        except BaseException as end:
            raise error from end


@pytest.mark.parametrize("number", ENDS)
def test_a_block_that_comes_to_its_end_has_not_ended_well(number: signal.Signals) -> None:
    with ends_by(number), clean_ends():
        _swallowed(number)


@pytest.mark.parametrize("number", ENDS)
def test_cleaning_up_is_not_interrupted(number: signal.Signals) -> None:
    """Neither by what comes again nor by another kill: a shell and its terminal may both send one."""
    cleaned: list[bool] = []

    def clean_up() -> None:
        with contextlib.suppress(FileNotFoundError):
            raise FileNotFoundError
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0.3)
        cleaned.append(True)

    with ends_by(number), clean_ends():
        try:
            signal.raise_signal(number)
        finally:
            clean_up()
    assert cleaned


def test_a_second_interrupt_does_not_wait_for_what_cleans_up() -> None:
    with ends_by(signal.SIGINT), clean_ends():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            time.sleep(10)


def test_an_alarm_of_others_is_theirs() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    try:
        with ends_by(signal.SIGTERM), clean_ends():
            _swallowed(signal.SIGTERM)
            signal.raise_signal(signal.SIGALRM)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert heard == [signal.SIGALRM]


def test_what_is_ignored_goes_on_being_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with clean_ends():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_errors_pass() -> None:
    before = [signal.getsignal(each) for each in HANDLED]
    with pytest.raises(ImportError, match="missing"), clean_ends():
        raise ImportError("missing")
    assert [signal.getsignal(each) for each in HANDLED] == before


def test_on_another_thread_nothing_is_handled() -> None:
    during: list[object] = []

    def run() -> None:
        with clean_ends():
            during.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert during == [signal.SIG_DFL]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_has_an_end_of_its_own() -> None:
    with clean_ends():
        child = os.fork()
        if not child:
            _swallowed(signal.SIGTERM)
            os._exit(int(signal.getitimer(signal.ITIMER_REAL) != (0, 0)))
        assert os.waitpid(child, 0)[1] == 0
