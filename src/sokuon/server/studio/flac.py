"""FLAC with its true length: players and libraries refuse, or show none for, one that was streamed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any

from sokuon.audio.formats import rounded
from sokuon.storage.tensors import F32

_BLOCK = 64 * 1024


class FlacFile:
    """An encoder into a temporary file, which is gone when the `with` ends."""

    def __init__(self, rate: int) -> None:
        import soundfile

        self._bytes: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._sound: Any = soundfile.SoundFile(self._bytes, "w", rate, 1, "PCM_16", None, "FLAC")

    def __enter__(self) -> FlacFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._sound.close()
        self._bytes.close()

    def push(self, samples: F32) -> bytes:
        """Nothing yet."""
        self._sound.write(rounded(samples))
        return b""

    def blocks(self) -> Iterator[bytes]:
        """The file, once all samples are in."""
        self._sound.close()
        self._bytes.seek(0)
        while block := self._bytes.read(_BLOCK):
            yield block
