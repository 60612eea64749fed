"""Tensor files (the safetensors format) without a library: read by memory map, written as a stream.

Why our own few lines: bfloat16 has no NumPy type and must be widened here, the run time needs only mapped views of
float32, and an ONNX graph can point into the very same file as its external data (`Entry.offset`), so one file serves
ONNX Runtime and the native decoder.

Format: 8 bytes little-endian header length, JSON header {name: {dtype, shape, data_offsets}}, then the raw tensors.
Source: the format description in the safetensors README (Apache-2.0).
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sokuon.errors import VoiceError

F32 = npt.NDArray[np.float32]

_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
_NAMES = {np.dtype(t): name for name, t in _DTYPES.items() if name != "BF16"}
HEADER_BYTES = 512 * 1024  # reserved by the writer for some 4,000 tensors; the format allows padding with spaces
_PAGE = 4096  # a large tensor starts on a page, so that it can be mapped alone
_LINE = 64  # a small one on a cache line


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies: `offset` and `length` in bytes from the start of the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


class TensorFile(Mapping[str, npt.NDArray[Any]]):
    """A mapped, read-only tensor file: name → array view of the file (bfloat16 is widened to a float32 copy).

    Raises VoiceError if the file is not in the format or is cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                self.entries = _read_header(self._map)
        except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
            raise VoiceError(
                f"{path} is not a complete safetensors file ({error}); download or copy it again."
            ) from error

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        entry = self.entries[name]
        dtype = np.dtype(_DTYPES[entry.dtype])
        count = entry.length // dtype.itemsize
        array: npt.NDArray[Any] = np.frombuffer(self._map, dtype, count, entry.offset).reshape(entry.shape)
        return widen_bfloat16(array) if entry.dtype == "BF16" else array

    def release(self) -> None:
        """Give back the memory of the pages read so far; a view that is used again reads them from the file again.

        For tensors that were copied into another form. Where the system has no such call, nothing happens.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class TensorFileWriter:
    """Writes tensors one after the other; the header is filled in at the end. Use as a context manager."""

    def __init__(self, path: Path, header_bytes: int = HEADER_BYTES) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        self._header_bytes = header_bytes
        self._file: IO[bytes] = path.open("wb")
        self._file.write(b"\0" * (8 + header_bytes))

    def __enter__(self) -> TensorFileWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write_header()
        self._file.close()

    def add(self, name: str, array: npt.NDArray[Any]) -> Entry:
        """Append `array` under `name` (which must be new) and say where it lies."""
        if name in self.entries:
            raise ValueError(f"tensor {name} is written twice")
        data = np.ascontiguousarray(array)  # a scalar becomes [1]
        self._file.write(b"\0" * (-self._file.tell() % (_PAGE if data.nbytes >= _PAGE else _LINE)))
        entry = Entry(_NAMES[data.dtype], array.shape, self._file.tell(), data.nbytes)
        self._file.write(data.reshape(-1).view(np.uint8).data)
        self.entries[name] = entry
        return entry

    def _write_header(self) -> None:
        start = 8 + self._header_bytes
        header = {
            name: {"dtype": e.dtype, "shape": e.shape, "data_offsets": [e.offset - start, e.offset - start + e.length]}
            for name, e in self.entries.items()
        }
        text = json.dumps(header, separators=(",", ":")).encode().ljust(self._header_bytes)
        if len(text) > self._header_bytes:
            raise ValueError(f"{self.path}: {len(self.entries)} tensors do not fit the header")
        self._file.seek(0)
        self._file.write(struct.pack("<Q", self._header_bytes) + text)


def to_float32(array: npt.NDArray[Any]) -> F32:
    """Float tensors of any width as float32; a float32 array is returned as it is."""
    return array.astype(np.float32, copy=False)


def _read_header(data: mmap.mmap) -> dict[str, Entry]:
    (length,) = struct.unpack_from("<Q", data, 0)
    if length > len(data) - 8:
        raise ValueError("the header is cut short")
    start = 8 + length
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {name: _entry(name, item, start, len(data)) for name, item in header.items()}


def _entry(name: str, item: dict[str, Any], start: int, file_size: int) -> Entry:
    begin, end = item["data_offsets"]
    shape = tuple(int(n) for n in item["shape"])
    if item["dtype"] not in _DTYPES:
        raise ValueError(f"tensor {name} has the unknown type {item['dtype']}")
    expected = int(np.prod(shape, dtype=np.int64)) * np.dtype(_DTYPES[item["dtype"]]).itemsize
    if min(shape, default=0) < 0 or not 0 <= begin <= end <= file_size - start or end - begin != expected:
        raise ValueError(f"tensor {name} does not lie inside the file")
    return Entry(item["dtype"], shape, start + begin, end - begin)


def widen_bfloat16(bits: npt.NDArray[np.uint16]) -> F32:
    """bfloat16 bits as float32 values; exact."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
