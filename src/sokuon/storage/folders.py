"""Writing a folder as a whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sokuon.errors import VoiceError

# What conversions of voices and BERTs write, and what is left of graphs whose writing was killed.
_OURS = re.compile(
    r"\w+\.(onnx(\.lock)?|weights|codes)|\.sokuon-\w+\.tmp|(style_vectors|speakers)\.npy"
    r"|(voice|bert|about|contents)\.json|vocab\.txt"
)


@contextmanager
def replacing_folder(target: Path, marker: str) -> Iterator[Path]:
    """A temporary folder beside `target` that takes its place if the block ends well, and vanishes if not.

    An existing `target` is replaced only if it holds the file `marker` and nothing that we did not write; else
    VoiceError.
    """
    target = Path(os.path.abspath(target))  # "." can neither be renamed nor have a sibling
    _check_replaceable(target, marker)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".sokuon-", suffix=".tmp", dir=target.parent))
    try:
        yield work
        work.chmod(0o755)
        _swap(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_replaceable(target: Path, marker: str) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target / marker).is_file():
        raise VoiceError(f"{target} exists and is not a converted folder; choose another place or remove it first.")
    foreign = [path.name for path in sorted(target.iterdir()) if path.is_dir() or not _OURS.fullmatch(path.name)]
    if foreign:
        raise VoiceError(f"{target} also holds {foreign[0]}, which would be lost; choose another place or move it.")


def _swap(work: Path, target: Path) -> None:
    """`target` becomes `work`; where it cannot, it stays what it was."""
    if not target.exists():
        os.replace(work, target)
        return
    old = Path(tempfile.mkdtemp(prefix=".sokuon-", suffix=".old", dir=target.parent))
    try:
        os.replace(target, old / "was")
        os.replace(work, target)
    except BaseException:
        if not target.exists():
            os.replace(old / "was", target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
