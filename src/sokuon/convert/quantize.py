"""How the BERT's matrix products are written at each precision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from sokuon.convert.graph import Graph, Value
from sokuon.tensors import F32


class Precision(Enum):
    """Weights of the BERT's products; everything else is computed in float32 at every precision."""

    FP32 = "fp32"


@dataclass(frozen=True)
class Weight:
    """One linear layer without its bias: `matrix` [in, out], named as in the checkpoint."""

    name: str
    matrix: F32


class Products(Protocol):
    """Writes y = x · W for rows x [S, in]; `prepare` is called once for rows that feed several products."""

    def prepare(self, graph: Graph, x: Value) -> tuple[Value, ...]: ...

    def product(self, graph: Graph, rows: tuple[Value, ...], weight: Weight) -> Value: ...


class FullProducts:
    """float32 weights, one MatMul."""

    def prepare(self, _: Graph, x: Value) -> tuple[Value, ...]:
        """Nothing to do."""
        return (x,)

    def product(self, graph: Graph, rows: tuple[Value, ...], weight: Weight) -> Value:
        """x [S, in] → [S, out]."""
        return graph.op("MatMul", *rows, graph.const(np.ascontiguousarray(weight.matrix), weight.name))


def products_for(precision: Precision) -> Products:
    """The writer of products for a precision."""
    return {Precision.FP32: FullProducts}[precision]()
