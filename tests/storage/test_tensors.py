"""Tensor files: equal to what the safetensors library reads and writes, and safe against damaged ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.storage.tensors import TensorFile, TensorFileWriter, to_float32, widen_bfloat16

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "float": np.arange(12, dtype=np.float32).reshape(3, 4),
    "half": np.array([1.5, -2, 65504], np.float16),
    "double": np.array([[np.pi]]),
    "ids": np.array([-(2**62), 7], np.int64),
    "small": np.array([-128, 127], np.int8),
    "codes": np.array([0, 255], np.uint8),
    "flags": np.array([True, False, True]),
    "scalar": np.array(2.5, np.float32),
    "none": np.zeros((0, 3), np.float32),
    "large": np.ones((70, 70), np.float32),
}


def raw(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_reads_what_the_library_writes(tmp_path: Path) -> None:
    save_file(ARRAYS, tmp_path / "a.safetensors", metadata={"format": "pt"})
    file = TensorFile(tmp_path / "a.safetensors")
    assert set(file) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert file[name].dtype == array.dtype
        np.testing.assert_array_equal(file[name], array, strict=True)


def test_the_library_reads_what_we_write(tmp_path: Path) -> None:
    with TensorFileWriter(tmp_path / "a.weights", header_bytes=4096) as writer:
        entries = {name: writer.add(name, array) for name, array in ARRAYS.items()}
    file = TensorFile(tmp_path / "a.weights")
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(file[name], array, strict=True)
        assert entries[name] == file.entries[name]
        assert entries[name].offset % 64 == 0
    assert entries["large"].offset % 4096 == 0


def test_our_files_without_padding_are_read_by_the_library(tmp_path: Path) -> None:
    """The library insists that tensors follow each other without a gap; ours are aligned, so sizes are multiples."""
    with TensorFileWriter(tmp_path / "a.safetensors", header_bytes=4088) as writer:
        writer.add("x", np.arange(16, dtype=np.float32))
        writer.add("y", np.arange(32, dtype=np.float32))
    np.testing.assert_array_equal(load_file(tmp_path / "a.safetensors")["y"], np.arange(32))


def test_arrays_are_views_of_the_file(tmp_path: Path) -> None:
    save_file(ARRAYS, tmp_path / "a.safetensors")
    array = TensorFile(tmp_path / "a.safetensors")["float"]
    assert not array.flags.owndata
    assert not array.flags.writeable


def resident_bytes(path: Path) -> int:
    """Memory of this process's maps of a file: the line `Rss: n kB` behind the line that names it."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    starts = [i for i, line in enumerate(lines) if line.endswith(str(path))]
    return sum(int(next(x for x in lines[i:] if x.startswith("Rss:")).split()[1]) for i in starts) * 1024


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="this system does not say what is resident")
def test_released_pages_leave_memory_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    numbers = np.arange(1 << 20, dtype=np.float32)
    save_file({"numbers": numbers}, path)
    file = TensorFile(path)
    view = file["numbers"]
    assert view.sum() > 0
    before = resident_bytes(path)
    file.release()
    assert before >= numbers.nbytes
    assert resident_bytes(path) < numbers.nbytes / 100
    np.testing.assert_array_equal(view, numbers)


def test_bfloat16_is_widened_exactly(tmp_path: Path) -> None:
    bits = np.array([0x3F80, 0xC000, 0x7F7F, 0x0001, 0x0000], np.uint16)
    path = raw(tmp_path / "a", {"x": {"dtype": "BF16", "shape": [5], "data_offsets": [0, 10]}}, bits.tobytes())
    expected = np.array([1.0, -2.0, 3.3895313892515355e38, 9.183549615799121e-41, 0.0], np.float32)
    np.testing.assert_array_equal(TensorFile(path)["x"], expected, strict=True)
    np.testing.assert_array_equal(widen_bfloat16(bits), expected, strict=True)


def test_to_float32_copies_only_what_is_not() -> None:
    array = np.ones(3, np.float32)
    assert to_float32(array) is array
    assert to_float32(np.ones(3, np.float16)).dtype == np.float32


def one(**changes: object) -> dict[str, object]:
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (one(), b"\0" * 7),
        (one(data_offsets=[0, 4]), b"\0" * 8),
        (one(data_offsets=[8, 0]), b"\0" * 8),
        (one(data_offsets=[-8, 0]), b"\0" * 8),
        (one(data_offsets=[0]), b"\0" * 8),
        (one(shape=[-1, -2]), b"\0" * 8),
        (one(shape=[1 << 62, 8]), b"\0" * 8),
        (one(shape=None), b"\0" * 8),
        (one(dtype="F8_E5M2"), b"\0" * 8),
        (one(dtype=None), b"\0" * 8),
        ({"x": 5}, b""),
        ([1, 2], b""),
        (b"{", b""),
        (b"\xff\xff", b""),
    ],
)
def test_damaged_header_is_said(tmp_path: Path, header: object, data: bytes) -> None:
    path = raw(tmp_path / "bad.safetensors", header, data)
    with pytest.raises(VoiceError, match=r"bad\.safetensors is not a complete safetensors file .*copy it again"):
        TensorFile(path)


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"\xff" * 8, struct.pack("<Q", 100) + b"{}", b"<html>not found</html>"]
)
def test_what_is_no_tensor_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.safetensors").write_bytes(content)
    with pytest.raises(VoiceError, match="not a complete safetensors file"):
        TensorFile(tmp_path / "bad.safetensors")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=4), st.integers(0, 900))
def test_any_damage_is_a_voice_error_or_harmless(tmp_path: Path, edits: list[tuple[int, int]], length: int) -> None:
    save_file({name: ARRAYS[name] for name in ("float", "half", "scalar", "none")}, tmp_path / "a.safetensors")
    data = bytearray((tmp_path / "a.safetensors").read_bytes())
    for place, value in edits:
        data[place % len(data)] = value
    (tmp_path / "b.safetensors").write_bytes(bytes(data[:length]))
    try:
        file = TensorFile(tmp_path / "b.safetensors")
    except VoiceError:
        return
    for name in file:
        assert file[name].size >= 0


def test_a_name_is_written_once_and_the_header_has_an_end(tmp_path: Path) -> None:
    with TensorFileWriter(tmp_path / "a") as writer:
        writer.add("x", np.zeros(1, np.float32))
        with pytest.raises(ValueError, match="x is written twice"):
            writer.add("x", np.zeros(1, np.float32))

    def crowded() -> None:
        with TensorFileWriter(tmp_path / "b", header_bytes=10) as writer:
            writer.add("x", np.zeros(1, np.float32))

    with pytest.raises(ValueError, match="do not fit the header"):
        crowded()


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [2**63]},
        {"shape": [2**64, 1]},
        {"shape": [2**32, 2**32], "data_offsets": [0, 0]},
        {"shape": [2**62, 0], "data_offsets": [0, 0]},
        {"shape": [3.0]},
        {"shape": ["3"]},
        {"shape": "3"},
        {"shape": [-1, -3]},
        {"shape": [1] * 65},
        {"shape": None},
        {"data_offsets": [0.0, 12.0]},
        {"data_offsets": [False, 12]},
        {"data_offsets": ["0", "12"]},
        {"data_offsets": [0, 12, 24]},
        {"data_offsets": [-12, 0]},
        {"dtype": {}},
        {"dtype": "U64"},
    ],
    ids=str,
)
def test_headers_are_not_believed(tmp_path: Path, change: dict[str, Any]) -> None:
    entry = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
    assert TensorFile(raw(tmp_path / "a.safetensors", {"a": entry}, b"\0" * 12))["a"].shape == (3,)
    with pytest.raises(VoiceError, match=r"b\.safetensors is not a complete safetensors file"):
        TensorFile(raw(tmp_path / "b.safetensors", {"a": entry | change}, b"\0" * 12))


@pytest.mark.parametrize(
    "text",
    [b"[" * 200_000, b'{"a":' * 100_000, b'{"a":{"shape":[Infinity]}}', b'{"a":{"shape":[1e999]}}', b"[]", b"3"],
    ids=range(6),
)
def test_text_that_is_no_header_is_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(VoiceError, match="is not a complete safetensors file"):
        TensorFile(raw(tmp_path / "a.safetensors", text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VoiceNotFoundError, match=r"flow\.weights does not exist"):
        TensorFile(tmp_path / "flow.weights")
    with pytest.raises(VoiceError, match="is not a complete"):
        TensorFile(tmp_path)


def written(folder: Path) -> Path:
    with TensorFileWriter(folder / "a.weights", header_bytes=4096) as writer:
        writer.add("a", np.arange(5000, dtype=np.float32))
    return folder / "a.weights"


@pytest.mark.parametrize("size", [-1, -4096, 1])
def test_our_own_files_have_their_whole_length(tmp_path: Path, size: int) -> None:
    path = written(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:size] if size < 0 else data + b"\0" * size)
    with pytest.raises(VoiceError, match=r"bytes instead of|does not lie inside"):
        TensorFile(path)


def test_our_own_headers_are_checked(tmp_path: Path) -> None:
    """Every digit of the places counts: a changed one could be a place that is inside the file, too."""
    data = written(tmp_path).read_bytes()
    text = data[8:4104].rstrip()
    for at in range(text.index(b'"a":'), len(text)):
        changed = bytearray(data)
        changed[8 + at] ^= 1
        (tmp_path / "b.weights").write_bytes(changed)
        with pytest.raises(VoiceError, match="is not a complete"):
            TensorFile(tmp_path / "b.weights")
