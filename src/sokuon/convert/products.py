"""How the BERT's linear layers are written at each precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sokuon.convert.codes import GROUP, PANEL, BlockCodes, Codes, quantize_columns
from sokuon.convert.graph import Graph, Value
from sokuon.storage.tensors import F32

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
    known: Known = Known()


class Products(Protocol):
    """Writes linear layers; rows are prepared once and may feed several."""

    def rows(self, g: Graph, x: Value, known: Known) -> Rows:
        """Prepare x [S, in]."""

    def linear(self, g: Graph, rows: Rows, layer: Linear) -> Value:
        """Rows [S, in] → [S, out]."""


class FullProducts:
    """float32 weights, one product."""

    def rows(self, _g: Graph, x: Value, _known: Known) -> Rows:
        """Nothing to do."""
        return Rows(x)

    def linear(self, g: Graph, rows: Rows, layer: Linear) -> Value:
        """Rows [S, in] → [S, out]."""
        y = g.op("MatMul", rows.codes, g.const(np.ascontiguousarray(layer.matrix), f"{layer.name}.weight"))
        return _add_bias(g, y, layer)


class RowProducts:
    """8-bit weights with a scale per output, 8-bit activations with a scale per token.

        x ─┬─ peak of each row ─ / levels ─ scale ──────────────┐
           └─ QuantizeLinear ─ integer product · weight scale ─ · ─ + bias

    The codes are unsigned (around 128, or above the floor): signed ones have no fast product on x86.
    """

    def __init__(self) -> None:
        self._zeros: dict[int, Value] = {}  # zero point → it, repeated for every row: made once per graph

    def rows(self, g: Graph, x: Value, known: Known) -> Rows:
        """Quantise each row to its own peak; with a floor, the whole range of codes lies above it."""
        if known.damping is not None:
            x = g.op("Mul", x, g.const(1 / known.damping, f"{known.name}.damping"))
        if known.floor:
            x = magnitude = g.op("Add", x, g.const(np.float32(-known.floor)))
            zero, levels = 0, 255
        else:
            magnitude, zero, levels = g.op("Abs", x), 128, 127
        peak = g.op("ReduceMax", magnitude, axes=[1], keepdims=1)  # [S, 1]
        scale = g.op("Max", g.op("Mul", peak, g.const(np.float32(1 / levels))), g.const(_TINY))
        line = g.op("Reshape", scale, g.const([-1]))  # [S]
        codes = g.op("QuantizeLinear", x, line, self._zero_per_row(g, zero, line), axis=0)
        return Rows(codes, scale, g.const(np.uint8(zero)), known)

    def linear(self, g: Graph, rows: Rows, layer: Linear) -> Value:
        """Rows [S, in] → [S, out]."""
        if layer.codes is None:
            raise ValueError(f"{layer.name} has not been rounded")
        scale = layer.codes.scale
        weight = self.store(g, layer, layer.codes)
        sums = layer.codes.integers().sum(axis=0, dtype=np.int32)
        g.beside(f"{layer.name}.sums", _whole_panels(sums))
        weight_scale = _outputs(g, f"{layer.name}.scale", scale)
        one = g.const(np.float32(1))
        y = g.op("MatMulIntegerToFloat", rows.codes, weight, one, weight_scale, rows.zero, domain=_CONTRIB)
        y = g.op("Mul", y, rows.scale)
        bias = layer.bias + np.float32(rows.known.floor) * scale * sums.astype(np.float32)
        return g.op("Add", y, _outputs(g, f"{layer.name}.bias", bias))

    def store(self, g: Graph, layer: Linear, codes: Codes) -> Value:
        """Write the codes of a matrix [in, out] into the weight file; the graph's view of it.

        The file holds the layout of the native product; `sokuon.formats.packed` turns it back for ONNX Runtime.
        """
        packed = codes.packed_codes()
        return _supplied(g, f"{layer.name}.weight", packed, packed.shape[1] * GROUP, layer.matrix.shape)

    def _zero_per_row(self, g: Graph, zero: int, rows: Value) -> Value:
        if zero not in self._zeros:
            self._zeros[zero] = g.op("Expand", g.const(np.uint8(zero)), g.op("Shape", rows))
        return self._zeros[zero]


class BlockProducts(RowProducts):
    """4-bit weights, otherwise as RowProducts: code, factor and zero of a block make an 8-bit integer."""

    def store(self, g: Graph, layer: Linear, codes: Codes) -> Value:
        """As RowProducts.store."""
        if not isinstance(codes, BlockCodes):
            raise ValueError(f"{layer.name} has not been rounded to 4 bits")
        g.beside(f"{layer.name}.factors", codes.packed_factors())
        return _supplied(g, f"{layer.name}.weight", codes.packed_codes(), len(codes.codes), layer.matrix.shape)


class TensorProducts:
    """The usual dynamic quantisation, for comparison: 8-bit weights, one scale for all activations of a product."""

    def rows(self, _g: Graph, x: Value, _known: Known) -> Rows:
        """Nothing to do: the product quantises."""
        return Rows(x)

    def linear(self, g: Graph, rows: Rows, layer: Linear) -> Value:
        """Rows [S, in] → [S, out]."""
        rounded = quantize_columns(layer.matrix)
        weight, weight_scale = (
            g.const(rounded.codes, f"{layer.name}.weight"),
            g.const(rounded.scale, f"{layer.name}.scale"),
        )
        y = g.op("DynamicQuantizeMatMul", rows.codes, weight, weight_scale, domain=_CONTRIB)
        return _add_bias(g, y, layer)


def _supplied(g: Graph, name: str, packed: npt.NDArray[Any], size_in: int, shape: tuple[int, ...]) -> Value:
    """A matrix [in, out] of `shape` that is packed in the file, so that the graph is given it when it is opened."""
    whole = (size_in, packed.shape[0] * PANEL)
    g.beside(name, packed)
    matrix = g.supplied(name, np.dtype(np.int8), whole)
    if whole == shape:
        return matrix
    return g.op("Slice", matrix, g.const([0, 0]), g.const(list(shape)), g.const([0, 1]))


def _whole_panels(row: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.pad(row, (0, -len(row) % PANEL))


def _outputs(g: Graph, name: str, values: F32) -> Value:
    """A number per output, stored for whole panels."""
    stored = g.const(_whole_panels(values), name)
    missing = len(values) % PANEL
    return g.op("Slice", stored, g.const([0]), g.const([len(values)]), g.const([0])) if missing else stored


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


def _add_bias(g: Graph, y: Value, layer: Linear) -> Value:
    return g.op("Add", y, g.const(layer.bias, f"{layer.name}.bias")) if layer.bias.any() else y
