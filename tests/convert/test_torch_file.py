"""Torch files that are no plain state dicts: refused with a sentence, never executed. (What torch writes: parity.)"""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sokuon.convert.torch_file import TorchFile
from sokuon.errors import VoiceError


class Runs:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def write(path: Path, content: Any, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
    return path


def test_calls_are_refused_and_not_made(tmp_path: Path) -> None:
    path = write(tmp_path / "evil.bin", {"weight": Runs(os.mkdir, str(tmp_path / "made"))})
    with pytest.raises(VoiceError, match=r"mkdir.*refused"):
        TorchFile(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("function", [eval, exec, getattr, __import__, os.system, print])
def test_builtins_are_refused(tmp_path: Path, function: Any) -> None:
    with pytest.raises(VoiceError, match="refused"):
        TorchFile(write(tmp_path / "evil.bin", Runs(function, "1")))


@pytest.mark.parametrize("content", [None, [1, 2], "text", 5])
def test_other_contents_are_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(VoiceError, match="state dict"):
        TorchFile(write(tmp_path / "other.bin", content))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.bin", {"a": 1}).read_bytes()
    for size in (0, 1, 20, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.bin").write_bytes(whole[:size])
        with pytest.raises(VoiceError, match=r"cut\.bin"):
            TorchFile(tmp_path / "cut.bin")


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="compressed"):
        TorchFile(write(tmp_path / "small.bin", {"a": 1}, zipfile.ZIP_DEFLATED))
