"""Torch files that are no plain state dicts: refused with a sentence, never executed. (What torch writes: parity.)"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sokuon.convert.torch_file import TorchFile
from sokuon.errors import VoiceError


class Runs:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def write(path: Path, content: Any, compression: int = zipfile.ZIP_STORED, protocol: int = 2) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=protocol))
    return path


def test_calls_are_refused_and_not_made(tmp_path: Path) -> None:
    path = write(tmp_path / "evil.bin", {"weight": Runs(os.mkdir, str(tmp_path / "made"))})
    with pytest.raises(VoiceError, match=r"mkdir.*refused"):
        TorchFile(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("function", [eval, exec, getattr, __import__, os.system, compile])
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


def tensor_file(
    path: Path,
    *,
    offset: int = 0,
    shape: tuple[int, ...] = (4,),
    strides: tuple[int, ...] = (1,),
    tail: bytes = b"",
    elements: int = 4,
) -> Path:
    """A state dict of one tensor "a" of float32, written by hand; `tail` follows the storage's class on the stack."""

    def text(word: str) -> bytes:
        return b"X" + struct.pack("<I", len(word)) + word.encode()

    def number(n: int) -> bytes:
        size = (n.bit_length() + 8) // 8
        return b"\x8a" + bytes([size]) + n.to_bytes(size, "little", signed=True)

    def row(numbers: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, numbers)) + b"t"

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + tail + text("0") + text("cpu") + number(4) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + row(shape) + row(strides)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02}" + text("a") + tensor + b"\x89}tRs.")
        archive.writestr("m/data/0", np.arange(1, elements + 1, dtype=np.float32).tobytes())
    return path


def test_a_tensor_inside_its_storage_is_read(tmp_path: Path) -> None:
    for step in (1 << 62, 1 << 70):  # of an axis of one: never taken
        assert TorchFile(tensor_file(tmp_path / "c.bin", shape=(1, 3), strides=(step, 1)))["a"].shape == (1, 3)
    path = tensor_file(tmp_path / "a.bin", offset=1, shape=(1, 3), strides=(99, 1))
    assert TorchFile(path)["a"].tolist() == [[2, 3, 4]]
    assert TorchFile(tensor_file(tmp_path / "b.bin", shape=(3, 0), strides=(1, 1)))["a"].shape == (3, 0)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        pytest.param(-1, (4,), (1,), id="begins before its storage"),
        pytest.param(-(2**62), (2**62 + 4,), (1,), id="begins far before it"),
        pytest.param(1, (4,), (1,), id="ends behind it"),
        pytest.param(4, (1,), (1,), id="lies behind it"),
        pytest.param(0, (2**62,), (1,), id="is huge"),
        pytest.param(0, (2**62, 2**62, 4), (2**62, 2**62, 1), id="wraps around"),
        pytest.param(0, (2**32, 2**32), (0, 0), id="wraps around to nothing"),
        pytest.param(0, (0, 2**62), (1, 1), id="is empty and huge"),
        pytest.param(0, (10**9,), (0,), id="repeats one element"),
        pytest.param(0, (3, 2), (1, 1), id="uses elements twice"),
        pytest.param(3, (4,), (-1,), id="runs backwards"),
        pytest.param(0, (-4,), (1,), id="has a negative size"),
        pytest.param(0, (1,) * 9, (1,) * 9, id="has nine axes"),
    ],
)
def test_a_tensor_lies_inside_its_storage(
    tmp_path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    with pytest.raises(VoiceError, match="'a' does not lie inside its storage"):
        TorchFile(tensor_file(tmp_path / "bad.bin", offset=offset, shape=shape, strides=strides))


def test_a_missing_storage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="does not lie inside its storage"):
        TorchFile(tensor_file(tmp_path / "bad.bin", elements=3))


@pytest.mark.parametrize("state", ["}X\x05\0\0\0dtypeNsb", "N}X\x05\0\0\0dtypeNs\x86b"], ids=["state", "slots"])
def test_a_refused_file_does_not_break_the_next_one(tmp_path: Path, state: str) -> None:
    """BUILD would set attributes of what all files share: the class of a storage."""
    whole = tensor_file(tmp_path / "whole.bin")
    tensor_file(tmp_path / "evil.bin", tail=state.encode())
    with contextlib.suppress(VoiceError):
        TorchFile(tmp_path / "evil.bin")["a"]
    assert TorchFile(whole)["a"].tolist() == [1, 2, 3, 4]


def test_instructions_of_other_pickles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="none that a state dict needs"):
        TorchFile(write(tmp_path / "set.bin", {"a": 1.5}, protocol=0))


def test_names_are_text(tmp_path: Path) -> None:
    """A tuple of tuples of tuples … of itself has a hash that takes for ever."""
    with zipfile.ZipFile(tmp_path / "deep.bin", "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02})q\0" + b"h\0h\0\x86q\0" * 60 + b"Ns.")
    with pytest.raises(VoiceError, match="neither text nor a number"):
        TorchFile(tmp_path / "deep.bin")


def test_compressed_members_are_not_inflated(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", b"\x80\x02" + b"N0" * 50_000_000 + b"}.")
    tracemalloc.start()
    with pytest.raises(VoiceError, match="compressed"):
        TorchFile(tmp_path / "bomb.bin")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="compressed"):
        TorchFile(write(tmp_path / "small.bin", {"a": 1}, zipfile.ZIP_DEFLATED))
