"""The native BERT: 8-bit and 4-bit weights, used where they lie in the mapped `bert.weights`, and floats, packed
(`native/`, C++).

Letters: S rows of one or several sentences under each other, H hidden width.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sokuon.errors import WeightError
from sokuon.formats.bert import EMBEDDINGS, Manifest
from sokuon.native.library import Handle, NativeError, Signatures, declare, library
from sokuon.storage.tensors import F32, TensorFile

BITS = {"fp32": 32, "q8": 8, "q4": 4}  # precisions that run natively, and the bits of a weight
_UNSUPPORTED = "unsupported"
_LONG_ROWS = 40  # 60 ms of one core at full size
_ELEMENTS = {  # what C++ takes the bytes of a tensor for, by the end of its name
    "scale": "F32",
    "bias": "F32",
    "damping": "F32",
    "sums": "I32",
    "factors": "U8",
    "pk": "F16",
    "pq": "F16",
}


class _Config(ctypes.Structure):
    _fields_ = (
        *(
            (name, ctypes.c_int32)
            for name in ("hidden", "heads", "head", "inner", "layers", "buckets", "kernel", "bits")
        ),
        ("epsilon", ctypes.c_float),
    )


class _View(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("bytes", ctypes.c_int64))


_SIGNATURES: Signatures = {
    "sk_bert_isas": (ctypes.c_char_p, ()),
    "sk_bert_create": (
        ctypes.c_void_p,
        (
            ctypes.POINTER(_Config),
            ctypes.POINTER(_View),
            ctypes.c_int64,
            ctypes.c_char_p,
            ctypes.c_char_p,
            ctypes.c_int64,
        ),
    ),
    "sk_bert_destroy": (None, (ctypes.c_void_p,)),
    "sk_bert_isa": (ctypes.c_char_p, (ctypes.c_void_p,)),
    "sk_bert_run": (
        ctypes.c_int32,
        (
            ctypes.c_void_p,  # bert
            ctypes.c_void_p,  # rows [S, H]
            ctypes.c_void_p,  # lengths
            ctypes.c_int64,  # how many
            ctypes.c_void_p,  # positions [2 longest]
            ctypes.c_int32,  # threads
            ctypes.c_void_p,  # out [S, H]
        ),
    ),
}


def isas() -> tuple[str, ...]:
    """Kernels that this machine can run, best first: instruction sets with and without products of bytes."""
    loaded = library()
    declare(loaded, _SIGNATURES)
    return tuple(loaded.sk_bert_isas().decode().split(","))


class NativeBert(Handle):
    """A converted BERT of precision fp32, q8 or q4.

    `weights` stays mapped as long as this object lives. Raises NativeError for a precision or a width that it does not
    have, and WeightError for damaged weights.
    """

    _kind = "bert"
    _signatures = _SIGNATURES

    def __init__(self, weights: TensorFile, manifest: Manifest) -> None:
        super().__init__()
        if manifest.precision not in BITS:
            raise NativeError(f"The native BERT has no precision {manifest.precision}; bert.onnx runs it.")
        self._weights = weights
        self._hidden = manifest.hidden_size
        names = [name for name in weights if name != EMBEDDINGS]
        for name in names:
            _check_elements(weights, name, BITS[manifest.precision])
        arrays = [weights[name] for name in names]  # views of the map, which lives as long as `_weights`
        rows = (_View(name.encode(), a.ctypes.data, a.nbytes) for name, a in zip(names, arrays, strict=True))
        views = (_View * len(names))(*rows)
        problem = self._create(_config(manifest), views, len(views))
        if problem.startswith(_UNSUPPORTED):
            raise NativeError(f"The native BERT cannot take this model: {problem}.")
        if problem:
            raise WeightError(f"{weights.path} does not hold this BERT: {problem}; convert it again.")
        if manifest.precision == "fp32":
            weights.release()  # packed; of the file only norms and tables are read again

    @property
    def isa(self) -> str:
        """The kernels in use."""
        return str(self._library.sk_bert_isa(self._handle).decode())

    def run(self, rows: F32, lengths: Sequence[int], positions: npt.NDArray[np.int32], threads: int) -> F32:
        """Embedding rows [S, H] of sentences of `lengths` under each other → features [S, H].

        `positions` [2 · longest] are the rows of the relative tables for the distances -longest … longest - 1.
        """
        rows, counts = np.ascontiguousarray(rows, np.float32), np.array(lengths, np.int64)
        if rows.shape != (counts.sum(), self._hidden) or len(positions) != 2 * counts.max(initial=0):
            raise ValueError(f"rows {rows.shape} and {len(positions)} positions do not fit sentences of {lengths}")
        positions = np.ascontiguousarray(positions, np.int32)
        features = np.empty_like(rows)
        arguments = (rows.ctypes.data, counts.ctypes.data, len(counts), positions.ctypes.data, threads)
        status = self._status(len(rows) > _LONG_ROWS, *arguments, features.ctypes.data)
        if status == -1:
            raise NativeError("The native BERT ran out of memory.")
        if status:
            raise ValueError(f"sentences of {lengths} or their positions are out of range")
        return features


def _check_elements(weights: TensorFile, name: str, bits: int) -> None:
    """Raise WeightError where a tensor holds other elements than C++ reads: bfloat16 would be a copy that is gone."""
    end = name.rpartition(".")[2]
    matrix = "F32" if "LayerNorm" in name else "I8" if bits == BITS["q8"] else "U8"
    wanted = "F32" if bits == BITS["fp32"] else _ELEMENTS.get(end, matrix)
    found = weights.entries[name].dtype
    if found != wanted:
        raise WeightError(f"{weights.path}: tensor {name!r} is {found} instead of {wanted}; convert it again.")


def _config(m: Manifest) -> _Config:
    sizes = (m.hidden_size, m.heads, m.head_size, m.intermediate_size, m.layers, m.position_buckets, m.conv_kernel)
    return _Config(*sizes, BITS[m.precision], m.norm_epsilon)
