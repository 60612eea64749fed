"""What the tests of the command line share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

MAIN = (sys.executable, "-m", "sokuon")
SHORT = "はい。"

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


Main = Callable[..., Done]


def one_line_error(done: Done, *words: str, status: int = 1) -> None:
    """That exit status, nothing on standard output, one line on standard error that holds the words."""
    errors = done.err
    assert done.status == status, errors
    assert done.out == ""
    assert errors.count("\n") == 1, errors
    assert errors.startswith("error: ")
    for word in words:
        assert word in errors
