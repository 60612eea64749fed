"""Network layers as functions that emit nodes. Time-major everywhere: a sequence is [T, C], so that a linear layer is
one product with packed weights and a layer norm runs over the last axis.

Letters: T time steps (phone slots or frames), C channels, H heads, D = C / H, K kernel taps, G speaker width,
W = 2·4 + 1 relative positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from sokuon.convert.graph import Graph, Value
from sokuon.convert.weights import Checkpoint, Shape
from sokuon.errors import WeightError
from sokuon.storage.tensors import F32

WINDOW = 4  # relative attention reaches this far (spec model-synthesizer section 1)
SPEAKER_LAYER = 2  # the speaker vector enters before the third layer
_EPSILON = 1e-5
_MOST_TAPS = 1 << 10


@dataclass(frozen=True)
class Scope:
    """A place in both worlds: nodes are emitted into `graph`, tensors taken from `checkpoint` under `prefix`.

    Where the graph's weights are already written, the checkpoint is their file: its names are asked for, and the shapes
    that `conv_shape` understands; nothing is taken.
    """

    graph: Graph
    checkpoint: Checkpoint
    prefix: str = ""

    def at(self, name: str) -> Scope:
        """The scope of a submodule."""
        return replace(self, prefix=f"{self.prefix}{name}.")

    def take(self, name: str, shape: Shape) -> F32:
        """The checkpoint's tensor `prefix + name`."""
        return self.checkpoint.take(self.prefix + name, shape)

    def take_normed(self, name: str, shape: Shape) -> F32:
        """The weight of submodule `name` with weight norm folded."""
        return self.checkpoint.take_normed(self.prefix + name, shape)

    def weight(self, name: str, make: Callable[[], F32]) -> Value:
        """A constant named as the tensor that `make` makes it from."""
        return self.graph.weight(self.prefix + name, lambda: np.ascontiguousarray(make(), np.float32))

    def same(self, name: str, shape: Shape) -> Value:
        """The checkpoint's tensor as it is."""
        return self.weight(name, lambda: self.take(name, shape))

    def conv_shape(self, name: str, c_in: int) -> tuple[int, int]:
        """Output channels and kernel of the convolution `name`, that was or will be written by `conv`."""
        if self.graph.written is None:
            shape = self.checkpoint.normed_shape(self.prefix + name)
            return shape[0], shape[-1]
        shape = self.checkpoint.shape(f"{self.prefix}{name}.weight")
        if len(shape) != 2 or c_in < 1 or shape[0] % c_in or not 0 < shape[0] // c_in <= _MOST_TAPS:
            raise WeightError(f"{self.prefix}{name}.weight is {list(shape)}, which does not fit {c_in} channels.")
        return shape[1], shape[0] // c_in


@dataclass(frozen=True)
class StackShape:
    """Sizes of a transformer stack: width C, FFN width, FFN kernel, heads, layers, speaker width G."""

    channels: int
    filters: int
    kernel: int
    heads: int
    layers: int
    speaker: int


@dataclass(frozen=True)
class Band:
    """The relative window of a sequence: `index` int64 [H, T, W] key positions (clipped), `inside` f32 [T, W]."""

    index: Value
    inside: Value


def affine(graph: Graph, x: Value, weight: Value, bias: Value) -> Value:
    """x [T, C_in] · weight [C_in, C_out] + bias."""
    return graph.op("Add", graph.op("MatMul", x, weight), bias)


def linear(s: Scope, x: Value, c_in: int | None, c_out: int, *, scale: float = 1.0) -> Value:
    """A linear layer or 1x1 convolution on [T, C_in] (or [C_in]; None: any), times `scale`."""

    def weight() -> F32:
        tail = s.checkpoint.shape(s.prefix + "weight")[2:]  # (1,) where it is a convolution
        weight = s.take("weight", (c_out, c_in, *tail)).reshape(c_out, -1).T
        return np.asarray(weight * scale, np.float32)

    def bias() -> F32:
        return np.asarray(s.take("bias", (c_out,)) * scale, np.float32)

    return affine(s.graph, x, s.weight("weight", weight), s.weight("bias", bias))


def layer_norm(s: Scope, x: Value, channels: int) -> Value:
    """Over the last axis; the checkpoint calls scale and shift gamma and beta."""
    gamma, beta = s.same("gamma", (channels,)), s.same("beta", (channels,))
    return s.graph.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=_EPSILON)


def shifts(graph: Graph, x: Value, kernel: int, dilation: int = 1) -> list[Value]:
    """The K views x[t + (k - (K-1)//2)·dilation] of a zero-padded [T, C], each [T, C]."""
    left = (kernel - 1) // 2 * dilation
    total = (kernel - 1) * dilation
    padded = graph.op("Pad", x, graph.const(np.array([left, 0, total - left, 0])))
    starts = [k * dilation for k in range(kernel)]
    return [_rows(graph, padded, start, start - total) for start in starts]


def im2col(graph: Graph, x: Value, kernel: int, dilation: int = 1) -> Value:
    """[T, C] → [T, K·C], taps outermost."""
    if kernel == 1:
        return x
    return graph.op("Concat", *shifts(graph, x, kernel, dilation), axis=1)


def conv(s: Scope, x: Value, c_in: int, c_out: int, kernel: int) -> Value:
    """Same-size convolution of [T, C_in] with weight [C_out, C_in, K], normed or not, as one product over im2col."""

    def matrix() -> F32:
        weight = s.checkpoint.take_normed(s.prefix[:-1], (c_out, c_in, kernel))
        return np.asarray(weight.transpose(2, 1, 0).reshape(kernel * c_in, c_out))

    return affine(s.graph, im2col(s.graph, x, kernel), s.weight("weight", matrix), s.same("bias", (c_out,)))


def narrowing_conv(s: Scope, x: Value, c_in: int, c_out: int, kernel: int) -> Value:
    """`conv` for C_in » C_out: multiply first, then add K shifted slices of [T, K·C_out].

    The copies are of the narrow side: 98-145 against 90-112 GFLOP/s for im2col at 768 → 192, K = 5 (SPEED.md).
    """
    g = s.graph

    def matrix() -> F32:
        weight = s.take("weight", (c_out, c_in, kernel))
        return np.asarray(weight.transpose(1, 2, 0).reshape(c_in, kernel * c_out))

    product = g.op("MatMul", x, s.weight("weight", matrix))  # [T, K·C_out]
    left = (kernel - 1) // 2
    padded = g.op("Pad", product, g.const(np.array([left, 0, kernel - 1 - left, 0])))
    parts = [_block(g, padded, (k, k - kernel + 1), (k * c_out, (k + 1) * c_out)) for k in range(kernel)]
    return g.op("Sum", *parts, s.same("bias", (c_out,)))


def depthwise_conv(s: Scope, x: Value, channels: int, kernel: int, dilation: int) -> Value:
    """One filter per channel, weight [C, 1, K]."""
    g = s.graph
    taps = cache(lambda: s.take("weight", (channels, 1, kernel))[:, 0].T)  # [K, C]
    views = shifts(g, x, kernel, dilation)
    parts = [g.op("Mul", view, s.weight(f"weight.{k}", partial(_row, taps, k))) for k, view in enumerate(views)]
    return g.op("Sum", *parts, s.same("bias", (channels,)))


def band(graph: Graph, x: Value, heads: int) -> Band:
    """The relative window for a sequence as long as x [T, C]; shared by all attention layers of a graph."""
    zero, one = graph.const(np.array(0)), graph.const(np.array(1))
    length = graph.op("Squeeze", graph.op("Shape", x, start=0, end=1), graph.const(np.array([0])))
    rows = graph.op("Unsqueeze", graph.op("Range", zero, length, one), graph.const(np.array([1])))  # [T, 1]
    keys = graph.op("Add", rows, graph.const(np.arange(-WINDOW, WINDOW + 1)[None]))  # [T, W]
    clipped = graph.op("Max", graph.op("Min", keys, graph.op("Sub", length, one)), zero)
    inside = graph.op("Cast", graph.op("Equal", keys, clipped), to=1)
    index = graph.op(
        "Tile", graph.op("Unsqueeze", clipped, graph.const(np.array([0]))), graph.const(np.array([heads, 1, 1]))
    )
    return Band(index, inside)


def attention(s: Scope, x: Value, shape: StackShape, window: Band) -> Value:
    """Self-attention with learned relative keys and values inside ±4 positions.

    x [T,C] ── qkv ──> q,k,v [H,T,D] ── q·k ──> [H,T,T] ─(+ q·rel_k on the band)─ softmax ─> p
    p·v + (p on the band)·rel_v ──> [H,T,D] ── conv_o ──> [T,C]
    """
    g, (heads, c) = s.graph, (shape.heads, shape.channels)
    q, k, v = _heads(s, x, c, heads)
    table = (1, 2 * WINDOW + 1, c // heads)
    rel_k = s.weight("emb_rel_k", lambda: s.take("emb_rel_k", table)[0].T)
    near = g.op("Mul", g.op("MatMul", q, rel_k), window.inside)  # [H, T, W]
    scores = g.op("ScatterElements", g.op("MatMul", q, k), window.index, near, axis=2, reduction="add")
    weights = g.op("Softmax", scores, axis=-1)  # [H, T, T]
    near = g.op("Mul", g.op("GatherElements", weights, window.index, axis=2), window.inside)
    rel_v = s.weight("emb_rel_v", lambda: s.take("emb_rel_v", table)[0])
    mixed = g.op("Add", g.op("MatMul", weights, v), g.op("MatMul", near, rel_v))
    joined = g.op("Reshape", g.op("Transpose", mixed, perm=[1, 0, 2]), g.const(np.array([-1, c])))  # [T, C]
    return linear(s.at("conv_o"), joined, c, c)


def feed_forward(s: Scope, x: Value, shape: StackShape) -> Value:
    """Two convolutions with a ReLU between."""
    wide = s.graph.op("Relu", conv(s.at("conv_1"), x, shape.channels, shape.filters, shape.kernel))
    return narrowing_conv(s.at("conv_2"), wide, shape.filters, shape.channels, shape.kernel)


def encoder_stack(s: Scope, x: Value, speaker: Value, shape: StackShape) -> Value:
    """Post-norm transformer on [T, C] (spec model-synthesizer section 3.1), speaker added before the third layer."""
    g = s.graph
    window = band(g, x, shape.heads)
    if shape.layers <= SPEAKER_LAYER:  # too shallow to reach it
        s.checkpoint.ignore(f"{s.prefix}spk_emb_linear.")
    for i in range(shape.layers):
        if i == SPEAKER_LAYER:
            x = g.op("Add", x, linear(s.at("spk_emb_linear"), speaker, shape.speaker, shape.channels))
        mixed = g.op("Add", x, attention(s.at(f"attn_layers.{i}"), x, shape, window))
        x = layer_norm(s.at(f"norm_layers_1.{i}"), mixed, shape.channels)
        fed = g.op("Add", x, feed_forward(s.at(f"ffn_layers.{i}"), x, shape))
        x = layer_norm(s.at(f"norm_layers_2.{i}"), fed, shape.channels)
    return x


def gelu(graph: Graph, x: Value) -> Value:
    """Exact (erf) GELU."""
    return graph.op("Gelu", x, domain="com.microsoft")


def _row(table: Callable[[], F32], k: int) -> F32:
    row: F32 = table()[k]
    return row


def columns(graph: Graph, x: Value, begin: int, end: int) -> Value:
    """x[..., begin:end]."""
    bounds = [graph.const(np.array([n])) for n in (begin, end, -1)]
    return graph.op("Slice", x, *bounds)


def _heads(s: Scope, x: Value, c: int, heads: int) -> Sequence[Value]:
    """q [H, T, D] (already divided by sqrt(D)), k [H, D, T], v [H, T, D] from one product."""
    g, names = s.graph, ("conv_q", "conv_k", "conv_v")
    scales = (1.0 / np.sqrt(c // heads), 1.0, 1.0)

    def matrix() -> F32:
        weights = (s.take(f"{n}.weight", (c, c, 1))[:, :, 0].T for n in names)
        return np.concatenate([w * scale for w, scale in zip(weights, scales, strict=True)], axis=1)

    def bias() -> F32:
        biases = (s.take(f"{n}.bias", (c,)) for n in names)
        return np.concatenate([b * scale for b, scale in zip(biases, scales, strict=True)])

    qkv = affine(g, x, s.weight("qkv.weight", matrix), s.weight("qkv.bias", bias))  # [T, 3C]
    split = g.op("Reshape", qkv, g.const(np.array([-1, 3, heads, c // heads])))
    parts = g.ops("Split", split, outputs=3, axis=1)
    flat = [g.op("Squeeze", part, g.const(np.array([1]))) for part in parts]  # [T, H, D]
    return [
        g.op("Transpose", part, perm=perm) for part, perm in zip(flat, ([1, 0, 2], [1, 2, 0], [1, 0, 2]), strict=True)
    ]


def _rows(graph: Graph, x: Value, begin: int, end: int) -> Value:
    """x[begin:end], where end ≤ 0 counts from the end."""
    stop = end if end < 0 else np.iinfo(np.int64).max
    return graph.op("Slice", x, *(graph.const(np.array([n])) for n in (begin, stop, 0)))


def _block(graph: Graph, x: Value, rows: tuple[int, int], cols: tuple[int, int]) -> Value:
    """x[rows[0]:rows[1], cols[0]:cols[1]], where a row end ≤ 0 counts from the end."""
    stop = rows[1] if rows[1] < 0 else np.iinfo(np.int64).max
    bounds = ([rows[0], cols[0]], [stop, cols[1]], [0, 1])
    return graph.op("Slice", x, *(graph.const(np.array(b)) for b in bounds))
