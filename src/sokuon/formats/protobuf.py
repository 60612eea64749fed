"""Fields of a protocol-buffer message, found without reading their contents: a tag, a length, a value, again and again.

Why not the library: an ONNX file of 250 MB would be in memory twice before its first tensor is looked at.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

_LENGTH_DELIMITED = 2
_FIXED_BYTES = {1: 8, 5: 4}


class Field(NamedTuple):
    """A length-delimited field: its number, where its tag starts, and where its value lies."""

    number: int
    start: int
    begin: int
    end: int


def fields(data: mmap.mmap | bytes, begin: int, end: int) -> Iterator[Field]:
    """Every length-delimited field of the message at [begin, end); others are passed over.

    Raises ValueError for bytes that are no message.
    """
    while begin < end:
        start = begin
        tag, begin = _varint(data, begin, end)
        kind = tag & 7
        if kind == _LENGTH_DELIMITED:
            length, begin = _varint(data, begin, end)
            if length > end - begin:
                raise ValueError("a field reaches beyond the file's end")
            yield Field(tag >> 3, start, begin, begin + length)
            begin += length
        elif kind == 0:
            _, begin = _varint(data, begin, end)
        elif kind in _FIXED_BYTES:
            begin += _FIXED_BYTES[kind]
        else:
            raise ValueError(f"a field has the unknown kind {kind}")
    if begin != end:
        raise ValueError("a field reaches beyond the file's end")


def encoded(number: int, value: bytes) -> bytes:
    """A length-delimited field."""
    return _number(number << 3 | _LENGTH_DELIMITED) + _number(len(value)) + value


def _number(value: int) -> bytes:
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes((*digits, value))


def _varint(data: mmap.mmap | bytes, at: int, end: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("a number reaches beyond its end")
