"""An ONNX file with its weights where they lie: nodes are read, tensors stay views of the mapped file."""

from __future__ import annotations

import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.errors import MissingExtraError, VoiceError
from sokuon.formats.protobuf import Field, encoded, fields
from sokuon.storage.tensors import widen_bfloat16

try:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import TensorProto, numpy_helper
except ImportError as missing:
    raise MissingExtraError(
        f"Voices in ONNX files need the package onnx ({missing}); install it with: python -m pip install onnx."
    ) from missing

_GRAPH = 7  # of ModelProto
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12  # of GraphProto
_RAW_DATA = 9  # of TensorProto
_MOST_NODES, _MOST_TENSORS, _MOST_AXES = 500_000, 50_000, 8
_MOST_PART_BYTES = 64_000_000  # of a node, or of a tensor's description

_TYPES: dict[int, Any] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.DOUBLE: np.float64,
    TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32,
    TensorProto.BFLOAT16: np.uint16,
}
_LARGE_BYTES = 4096


class OnnxFile:
    """`tensors`: the initializers by name; `nodes` in the file's order; `inputs` and `outputs` by name.

    Raises VoiceError if the file is damaged or refers to a file outside its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._read()
        except VoiceError as error:
            raise VoiceError(f"{path}: {error}") from error
        except (
            OSError,
            ValueError,
            TypeError,
            LookupError,
            OverflowError,
            MemoryError,
            RecursionError,
            DecodeError,
        ) as error:
            raise VoiceError(f"{path} is not a complete ONNX file ({error}); download it again.") from error

    def _read(self) -> None:
        graphs = [f for f in fields(self._map, 0, len(self._map)) if f.number == _GRAPH]
        if len(graphs) != 1:
            raise ValueError("it holds no graph")
        parts = list(fields(self._map, graphs[0].begin, graphs[0].end))
        places = {number: [f for f in parts if f.number == number] for number in (_NODE, _INITIALIZER, _INPUT, _OUTPUT)}
        if len(places[_NODE]) > _MOST_NODES or len(places[_INITIALIZER]) > _MOST_TENSORS:
            raise ValueError("it has more nodes or tensors than any voice")
        self.nodes = [onnx.NodeProto.FromString(self._bytes(f)) for f in places[_NODE]]
        if not all(_has_names(node) for node in self.nodes):
            raise ValueError("a node has a name that is no text")
        constants = (_constant(node) for node in self.nodes if node.op_type == "Constant")
        self.tensors: Mapping[str, npt.NDArray[Any]] = {
            **dict(item for item in constants if item is not None),
            **dict(self._tensor(f) for f in places[_INITIALIZER]),
        }
        self.inputs = {v.name: v for v in (onnx.ValueInfoProto.FromString(self._bytes(f)) for f in places[_INPUT])}
        self.outputs = [onnx.ValueInfoProto.FromString(self._bytes(f)).name for f in places[_OUTPUT]]

    def skeleton(self) -> bytes:
        """The same graph with its large tensors as external data in this very file: whoever opens it has them in memory
        once, as pages of the file, where ONNX Runtime otherwise holds the message and a copy of each tensor."""
        (graph,) = (f for f in fields(self._map, 0, len(self._map)) if f.number == _GRAPH)
        pieces, at = [], graph.begin
        for part in fields(self._map, graph.begin, graph.end):
            raw = self._raw(part) if part.number == _INITIALIZER else None
            if raw is not None and raw.end - raw.begin >= _LARGE_BYTES:
                header = self._map[part.begin : raw.start] + self._map[raw.end : part.end]
                pieces += [self._map[at : part.start], encoded(_INITIALIZER, self._elsewhere(header, raw))]
                at = part.end
        inner = b"".join((*pieces, self._map[at : graph.end]))
        return self._map[: graph.start] + encoded(_GRAPH, inner) + self._map[graph.end :]

    def _elsewhere(self, header: bytes, raw: Field) -> bytes:
        """A tensor without its data, which stay where they are."""
        tensor = onnx.TensorProto.FromString(header)
        tensor.data_location = TensorProto.EXTERNAL
        place = {"location": self.path.name, "offset": raw.begin, "length": raw.end - raw.begin}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        data: bytes = tensor.SerializeToString()
        return data

    def _raw(self, tensor: Field) -> Field | None:
        return next((f for f in fields(self._map, tensor.begin, tensor.end) if f.number == _RAW_DATA), None)

    def release(self) -> None:
        """Give back the memory of the pages read so far; views read them again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def _bytes(self, field: Field) -> bytes:
        if field.end - field.begin > _MOST_PART_BYTES:
            raise ValueError("a part of it is larger than any voice needs")
        return self._map[field.begin : field.end]

    def _tensor(self, field: Field) -> tuple[str, npt.NDArray[Any]]:
        """Name and array; of a type that no voice has, an empty one."""
        raw = self._raw(field)
        if raw is None:
            header = onnx.TensorProto.FromString(self._bytes(field))
        else:
            if field.end - field.begin - (raw.end - raw.begin) > _MOST_PART_BYTES:
                raise ValueError("a tensor's description is larger than any voice needs")
            header = onnx.TensorProto.FromString(self._map[field.begin : raw.start] + self._map[raw.end : field.end])
        if type(header.name) is not str:
            raise ValueError("a tensor has a name that is no text")
        shape = tuple(header.dims)
        if len(shape) > _MOST_AXES or min(shape, default=0) < 0:
            raise ValueError(f"tensor {header.name!r} has an impossible shape")
        if header.data_type not in _TYPES:
            return header.name, np.empty(0, np.float32)
        if header.data_location == TensorProto.EXTERNAL:
            return header.name, self._external(header, shape)
        if raw is None:
            return header.name, numpy_helper.to_array(header)
        return header.name, _view(self._map, header, shape, raw.begin, raw.end - raw.begin)

    def _external(self, header: TensorProto, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """A tensor in the file beside this one; no other place is read."""
        place = {entry.key: entry.value for entry in header.external_data}
        name = place.get("location", "")
        beside = self.path.with_name(f"{self.path.name}.data")
        if name != beside.name or not beside.is_file() or beside.resolve().parent != self.path.resolve().parent:
            raise VoiceError(f"its weights lie in {name!r}; only {beside.name} beside it is read, put them there.")
        with beside.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        begin = int(place.get("offset", 0))
        return _view(data, header, shape, begin, int(place.get("length", len(data) - begin)))


def _has_names(node: onnx.NodeProto) -> bool:
    """True if all its names are text: the library gives bytes for what is not UTF-8."""
    return all(type(name) is str for name in (node.name, node.op_type, *node.input, *node.output))


def _constant(node: onnx.NodeProto) -> tuple[str, npt.NDArray[Any]] | None:
    """What a node holds that simplifiers put in the place of an initializer."""
    value = next((a.t for a in node.attribute if a.name == "value"), None)
    if value is None or not node.output or value.data_type not in _TYPES or value.data_location == TensorProto.EXTERNAL:
        return None
    return node.output[0], numpy_helper.to_array(value)


def _view(data: mmap.mmap, header: TensorProto, shape: tuple[int, ...], begin: int, size: int) -> npt.NDArray[Any]:
    dtype: np.dtype[Any] = np.dtype(_TYPES[header.data_type])
    if begin < 0 or size < 0 or begin + size > len(data) or math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"tensor {header.name!r} does not lie inside the file")
    array: npt.NDArray[Any] = np.frombuffer(data, dtype, size // dtype.itemsize, begin).reshape(shape)
    return widen_bfloat16(array) if header.data_type == TensorProto.BFLOAT16 else array
