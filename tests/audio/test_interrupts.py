"""Ctrl-C while libsndfile writes."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from sokuon.audio import encoding
from sokuon.audio.encoding import StreamEncoder
from sokuon.audio.formats import open_sound

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
NOISE = np.random.default_rng(1).uniform(-0.5, 0.5, 24_000).astype(np.float32)


class Interrupting(io.BytesIO):
    """A file during whose writing somebody presses Ctrl-C, once."""

    armed = True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self.armed:
            self.armed = False
            os.kill(os.getpid(), signal.SIGINT)
        return super().write(data)


@pytest.fixture(autouse=True)
def _as_in_a_terminal() -> Iterator[None]:
    """A background job ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("format", ["mp3", "flac", "ogg", "opus"])
def test_it_ends_the_writing_of_a_file(format: str, capfd: pytest.CaptureFixture[str]) -> None:
    def write() -> None:
        with open_sound(Interrupting(), 24_000, format) as sound:
            for _ in range(20):
                sound.write(NOISE)

    with pytest.raises(KeyboardInterrupt):
        write()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("format", ["mp3", "ogg", "opus"])
def test_it_ends_a_stream(format: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    whole = encoding._Sink.write

    def write(sink: encoding._Sink, data: bytes) -> int:
        if Interrupting.armed:
            monkeypatch.setattr(Interrupting, "armed", False)
            os.kill(os.getpid(), signal.SIGINT)
        return whole(sink, data)

    monkeypatch.setattr(encoding._Sink, "write", write)

    def push() -> None:
        encoder = StreamEncoder(24_000, format)
        for _ in range(20):
            encoder.push(NOISE)

    with pytest.raises(KeyboardInterrupt):
        push()
    assert capfd.readouterr().err == ""
