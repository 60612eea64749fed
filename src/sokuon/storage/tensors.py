"""Tensor files (the safetensors format) without a library: read by memory map, written as a stream.

Why our own few lines: bfloat16 has no NumPy type and must be widened here, the run time needs only mapped views of
float32, and an ONNX graph can point into the very same file as its external data (`Entry.offset`), so one file serves
ONNX Runtime and the native decoder.

Format: 8 bytes little-endian header length, JSON header {name: {dtype, shape, data_offsets}}, then the raw tensors.
Source: the format description in the safetensors README (Apache-2.0).
"""

from __future__ import annotations

import json
import math
import mmap
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.storage.records import parse_record

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
_MOST_HEADER_BYTES = 100_000_000  # the safetensors library's bound; AIVM keeps pictures there
_MOST_AXES = 8
_METADATA = "__metadata__"
_CHECKSUM = b'{"__metadata__":{"checksum":"'  # how our header begins; then its CRC-32, taken with zeros there
_CHECKSUM_DIGITS = 8
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

    What we wrote ourselves carries a checksum of its header and must have its whole length. Raises VoiceNotFoundError,
    or VoiceError if the file is not in the format or is cut short. A file that somebody shortens later, while it is
    mapped, kills the process (SIGBUS): files in use are replaced by renaming, never written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                self.entries = _read_header(self._map)
        except FileNotFoundError as error:
            raise VoiceNotFoundError(f"{path} does not exist; convert or copy its folder again.") from error
        except (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
            raise VoiceError(
                f"{path} is not a complete safetensors file ({error}); download or copy it again."
            ) from error

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        entry = self.entries[name]
        dtype = np.dtype(_DTYPES[entry.dtype])
        count = entry.length // dtype.itemsize
        array: npt.NDArray[Any] = np.frombuffer(self._map, dtype, count, entry.offset).reshape(entry.shape)
        return widen_bfloat16(array) if entry.dtype == "BF16" else array

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of a tensor's elements, without reading it."""
        return np.dtype(np.float32 if self.entries[name].dtype == "BF16" else _DTYPES[self.entries[name].dtype])

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

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of a tensor's elements."""
        return np.dtype(_DTYPES[self.entries[name].dtype])

    def _write_header(self) -> None:
        start = 8 + self._header_bytes
        header = {
            name: {"dtype": e.dtype, "shape": e.shape, "data_offsets": [e.offset - start, e.offset - start + e.length]}
            for name, e in self.entries.items()
        }
        metadata = {_METADATA: {"checksum": "0" * _CHECKSUM_DIGITS, "bytes": str(self._file.tell())}}
        text = json.dumps(metadata | header, separators=(",", ":")).encode().ljust(self._header_bytes)
        if len(text) > self._header_bytes:
            raise ValueError(f"{self.path}: {len(self.entries)} tensors do not fit the header")
        text = _with_checksum(text, _checksum(text))
        self._file.seek(0)
        self._file.write(struct.pack("<Q", self._header_bytes) + text)


def to_float32(array: npt.NDArray[Any]) -> F32:
    """Float tensors of any width as float32; a float32 array is returned as it is."""
    return array.astype(np.float32, copy=False)


def _read_header(data: mmap.mmap) -> dict[str, Entry]:
    (length,) = struct.unpack_from("<Q", data, 0)
    start = 8 + length
    if start > len(data) or length > _MOST_HEADER_BYTES:
        raise ValueError("the header is cut short, or longer than any")
    header = parse_record(data[8:start])
    if not isinstance(header, dict):
        raise ValueError("the header is no object")
    metadata = header.pop(_METADATA, None)
    if data[8 : 8 + len(_CHECKSUM)] == _CHECKSUM:
        _check_whole(data, start, metadata)
    return {name: _entry(name, item, start, len(data)) for name, item in header.items()}


def _check_whole(data: mmap.mmap, start: int, metadata: dict[str, str]) -> None:
    """A file of ours is as long as when it was written, and its header is the one that was written."""
    text = data[8:start]
    if metadata.get("bytes") != str(len(data)):
        raise ValueError(f"it has {len(data)} bytes instead of {str(metadata.get('bytes'))[:20]}")
    if metadata.get("checksum") != _checksum(text).decode():
        raise ValueError("its header is damaged")


def _checksum(text: bytes) -> bytes:
    return f"{zlib.crc32(_with_checksum(text, b'0' * _CHECKSUM_DIGITS).rstrip()):08x}".encode()


def _with_checksum(text: bytes, digits: bytes) -> bytes:
    return _CHECKSUM + digits + text[len(_CHECKSUM) + len(digits) :]


def _entry(name: str, item: dict[str, Any], start: int, file_size: int) -> Entry:
    begin, end = item["data_offsets"]
    shape = tuple(item["shape"])
    if not all(type(n) is int and n >= 0 for n in (begin, end, *shape)) or len(shape) > _MOST_AXES:
        raise ValueError(f"tensor {name!r} has a shape or place that is no row of whole numbers")
    if item["dtype"] not in _DTYPES:
        raise ValueError(f"tensor {name!r} has the unknown type {str(item['dtype'])[:20]}")
    expected = math.prod(shape) * np.dtype(_DTYPES[item["dtype"]]).itemsize
    if not begin <= end <= file_size - start or end - begin != expected or max(shape, default=0) > file_size:
        raise ValueError(f"tensor {name!r} does not lie inside the file")
    return Entry(item["dtype"], shape, start + begin, end - begin)


def widen_bfloat16(bits: npt.NDArray[np.uint16]) -> F32:
    """bfloat16 bits as float32 values; exact."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
