"""DeBERTa-v2 as a graph of feature rows, on the weights of a converted BERT. Equations: spec model-bert section 3.

Letters: S tokens, H hidden width, N heads, D head width, W = 2·S relative positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sokuon.convert.graph import Graph, Value
from sokuon.convert.products import GELU_FLOOR, Precision, Products, products_for
from sokuon.errors import VoiceError
from sokuon.formats.bert import WEIGHTS, Manifest
from sokuon.formats.contracts import BERT
from sokuon.storage.tensors import TensorFile

_BY_HEAD = {"transBatchA": 1, "transBatchB": 1}  # operands lie as [rows, heads, D], multiply as [heads, rows, D]
_FLOAT = 1  # ONNX's number for float32
_TO_END = np.iinfo(np.int64).max
_CONTRIB = "com.microsoft"


def bert_graph(folder: Path) -> Graph:
    """The finished graph of the converted BERT in `folder`. Raises VoiceError."""
    manifest = Manifest.read(folder)
    try:
        products = products_for(Precision(manifest.precision))
    except ValueError as error:
        raise VoiceError(f"{folder} has an unknown precision ({error}); convert it again.") from error
    graph = Graph(BERT, TensorFile(folder / WEIGHTS))
    graph.name_outputs([_encoder(_Emitter(graph, manifest, products))])
    return graph


@dataclass(frozen=True)
class _Emitter:
    """Everything the parts share."""

    graph: Graph
    sizes: Manifest
    products: Products

    def linear(self, rows: Value, name: str, shape: tuple[int, int], floor: float = 0.0) -> Value:
        """One product [in, out] of rows that nothing else reads."""
        return self.products.linear(self.graph, self.products.rows(self.graph, rows, "", floor), name, shape)

    def norm(self, name: str, y: Value, x: Value) -> Value:
        """Layer norm of y + x."""
        g = self.graph
        constants = (g.named(f"{name}.weight"), g.named(f"{name}.bias"))
        both = g.op("Add", y, x)
        return g.op("LayerNormalization", both, *constants, axis=-1, epsilon=self.sizes.norm_epsilon)

    def gelu(self, x: Value) -> Value:
        """Exact: 0.5 x (1 + erf(x / sqrt 2))."""
        return self.graph.op("Gelu", x, domain=_CONTRIB)


@dataclass(frozen=True)
class _Frame:
    """Values all layers read: `mask` added to the scores, `buckets` int64 [W], `length` int64 [1] = S, and the reshapes
    [N, S, W] → [N, W, S] → [N, S, W - 1]."""

    mask: Value
    buckets: Value
    length: Value
    by_position: Value
    by_token: Value


def _encoder(e: _Emitter) -> Value:
    """Embedding rows [S, H] → features [S, H]."""
    g, embeddings = e.graph, e.graph.input("embeddings")
    frame = _frame(e, embeddings)
    x = embeddings
    for i in range(e.sizes.layers):
        with g.scope(f"encoder.layer.{i}"):
            x = _layer(e, f"encoder.layer.{i}", x, frame)
        if i == 0 and e.sizes.conv_kernel:
            x = _convolution(e, embeddings, x)
    return x


def _frame(e: _Emitter, embeddings: Value) -> _Frame:
    g = e.graph
    length = g.op("Slice", g.op("Shape", embeddings), g.const([0]), g.const([1]))
    heads, rest = g.const([e.sizes.heads]), g.const([-1])
    return _Frame(
        mask=g.input("mask"),
        buckets=g.input("buckets"),
        length=length,
        by_position=g.op("Concat", heads, rest, length, axis=0),
        by_token=g.op("Concat", heads, length, rest, axis=0),
    )


def _layer(e: _Emitter, name: str, x: Value, frame: _Frame) -> Value:
    """x [S, H] → attention → + x, norm → feed forward → + , norm → [S, H]."""
    x = e.norm(f"{name}.attention.output.LayerNorm", _attention(e, f"{name}.attention", x, frame), x)
    return e.norm(f"{name}.output.LayerNorm", _feed_forward(e, name, x), x)


def _feed_forward(e: _Emitter, name: str, x: Value) -> Value:
    """narrow(GELU(widen(x))), to be added to x."""
    hidden, wide = e.sizes.hidden_size, e.sizes.intermediate_size
    rows = e.products.rows(e.graph, x, f"{name}.intermediate")
    inner = e.gelu(e.products.linear(e.graph, rows, f"{name}.intermediate.dense", (hidden, wide)))
    return e.linear(inner, f"{name}.output.dense", (wide, hidden), GELU_FLOOR)


def _attention(e: _Emitter, name: str, x: Value, frame: _Frame) -> Value:
    """Disentangled attention and its output projection, to be added to x: [S, H] → [S, H].

    q [S, N, D] ─┬─ · PKᵀ ─ skew ─────────────── + ─ + mask ─ softmax ─ · v ─ [S, N·D] ─ output
                 └─ · kᵀ ─────────────────────── +
    k [S, N, D] ─── · PQᵀ ─ skew ─ transpose ────┘
    """
    g, width = e.graph, e.sizes.heads * e.sizes.head_size
    shape, heads = (e.sizes.hidden_size, width), g.const([0, e.sizes.heads, e.sizes.head_size])
    rows = e.products.rows(g, x, f"{name}.self")
    q, k, v = (
        g.op("Reshape", e.products.linear(g, rows, f"{name}.self.{part}_proj", shape), heads)
        for part in ("query", "key", "value")
    )  # [S, N, D]
    to_position = _skewed(g, q, _reachable(e, f"{name}.self.pk", frame), frame)  # [N, S, S]
    from_position = _skewed(g, k, _reachable(e, f"{name}.self.pq", frame), frame)
    scores = g.op("FusedMatMul", q, k, domain=_CONTRIB, **_BY_HEAD, transB=1)
    scores = g.op("Add", g.op("Add", scores, to_position), g.op("Transpose", from_position, perm=[0, 2, 1]))
    weights = g.op("Softmax", g.op("Add", scores, frame.mask), axis=-1)
    context = g.op("FusedMatMul", weights, v, domain=_CONTRIB, transBatchB=1)  # [N, S, D]
    context = g.op("Reshape", g.op("Transpose", context, perm=[1, 0, 2]), g.const([0, width]))
    return e.linear(context, f"{name}.output.dense", (width, e.sizes.hidden_size))


def _reachable(e: _Emitter, name: str, frame: _Frame) -> Value:
    """The rows of a table that S tokens can reach, by relative position: [W, N, D]."""
    gathered = e.graph.op("Gather", e.graph.named(name), frame.buckets, axis=0)
    return gathered if e.sizes.precision == Precision.FP32.value else e.graph.op("Cast", gathered, to=_FLOAT)


def _skewed(g: Graph, x: Value, relative: Value, frame: _Frame) -> Value:
    """x [S, N, D] times relative rows [W, N, D], shifted so that column j of row i is their position: [N, S, S].

    In the product [N, S, W], row i holds relative position j - i in column j - i + S. Read as one line, that is place
    S + i·(W - 1) + j: without its first S numbers the line is a matrix of width W - 1 that begins with the S columns
    of the result.
    """
    products = g.op("FusedMatMul", x, relative, domain=_CONTRIB, **_BY_HEAD, transB=1)
    line = g.op("Slice", g.op("Reshape", products, frame.by_position), g.const([1]), g.const([_TO_END]), g.const([1]))
    matrix = g.op("Reshape", line, frame.by_token)  # [N, S, W - 1]
    return g.op("Slice", matrix, g.const([0]), frame.length, g.const([2]))


def _convolution(e: _Emitter, embeddings: Value, x: Value) -> Value:
    """LN(x + GELU(conv(embeddings))): the convolution as one product over K neighbouring rows, zero beyond the ends."""
    g, kernel, hidden = e.graph, e.sizes.conv_kernel, e.sizes.hidden_size
    half = kernel // 2
    padded = g.op("Pad", embeddings, g.const([half, 0, half, 0]))
    ends = [g.const([i + 1 - kernel]) if i + 1 < kernel else g.const([_TO_END]) for i in range(kernel)]
    shifted = [g.op("Slice", padded, g.const([i]), ends[i], g.const([0])) for i in range(kernel)]
    rows = g.op("Concat", *shifted, axis=1)
    y = e.gelu(e.linear(rows, "encoder.conv.conv", (kernel * hidden, hidden)))  # [S, K·H] → [S, H]
    return e.norm("encoder.conv.LayerNorm", y, x)
