"""A small graph writer: values, constants in a tensor file, one verb to add a node.

Named constants, the network's weights, go straight to the tensor file, so a graph under construction holds almost
nothing, ONNX Runtime maps them instead of copying, and other readers find them by name.

The same emitters are run twice. A conversion runs them for the weights: what they make of a checkpoint's tensors is all
that native networks read. Where ONNX Runtime is to run the network, they are run again on the weights that were
written (`Graph` on a TensorFile): names lead to tensors, nothing is computed, and the nodes become the file
(`onnx_model`, the only part that needs onnx).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.errors import WeightError
from sokuon.formats.contracts import Contract
from sokuon.storage.tensors import TensorFile, TensorFileWriter

_INLINE_BYTES = 1024  # the largest constant without a name

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Value:
    """An edge of the graph, known by its name."""

    name: str


@dataclass(frozen=True)
class Node:
    """An operator: `inputs` may hold "" for one left out."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    domain: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Stored:
    """A constant outside of the graph: bytes of the weight file, or (`file` is None) given by whoever opens it."""

    file: str | None
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    length: int


class Graph:
    """Collects nodes and constants; `weights` is a file that is being written, or one that was."""

    def __init__(self, contract: Contract, weights: TensorFileWriter | TensorFile) -> None:
        self.contract = contract
        self.nodes: list[Node] = []
        self.constants: dict[str, Array | Stored] = {}
        self._weights = weights
        self._scope: list[str] = []
        self._count = 0

    @property
    def written(self) -> TensorFile | None:
        """The weights where they are already there."""
        return self._weights if isinstance(self._weights, TensorFile) else None

    def input(self, name: str) -> Value:
        """The input of that name in the contract."""
        if name not in {port.name for port in self.contract.inputs}:
            raise ValueError(f"{self.contract.name} has no input {name}")
        return Value(name)

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Prefix the names of nodes emitted inside, as the checkpoint's keys are prefixed."""
        self._scope.append(name)
        yield
        self._scope.pop()

    def const(self, array: npt.ArrayLike) -> Value:
        """A small number or shape, shared by value."""
        data = np.asarray(array)
        label = _label(data)
        self.constants.setdefault(label, data)
        return Value(label)

    def own_const(self, name: str, array: npt.ArrayLike) -> Value:
        """A small constant under a name of its own, shared with nothing."""
        self.constants[name] = np.asarray(array)
        return Value(name)

    def weight(self, name: str, make: Callable[[], Array]) -> Value:
        """A constant under a new name: `make` computes it, unless it was written. Raises WeightError."""
        if isinstance(self._weights, TensorFileWriter):
            self._weights.add(name, make())
        return self.named(name)

    def named(self, name: str) -> Value:
        """A constant that was written. Raises WeightError."""
        if name not in self:
            raise WeightError(f"{self._weights.path} holds no tensor {name}; convert its folder again.")
        entry, dtype = self._weights.entries[name], self._weights.dtype(name)
        self.constants[name] = Stored(self._weights.path.name, dtype, entry.shape, entry.offset, entry.length)
        return Value(name)

    def __contains__(self, name: str) -> bool:
        """Whether the weight file holds a tensor of this name."""
        return name in self._weights.entries

    def supplied(self, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Value:
        """A constant that no file holds in this form: whoever opens the graph gives it (see Session)."""
        kind = np.dtype(dtype)
        self.constants[name] = Stored(None, kind, shape, 0, int(np.prod(shape)) * kind.itemsize)
        return Value(name)

    def op(self, kind: str, *inputs: Value | None, domain: str = "", **attributes: Any) -> Value:
        """Add a node with one output."""
        return self.ops(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def ops(self, kind: str, *inputs: Value | None, outputs: int, domain: str = "", **attributes: Any) -> list[Value]:
        """Add a node with several outputs; None stands for an optional input left out."""
        self._count += 1
        base = "/".join([*self._scope, f"{kind}_{self._count}"])
        names = tuple(base if i == 0 else f"{base}:{i}" for i in range(outputs))
        sources = tuple(value.name if value is not None else "" for value in inputs)
        self.nodes.append(Node(kind, sources, names, domain, attributes))
        return [Value(name) for name in names]

    def name_outputs(self, outputs: Sequence[Value]) -> None:
        """The last nodes: `outputs` in the contract's order, under its names."""
        for value, port in zip(outputs, self.contract.outputs, strict=True):
            self.nodes.append(Node("Identity", (value.name,), (port.name,), "", {}))

    def save(self, folder: Path, outputs: Sequence[Value]) -> None:
        """Write `<folder>/<contract.name>.onnx`, its weights beside it."""
        from sokuon.convert.onnx_model import serialized

        self.name_outputs(outputs)
        (folder / f"{self.contract.name}.onnx").write_bytes(serialized(self))


def _label(data: Array) -> str:
    if data.nbytes >= _INLINE_BYTES:
        raise ValueError(f"a constant of shape {data.shape} needs a name")
    return f"const/{data.dtype.name}{list(data.shape)}/{data.tobytes().hex()}"
