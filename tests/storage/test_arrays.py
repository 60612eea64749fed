"""Arrays in NumPy's format: what NumPy writes is read, what it would evaluate or allocate is not."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sokuon.storage.arrays import read_array


def save(path: Path, array: Any, **options: Any) -> Path:
    np.save(path, array, **options)
    return path


def raw(path: Path, header: str, data: bytes = b"", magic: bytes = b"\x93NUMPY\x01\x00") -> Path:
    text = header.encode("latin-1")
    path.write_bytes(magic + struct.pack("<H", len(text)) + text + data)
    return path


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8", "|i1", "<i8", "|u1", "|b1"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4), (2, 0, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_reads_what_numpy_writes(tmp_path: Path, dtype: str, shape: tuple[int, ...], order: Any) -> None:
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape), dtype, order=order)
    read = read_array(save(tmp_path / "a.npy", array))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, np.asarray(array, np.float32), strict=True)


def test_what_float32_cannot_hold_is_infinite(tmp_path: Path) -> None:
    assert np.isinf(read_array(save(tmp_path / "a.npy", np.full(3, 1e300)))).all()


@pytest.mark.parametrize(
    "array",
    [np.array([{}], object), np.array(["a"]), np.ones(2, complex), np.zeros(2, "M8[s]"), np.zeros(2, "f4,f4")],
    ids=["objects", "text", "complex", "times", "records"],
)
def test_other_arrays_are_refused(tmp_path: Path, array: Any) -> None:
    with pytest.raises(ValueError, match="does not describe"):
        read_array(save(tmp_path / "a.npy", array, allow_pickle=True))


@pytest.mark.parametrize(
    "shape",
    ["(1000000000000, 256)", "(4611686018427387904, 4)", "(1" + "0" * 30 + ",)", "(-2, 256)", "(2 2,)", "((2,),)"],
)
def test_shapes_are_not_believed(tmp_path: Path, shape: str) -> None:
    path = raw(tmp_path / "a.npy", f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n", b"\0" * 2048)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"out of range|not describe|not hold|invalid literal|are read"):
        read_array(path)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_large_array_is_refused_before_it_is_read(tmp_path: Path) -> None:
    rows = 1_000_000
    path = raw(tmp_path / "a.npy", f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 256), }}\n")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + rows * 256 * 4)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"makes 977 MB; at most 64 are read"):
        read_array(path)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("header", ["(" * 3000, "-" * 4000 + "1", "", "{'descr': '<f4'}", "__import__('os')"])
def test_headers_are_not_evaluated(tmp_path: Path, header: str) -> None:
    with pytest.raises(ValueError, match="does not describe"):
        read_array(raw(tmp_path / "a.npy", header))


def test_other_files_are_refused(tmp_path: Path) -> None:
    archive = io.BytesIO()
    np.savez(archive, a=np.zeros(3))
    whole = save(tmp_path / "a.npy", np.ones((2, 3), np.float32)).read_bytes()
    cut = [whole[:size] for size in range(0, len(whole), 5)]
    others = [archive.getvalue(), pickle.dumps([1]), b"\x93NUMPY\x03\x00\xff\xff\xff\xff{", whole + b"\0", *cut]
    for content in others:
        (tmp_path / "b.npy").write_bytes(content)
        with pytest.raises(ValueError, match=r"it is no|it does not|its header"):
            read_array(tmp_path / "b.npy")
