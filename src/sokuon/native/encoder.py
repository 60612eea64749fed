"""The native text encoder with both duration predictors (`native/`), doing what `encoder.onnx` does.

Letters as in contracts.py: T phone slots, S characters + 2, B BERT width, G speaker width, C channels.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.errors import WeightError
from sokuon.formats.contracts import ENCODER, Port
from sokuon.native.library import Handle, NativeError, Signatures, Tensor, tensor_table
from sokuon.storage.tensors import F32, TensorFile

Array = npt.NDArray[Any]


class _Shape(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int32) for name in ("channels", "bert", "style", "speaker"))


class _Input(ctypes.Structure):  # slots, characters, then pointers in the contract's order
    _fields_ = (
        ("slots", ctypes.c_int64),
        ("characters", ctypes.c_int64),
        *((f"{port.name}_data", ctypes.c_void_p) for port in ENCODER.inputs),
    )


class _Output(ctypes.Structure):  # pointers in the contract's order
    _fields_ = tuple((f"{port.name}_data", ctypes.c_void_p) for port in ENCODER.outputs)


_LONG_SLOTS = 200  # 20 ms of one core at full size
_MESSAGE = (ctypes.c_char_p, ctypes.c_int64)  # room for a sentence
_SIGNATURES: Signatures = {
    "sk_encoder_create": (
        ctypes.c_void_p,
        (ctypes.POINTER(Tensor), ctypes.c_int64, ctypes.c_char_p, *_MESSAGE),
    ),
    "sk_encoder_destroy": (None, (ctypes.c_void_p,)),
    "sk_encoder_shape_of": (_Shape, (ctypes.c_void_p,)),
    "sk_encoder_weight_bytes": (ctypes.c_int64, (ctypes.c_void_p,)),
    "sk_encoder_run": (
        ctypes.c_int32,
        (ctypes.c_void_p, ctypes.POINTER(_Input), ctypes.c_int32, ctypes.POINTER(_Output), *_MESSAGE),
    ),
}


class NativeEncoder(Handle):
    """The encoder of a converted voice with its weights packed for this machine, in FP32.

    `tensors` are those of encoder.weights; their sizes tell the shape, and they are not needed afterwards.
    Raises WeightError where one does not fit.
    """

    _kind = "encoder"
    _signatures = _SIGNATURES

    def __init__(self, tensors: Mapping[str, Array], threads: int) -> None:
        super().__init__()
        self._threads = threads
        table, _alive = tensor_table(tensors)
        problem = self._create(table, len(table))
        if problem:
            raise WeightError(f"The native encoder cannot take these weights: {problem}; convert the voice again.")
        shape = self._library.sk_encoder_shape_of(self._handle)
        self._sizes = {"C": shape.channels, "B": shape.bert, "G": shape.speaker}

    @classmethod
    def open(cls, folder: Path, threads: int) -> NativeEncoder:
        """The encoder of the converted voice in `folder`."""
        file = TensorFile(folder / "encoder.weights")
        encoder = cls(file, threads)
        file.release()
        return encoder

    def run(self, threads: int | None = None, **inputs: Array) -> list[F32]:
        """The contract ENCODER: its inputs by name, its outputs in order; `threads` None: as it was opened.

        Raises ValueError for an input that is missing or has another shape, NativeError for an id that is in no table.
        """
        sizes = dict(self._sizes)
        arrays = [_checked(port, inputs.get(port.name), sizes) for port in ENCODER.inputs]
        outputs = [np.empty(_shape(port, sizes), np.float32) for port in ENCODER.outputs]
        given = _Input(sizes["T"], sizes["S"], *_addresses(arrays))
        error = ctypes.create_string_buffer(256)
        wanted = _Output(*_addresses(outputs))
        if self._status(sizes["T"] > _LONG_SLOTS, given, threads or self._threads, wanted, error, len(error)) != 0:
            raise NativeError(f"The native encoder cannot run: {error.value.decode()}.")
        return outputs


def _checked(port: Port, value: Array | None, sizes: dict[str, int]) -> Array:
    """`value` as the port's type, contiguous; letters met for the first time are entered into `sizes`."""
    if value is None:
        raise ValueError(f"the input {port.name} is missing")
    for letter, size in zip(port.shape, np.shape(value), strict=False):
        if isinstance(letter, str):
            sizes.setdefault(letter, size)
    if np.shape(value) != _shape(port, sizes):
        raise ValueError(f"{port.name} has shape {np.shape(value)}, expected {_shape(port, sizes)}")
    return np.ascontiguousarray(value, port.dtype)


def _shape(port: Port, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sizes.get(size, -1) if isinstance(size, str) else size for size in port.shape)


def _addresses(arrays: list[Array] | list[F32]) -> Iterator[int]:
    return (array.ctypes.data for array in arrays)
