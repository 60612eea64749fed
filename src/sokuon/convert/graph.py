"""A small ONNX graph writer: values, constants in a tensor file beside the graph, one verb to add a node.

Named constants, the network's weights, go straight to the tensor file (external data), so a graph under construction
holds almost nothing, ONNX Runtime maps them instead of copying, and other readers find them by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from sokuon.formats.contracts import Contract, Port
from sokuon.storage.tensors import TensorFileWriter

OPSET = 17
_IR_VERSION = 9
_INLINE_BYTES = 1024  # the largest constant without a name
_ELEMENT_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
}


@dataclass(frozen=True)
class Value:
    """An edge of the graph, known by its name."""

    name: str


class Graph:
    """Collects nodes and constants, then saves `<folder>/<contract.name>.onnx` with its weights beside it."""

    def __init__(self, contract: Contract, weights: TensorFileWriter) -> None:
        self._contract = contract
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._scope: list[str] = []
        self._count = 0

    def input(self, name: str) -> Value:
        """The input of that name in the contract."""
        if name not in {port.name for port in self._contract.inputs}:
            raise ValueError(f"{self._contract.name} has no input {name}")
        return Value(name)

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Prefix the names of nodes emitted inside, as the checkpoint's keys are prefixed."""
        self._scope.append(name)
        yield
        self._scope.pop()

    def const(self, array: npt.ArrayLike, name: str | None = None) -> Value:
        """A weight under a new name, or a small number or shape, which is shared by value."""
        data = np.asarray(array)
        label = name or _label(data)
        if name is not None:
            self._constants[label] = self._external(label, data)
        elif label not in self._constants:
            self._constants[label] = numpy_helper.from_array(data, label)
        return Value(label)

    def supplied(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Value:
        """A constant that no file holds in this form: whoever opens the graph gives it (see Session)."""
        tensor = TensorProto(name=name, data_type=_ELEMENT_TYPES[dtype.name], dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        length = int(np.prod(shape)) * dtype.itemsize
        for key, value in {"location": "supplied", "offset": 0, "length": length}.items():
            tensor.external_data.add(key=key, value=str(value))
        self._constants[name] = tensor
        return Value(name)

    def beside(self, name: str, array: npt.NDArray[Any]) -> None:
        """A tensor in the weight file that only other readers of that file need."""
        self._weights.add(name, array)

    def op(self, kind: str, *inputs: Value | None, domain: str = "", **attributes: Any) -> Value:
        """Add a node with one output."""
        return self.ops(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def ops(self, kind: str, *inputs: Value | None, outputs: int, domain: str = "", **attributes: Any) -> list[Value]:
        """Add a node with several outputs; None stands for an optional input left out."""
        self._count += 1
        base = "/".join([*self._scope, f"{kind}_{self._count}"])
        names = [base if i == 0 else f"{base}:{i}" for i in range(outputs)]
        sources = [value.name if value is not None else "" for value in inputs]
        self._nodes.append(helper.make_node(kind, sources, names, name=base, domain=domain, **attributes))
        return [Value(name) for name in names]

    def save(self, folder: Path, outputs: Sequence[Value]) -> None:
        """Write the graph; `outputs` in the contract's order."""
        for value, port in zip(outputs, self._contract.outputs, strict=True):
            self._nodes.append(helper.make_node("Identity", [value.name], [port.name], name=f"output/{port.name}"))
        graph = helper.make_graph(
            self._nodes,
            self._contract.name,
            [value_info(port) for port in self._contract.inputs],
            [value_info(port) for port in self._contract.outputs],
            list(self._constants.values()),
        )
        domains = sorted({node.domain for node in self._nodes})
        imports = [helper.make_opsetid(d, OPSET if d == "" else 1) for d in domains]
        model = helper.make_model(graph, opset_imports=imports, ir_version=_IR_VERSION, producer_name="sokuon")
        (folder / f"{self._contract.name}.onnx").write_bytes(model.SerializeToString())

    def _external(self, label: str, data: npt.NDArray[Any]) -> onnx.TensorProto:
        entry = self._weights.add(label, data)
        tensor = TensorProto(name=label, data_type=_ELEMENT_TYPES[data.dtype.name], dims=data.shape)
        tensor.data_location = TensorProto.EXTERNAL
        place = {"location": self._weights.path.name, "offset": entry.offset, "length": entry.length}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        return tensor


def _label(data: npt.NDArray[Any]) -> str:
    if data.nbytes >= _INLINE_BYTES:
        raise ValueError(f"a constant of shape {data.shape} needs a name")
    return f"const/{data.dtype.name}{list(data.shape)}/{data.tobytes().hex()}"


def value_info(port: Port) -> onnx.ValueInfoProto:
    """A port as a graph declares it."""
    return helper.make_tensor_value_info(port.name, _ELEMENT_TYPES[port.dtype], list(port.shape))
