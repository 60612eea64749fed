"""Writing a file as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sokuon.errors import AudioError


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that no reader and no crash sees half of."""
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that appears at `path` if the block ends well; whatever ends it early leaves nothing behind.

    Not by `tempfile`, whose files are private: this one gets the permissions any new file gets. Its name is short
    whatever that of `path` is, because names have a limit. Raises AudioError where no file can be.
    """
    path = Path(os.path.realpath(path))  # a link goes on being one
    check_place(path)
    temporary = path.with_name(f".sokuon-{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, str(temporary)):
            raise OSError(error.errno, error.strerror, str(path)) from error  # a full disk does not say which file
        raise


def check_place(path: Path) -> None:
    """Raise AudioError unless a file can appear at `path`; a device must not be replaced by a file."""
    if not path.parent.is_dir():
        raise AudioError(f"{path.parent} is not a folder; create it or choose another place for {path.name}.")
    if path.is_dir():
        raise AudioError(f"{path} is a folder; choose a file name.")
    if path.exists() and not path.is_file():
        raise AudioError(f"{path} is not an ordinary file; choose another name.")
