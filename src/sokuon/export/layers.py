"""Layers on tensors as a checkpoint has them: initializers keep its names, shapes and values, so that another program
(or our own converter) can take them out of the graph again. Time-major as in `convert.layers`.

Letters: T time steps, C channels, H heads, D = C / H, K kernel taps.
"""

from __future__ import annotations

import numpy as np

from sokuon.convert.graph import Value
from sokuon.convert.layers import SPEAKER_LAYER, WINDOW, Band, Scope, StackShape, band
from sokuon.convert.weights import Shape

_EPSILON = 1e-5


def raw(s: Scope, name: str, shape: Shape) -> Value:
    """The tensor `prefix + name` as it is."""
    return s.same(name, shape)


def linear(s: Scope, x: Value, c_in: int, c_out: int) -> Value:
    """A linear layer or 1x1 convolution on [T, C_in]."""
    tail = s.checkpoint.shape(s.prefix + "weight")[2:]
    weight = raw(s, "weight", (c_out, c_in, *tail))
    if tail:
        weight = s.graph.op("Reshape", weight, s.graph.const(np.array([c_out, c_in])))
    return s.graph.op("Gemm", x, weight, raw(s, "bias", (c_out,)), transB=1)


def conv(s: Scope, x: Value, shape: tuple[int, int, int], dilation: int = 1, group: int = 1) -> Value:
    """Same-size convolution of [T, C_in] with weight [C_out, C_in / group, K]."""
    weight = s.weight("weight", lambda: s.checkpoint.take_normed(s.prefix[:-1], shape))
    return _convolve(s, x, weight, shape[2], dilation, group)


def _convolve(s: Scope, x: Value, weight: Value, kernel: int, dilation: int, group: int) -> Value:
    g = s.graph
    left = (kernel - 1) // 2 * dilation
    columns = g.op("Unsqueeze", g.op("Transpose", x, perm=[1, 0]), g.const(np.array([0])))  # [1, C, T]
    bias = raw(s, "bias", (None,))
    pads = [left, (kernel - 1) * dilation - left]
    y = g.op("Conv", columns, weight, bias, pads=pads, dilations=[dilation], group=group, kernel_shape=[kernel])
    return g.op("Transpose", g.op("Squeeze", y, g.const(np.array([0]))), perm=[1, 0])


def layer_norm(s: Scope, x: Value, channels: int) -> Value:
    """Over the last axis."""
    gamma, beta = raw(s, "gamma", (channels,)), raw(s, "beta", (channels,))
    return s.graph.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=_EPSILON)


def gelu(s: Scope, x: Value) -> Value:
    """0.5 · x · (1 + erf(x / sqrt 2)), of operators that every runtime has."""
    g = s.graph
    erf = g.op("Erf", g.op("Mul", x, g.const(np.float32(np.sqrt(0.5)))))
    return g.op("Mul", g.op("Mul", x, g.const(np.float32(0.5))), g.op("Add", erf, g.const(np.float32(1.0))))


def attention(s: Scope, x: Value, shape: StackShape, window: Band) -> Value:
    """As `convert.layers.attention`, query, key and value apart."""
    g, heads, c = s.graph, shape.heads, shape.channels
    width = c // heads
    split = g.const(np.array([-1, heads, width]))
    q, k, v = (g.op("Reshape", linear(s.at(f"conv_{part}"), x, c, c), split) for part in "qkv")  # [T, H, D]
    q = g.op("Transpose", g.op("Mul", q, g.const(np.float32(1 / np.sqrt(width)))), perm=[1, 0, 2])
    table = (1, 2 * WINDOW + 1, width)
    rel_k = g.op("Transpose", g.op("Squeeze", raw(s, "emb_rel_k", table), g.const(np.array([0]))), perm=[1, 0])
    rel_v = g.op("Squeeze", raw(s, "emb_rel_v", table), g.const(np.array([0])))
    near = g.op("Mul", g.op("MatMul", q, rel_k), window.inside)  # [H, T, W]
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[1, 2, 0]))
    scores = g.op("ScatterElements", scores, window.index, near, axis=2, reduction="add")
    weights = g.op("Softmax", scores, axis=-1)
    near = g.op("Mul", g.op("GatherElements", weights, window.index, axis=2), window.inside)
    mixed = g.op("Add", g.op("MatMul", weights, g.op("Transpose", v, perm=[1, 0, 2])), g.op("MatMul", near, rel_v))
    joined = g.op("Reshape", g.op("Transpose", mixed, perm=[1, 0, 2]), g.const(np.array([-1, c])))
    return linear(s.at("conv_o"), joined, c, c)


def encoder_stack(s: Scope, x: Value, speaker: Value, shape: StackShape) -> Value:
    """Post-norm transformer on [T, C]; `speaker` [1, G] enters before the third layer."""
    g, c = s.graph, shape.channels
    window = band(g, x, shape.heads)
    for i in range(shape.layers):
        if i == SPEAKER_LAYER:
            x = g.op("Add", x, linear(s.at("spk_emb_linear"), speaker, shape.speaker, c))
        x = layer_norm(
            s.at(f"norm_layers_1.{i}"), g.op("Add", x, attention(s.at(f"attn_layers.{i}"), x, shape, window)), c
        )
        x = layer_norm(s.at(f"norm_layers_2.{i}"), g.op("Add", x, _feed_forward(s.at(f"ffn_layers.{i}"), x, shape)), c)
    return x


def _feed_forward(s: Scope, x: Value, shape: StackShape) -> Value:
    wide = s.graph.op("Relu", conv(s.at("conv_1"), x, (shape.filters, shape.channels, shape.kernel)))
    return conv(s.at("conv_2"), wide, (shape.channels, shape.filters, shape.kernel))
