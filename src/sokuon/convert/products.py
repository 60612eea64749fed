"""How the BERT's linear layers are written at each precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sokuon.convert.codes import BLOCK, GROUP, PANEL, BlockCodes, Codes, quantize_columns
from sokuon.convert.graph import Graph, Value
from sokuon.storage.tensors import F32, TensorFileWriter

GELU_FLOOR = -0.17  # GELU(x) is nowhere below: its minimum is -0.16997

_CONTRIB = "com.microsoft"
_TINY = np.float32(1e-30)  # scale of a row of zeros, which must not divide by zero


class Precision(Enum):
    """Weights of the BERT's products; everything else is computed in float32 at every precision."""

    FP32 = "fp32"
    Q8 = "q8"
    Q4 = "q4"
    INT8_DYNAMIC = "int8-dynamic"


@dataclass(frozen=True)
class Linear:
    """y = x · matrix + bias with `matrix` [in, out], named as in the checkpoint.

    `codes` are the matrix rounded, its inputs multiplied by the damping of its rows, where the rehearsal chose them.
    """

    name: str
    matrix: F32
    bias: F32
    codes: Codes | None = None

    def scaled(self, factor: float) -> Linear:
        """The layer whose outputs are `factor` times larger."""
        return replace(
            self,
            matrix=self.matrix * np.float32(factor),
            bias=self.bias * np.float32(factor),
        )

    def shifted(self, offset: F32) -> Linear:
        """The layer whose outputs are greater by `offset` [out]."""
        return replace(self, bias=self.bias + offset)

    def divided(self, by: F32) -> Linear:
        """The layer whose outputs are smaller by the positive factors `by` [out]."""
        codes = None if self.codes is None else self.codes.scaled(np.asarray(1 / by, np.float32))
        return replace(self, matrix=self.matrix / by, bias=self.bias / by, codes=codes)


@dataclass(frozen=True)
class Known:
    """What is known of rows before they are quantised: none is below `floor`; divide channels by `damping` [in].

    `name` is that of the module the rows are for; the damping is stored under it.
    """

    floor: float = 0.0
    damping: F32 | None = None
    name: str = ""


@dataclass(frozen=True)
class Rows:
    """Rows x [S, in] as a product eats them: x / damping ≈ scale · (codes - zero) + floor, or plain x."""

    codes: Value
    scale: Value | None = None  # f32 [S, 1]
    zero: Value | None = None  # uint8 []


class Products(Protocol):
    """Writes linear layers, and emits products with what was written; rows are prepared once and may feed several."""

    def write(self, file: TensorFileWriter, layer: Linear, known: Known) -> None:
        """Append a layer's tensors."""

    def rows(self, g: Graph, x: Value, name: str, floor: float = 0.0) -> Rows:
        """Prepare x [S, in], read by the module `name` ("": one whose rows are not damped), nowhere below `floor`."""

    def linear(self, g: Graph, rows: Rows, name: str, shape: tuple[int, int]) -> Value:
        """Rows [S, in] → [S, out] by the layer `name` of `shape` [in, out]."""


class FullProducts:
    """float32 weights, one product."""

    def write(self, file: TensorFileWriter, layer: Linear, _known: Known) -> None:
        """See Products."""
        file.add(f"{layer.name}.weight", np.ascontiguousarray(layer.matrix))
        _write_bias(file, layer)

    def rows(self, _g: Graph, x: Value, _name: str, _floor: float = 0.0) -> Rows:
        """Nothing to do."""
        return Rows(x)

    def linear(self, g: Graph, rows: Rows, name: str, _shape: tuple[int, int]) -> Value:
        """See Products."""
        return _add_bias(g, g.op("MatMul", rows.codes, g.named(f"{name}.weight")), name)


class RowProducts:
    """8-bit weights with a scale per output, 8-bit activations with a scale per token.

        x ─┬─ peak of each row ─ / levels ─ scale ──────────────┐
           └─ QuantizeLinear ─ integer product · weight scale ─ · ─ + bias

    The codes are unsigned (around 128, or above the floor): signed ones have no fast product on x86.
    """

    def __init__(self) -> None:
        self._zeros: dict[int, Value] = {}  # zero point → it, repeated for every row: made once per graph

    def write(self, file: TensorFileWriter, layer: Linear, known: Known) -> None:
        """See Products."""
        if layer.codes is None:
            raise ValueError(f"{layer.name} has not been rounded")
        scale = layer.codes.scale
        self.store(file, layer, layer.codes)
        sums = layer.codes.integers().sum(axis=0, dtype=np.int32)
        file.add(f"{layer.name}.sums", _whole_panels(sums))
        file.add(f"{layer.name}.scale", _whole_panels(scale))
        bias = layer.bias + np.float32(known.floor) * scale * sums.astype(np.float32)
        file.add(f"{layer.name}.bias", _whole_panels(bias))

    def store(self, file: TensorFileWriter, layer: Linear, codes: Codes) -> None:
        """Append the codes of a matrix [in, out].

        The file holds the layout of the native product; `sokuon.formats.packed` turns it back for ONNX Runtime.
        """
        file.add(f"{layer.name}.weight", codes.packed_codes())

    def rows(self, g: Graph, x: Value, name: str, floor: float = 0.0) -> Rows:
        """Quantise each row to its own peak; with a floor, the whole range of codes lies above it."""
        if f"{name}.damping" in g:
            x = g.op("Mul", x, g.named(f"{name}.damping"))
        if floor:
            x = magnitude = g.op("Add", x, g.const(np.float32(-floor)))
            zero, levels = 0, 255
        else:
            magnitude, zero, levels = g.op("Abs", x), 128, 127
        peak = g.op("ReduceMax", magnitude, axes=[1], keepdims=1)  # [S, 1]
        scale = g.op("Max", g.op("Mul", peak, g.const(np.float32(1 / levels))), g.const(_TINY))
        line = g.op("Reshape", scale, g.const([-1]))  # [S]
        codes = g.op("QuantizeLinear", x, line, self._zero_per_row(g, zero, line), axis=0)
        return Rows(codes, scale, g.const(np.uint8(zero)))

    def linear(self, g: Graph, rows: Rows, name: str, shape: tuple[int, int]) -> Value:
        """See Products."""
        weight = _supplied(g, f"{name}.weight", shape, self._whole_inputs(shape[0]))
        weight_scale = _outputs(g, f"{name}.scale", shape[1])
        one = g.const(np.float32(1))
        zero = _zero_of(g, name)
        y = g.op("MatMulIntegerToFloat", rows.codes, weight, one, weight_scale, rows.zero, zero, domain=_CONTRIB)
        y = g.op("Mul", y, rows.scale)
        return g.op("Add", y, _outputs(g, f"{name}.bias", shape[1]))

    def _whole_inputs(self, size_in: int) -> int:
        """Inputs, filled up as they are stored."""
        return -(-size_in // GROUP) * GROUP

    def _zero_per_row(self, g: Graph, zero: int, rows: Value) -> Value:
        if zero not in self._zeros:
            self._zeros[zero] = g.op("Expand", g.const(np.uint8(zero)), g.op("Shape", rows))
        return self._zeros[zero]


class BlockProducts(RowProducts):
    """4-bit weights, otherwise as RowProducts: code, factor and zero of a block make an 8-bit integer."""

    def store(self, file: TensorFileWriter, layer: Linear, codes: Codes) -> None:
        """As RowProducts.store."""
        if not isinstance(codes, BlockCodes):
            raise ValueError(f"{layer.name} has not been rounded to 4 bits")
        file.add(f"{layer.name}.factors", codes.packed_factors())
        file.add(f"{layer.name}.weight", codes.packed_codes())

    def _whole_inputs(self, size_in: int) -> int:
        return -(-size_in // BLOCK) * BLOCK


class TensorProducts:
    """The usual dynamic quantisation, for comparison: 8-bit weights, one scale for all activations of a product."""

    def write(self, file: TensorFileWriter, layer: Linear, _known: Known) -> None:
        """See Products."""
        rounded = quantize_columns(layer.matrix)
        file.add(f"{layer.name}.weight", rounded.codes)
        file.add(f"{layer.name}.scale", rounded.scale)
        _write_bias(file, layer)

    def rows(self, _g: Graph, x: Value, _name: str, _floor: float = 0.0) -> Rows:
        """Nothing to do: the product quantises."""
        return Rows(x)

    def linear(self, g: Graph, rows: Rows, name: str, _shape: tuple[int, int]) -> Value:
        """See Products."""
        weight, weight_scale = g.named(f"{name}.weight"), g.named(f"{name}.scale")
        y = g.op("DynamicQuantizeMatMul", rows.codes, weight, weight_scale, _zero_of(g, name), domain=_CONTRIB)
        return _add_bias(g, y, name)


def _zero_of(g: Graph, name: str) -> Value:
    """The zero point of a matrix: 0, and optional, but ONNX Runtime's exact products (networks/session.py) read it
    unasked, and rename each."""
    return g.own_const(f"{name}.zero", np.int8(0))


def _supplied(g: Graph, name: str, shape: tuple[int, int], size_in: int) -> Value:
    """A matrix [in, out] of `shape` that is packed in the file, so that the graph is given it when it is opened."""
    whole = (size_in, -(-shape[1] // PANEL) * PANEL)
    matrix = g.supplied(name, np.int8, whole)
    if whole == shape:
        return matrix
    return g.op("Slice", matrix, g.const([0, 0]), g.const(list(shape)), g.const([0, 1]))


def _whole_panels(row: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.pad(row, (0, -len(row) % PANEL))


def _outputs(g: Graph, name: str, count: int) -> Value:
    """A number per output, stored for whole panels."""
    stored = g.named(name)
    return g.op("Slice", stored, g.const([0]), g.const([count]), g.const([0])) if count % PANEL else stored


def products_for(precision: Precision) -> Products:
    """The writer of products for a precision."""
    writers: dict[Precision, Callable[[], Products]] = {
        Precision.FP32: FullProducts,
        Precision.Q8: RowProducts,
        Precision.Q4: BlockProducts,
        Precision.INT8_DYNAMIC: TensorProducts,
    }
    return writers[precision]()


def table_type(precision: Precision) -> type[np.floating[Any]]:
    """How embedding rows and relative projections are stored: half precision beside 8-bit weights costs no accuracy."""
    return np.float32 if precision is Precision.FP32 else np.float16


def _write_bias(file: TensorFileWriter, layer: Linear) -> None:
    if layer.bias.any():
        file.add(f"{layer.name}.bias", layer.bias)


def _add_bias(g: Graph, y: Value, name: str) -> Value:
    return g.op("Add", y, g.named(f"{name}.bias")) if f"{name}.bias" in g else y
