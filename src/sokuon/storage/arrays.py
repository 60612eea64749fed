"""Small arrays in NumPy's file format, read without evaluating what they say of themselves.

`numpy.load` takes the header for Python source and the file for an archive or a pickle where it looks like one, and
allocates what the header promises. Here the three facts of a header are matched and checked against the file's size.
Source: the format description in NumPy's documentation (NEP 1).
"""

from __future__ import annotations

import io
import math
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from sokuon.storage.tensors import F32

_MAGIC = b"\x93NUMPY"
_LENGTHS = {1: "<H", 2: "<I", 3: "<I"}  # major version → how the length of the header is stored
_MOST_HEADER = 4096
_MOST_BYTES = 64 << 20  # the vectors of 65,536 styles or 32,768 speakers in float32
_MOST_AXES = 8
_DTYPE = re.compile(r"""['"]descr['"]\s*:\s*['"]([<>|=]?(?:f[248]|[iu][1248]|b1))['"]""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([0-9, ]{0,200})\)""")


def read_array(path: Path) -> F32:
    """The array of numbers in a `.npy` file as float32. Raises OSError or ValueError."""
    with path.open("rb") as file:
        return _read(file)


def parse_array(data: bytes) -> F32:
    """As read_array, of the file's bytes."""
    return _read(io.BytesIO(data))


def _read(file: BinaryIO) -> F32:
    start = file.read(len(_MAGIC) + 2)
    if start[:-2] != _MAGIC or start[-2] not in _LENGTHS:
        raise ValueError("it is no NumPy array")
    layout = _LENGTHS[start[-2]]
    stored = file.read(struct.calcsize(layout))
    length = struct.unpack(layout, stored)[0] if len(stored) == struct.calcsize(layout) else _MOST_HEADER + 1
    if length > _MOST_HEADER:
        raise ValueError("its header has no length that it can have")
    dtype, order, shape = _facts(file.read(length).decode("latin-1"))
    size = math.prod(shape) * dtype.itemsize
    if size > _MOST_BYTES:
        raise ValueError(f"its shape {shape} makes {size / 2**20:,.0f} MB; at most {_MOST_BYTES >> 20} are read")
    data = file.read(size + 1)
    if len(data) != size:
        raise ValueError(f"it does not hold the {math.prod(shape)} numbers that its header promises")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which the caller looks for
        return np.frombuffer(data, dtype).reshape(shape, order=order).astype(np.float32, order="C")


def _facts(header: str) -> tuple[np.dtype[Any], Literal["C", "F"], tuple[int, ...]]:
    """Type, order and shape."""
    dtype, order, shape = (pattern.search(header) for pattern in (_DTYPE, _ORDER, _SHAPE))
    if dtype is None or order is None or shape is None:
        raise ValueError("its header does not describe an array of plain numbers")
    sizes = tuple(int(n) for n in shape[1].split(",") if n.strip())
    if len(sizes) > _MOST_AXES or max(sizes, default=0) > _MOST_BYTES:
        raise ValueError(f"its shape ({shape[1]}) is out of range")
    return np.dtype(dtype[1]), "F" if order[1] == "True" else "C", sizes
