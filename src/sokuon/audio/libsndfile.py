"""libsndfile's encoders, out of the reach of signals.

They write by callbacks, and what a signal handler raises in one is printed and forgotten; as a signal waits for the
next instruction of Python, that is where it comes when it arrives while they compute. So another thread does the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sokuon.native.interruptible import interruptible

T = TypeVar("T")


class Encoder:
    """A `soundfile.SoundFile` that writes one channel into a file object."""

    def __init__(self, file: Any, rate: int, kind: str, subtype: str, **quality: Any) -> None:
        import soundfile  # 20 ms and 1.4 MB to import, and only some users write such files

        opened: list[Any] = []
        try:
            _to_its_end(lambda: opened.append(soundfile.SoundFile(file, "w", rate, 1, subtype, None, kind, **quality)))
        except BaseException:
            for sound in opened:  # it would write once more when it is freed
                sound.close()
            raise
        self._soundfile, self._sound = soundfile, opened[0]

    def tag(self, name: str, text: str) -> None:
        """Write a text of libsndfile's `name` into the file."""
        setattr(self._sound, name, text)

    def command(self, number: int, value: float) -> None:
        """Tell libsndfile something about this file."""
        pointer = self._soundfile._ffi.new("double*", value)
        self._soundfile._snd.sf_command(self._sound._file, number, pointer, 8)

    def write(self, samples: Any) -> None:
        """Append samples [N]."""
        _to_its_end(lambda: self._sound.write(samples))

    def close(self) -> None:
        """Write what is left; the file object stays open."""
        _to_its_end(self._sound.close)


def _to_its_end(work: Callable[[], T]) -> T:
    return interruptible(work, lambda: None)
