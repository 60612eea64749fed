"""The flow in reverse: prior sample → latent frames. Transformer and WaveNet couplings, told apart by their tensors.

A flip reverses the channel order before each coupling. No node does it: where the order is reversed the coupling reads
the upper half with the columns of `pre` reversed and changes the lower half with the rows of `post` reversed.

Source: spec model-synthesizer section 7; mean-only couplings as in VITS, Kim et al. 2021.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sokuon.convert.graph import Value
from sokuon.convert.layers import Scope, StackShape, affine, columns, conv, encoder_stack

FLOW_KERNEL = 5  # of both kinds of coupling; not in config.json


def flow(s: Scope, z: Value, speaker: Value, shape: StackShape) -> Value:
    """Emit `flow` on z [F, C]; `shape` is that of a transformer coupling's stack, its layers counted here."""
    g, half = s.graph, shape.channels // 2
    low, high = columns(g, z, 0, half), columns(g, z, half, shape.channels)
    indices = coupling_indices(s)
    for step, index in enumerate(reversed(indices)):
        flipped = step % 2 == 0
        source, target = (high, low) if flipped else (low, high)
        mean = _coupling_mean(s.at(f"flows.{index}"), source, speaker, shape, flipped)
        target = g.op("Sub", target, mean)
        low, high = (target, source) if flipped else (source, target)
    joined = g.op("Concat", low, high, axis=1)
    return joined if len(indices) % 2 == 0 else _reversed(s, joined, shape.channels)


def coupling_indices(s: Scope) -> list[int]:
    """Module numbers of the couplings, in module order: 0, 2, 4, 6 for four."""
    keys = s.checkpoint.names(_pattern(s, r"flows.\d+.pre.weight"))
    return sorted(int(key.removeprefix(s.prefix).split(".")[1]) for key in keys)


def _coupling_mean(s: Scope, x: Value, speaker: Value, shape: StackShape, flipped: bool) -> Value:
    """[F, C/2] → [F, C/2]: pre, stack, post."""
    c, half, order = shape.channels, shape.channels // 2, -1 if flipped else 1
    pre = s.weight("pre.weight", lambda: s.take("pre.weight", (c, half, 1))[:, ::order, 0].T)
    u = affine(s.graph, x, pre, s.same("pre.bias", (c,)))
    wavenet = f"{s.prefix}enc.cond_layer.bias" in s.checkpoint
    stack = replace(shape, layers=_count(s, r"enc.attn_layers.\d+.emb_rel_k"))
    u = _wavenet(s.at("enc"), u, speaker, shape) if wavenet else encoder_stack(s.at("enc"), u, speaker, stack)
    post = s.weight("post.weight", lambda: s.take("post.weight", (half, c, 1))[::order, :, 0].T)
    return affine(s.graph, u, post, s.weight("post.bias", lambda: s.take("post.bias", (half,))[::order]))


def _wavenet(s: Scope, x: Value, speaker: Value, shape: StackShape) -> Value:
    """Gated convolutions with skip sums; every convolution is weight-normed.

    x ─ conv_i ─ + cond_i ─ tanh·sigmoid ─ 1x1 ─┬─ first half  ──> + x → next layer
                                                 └─ second half ──> Σ   (the last layer feeds only Σ)
    """
    g, c = s.graph, shape.channels
    layers = _count(s, r"in_layers.\d+.bias")
    wide = 2 * c * layers
    bias = s.same("cond_layer.bias", (wide,))
    weight = s.weight("cond_layer.weight", lambda: s.take_normed("cond_layer", (wide, shape.speaker, 1))[:, :, 0].T)
    condition = affine(g, speaker, weight, bias)  # [2C·layers]
    skips: list[Value] = []
    for i in range(layers):
        here = _conv(s, f"in_layers.{i}", x, c, 2 * c)
        here = g.op("Add", here, columns(g, condition, 2 * c * i, 2 * c * (i + 1)))
        gate = g.op("Mul", g.op("Tanh", columns(g, here, 0, c)), g.op("Sigmoid", columns(g, here, c, 2 * c)))
        last = i == layers - 1
        out = _conv(s, f"res_skip_layers.{i}", gate, c, c if last else 2 * c)
        skips.append(out if last else columns(g, out, c, 2 * c))
        x = x if last else g.op("Add", x, columns(g, out, 0, c))
    return g.op("Sum", *skips)


def _conv(s: Scope, name: str, x: Value, c_in: int, c_out: int) -> Value:
    return conv(s.at(name), x, c_in, c_out, s.conv_shape(name, c_in)[1])


def _count(s: Scope, tail: str) -> int:
    """How many tensors have this tail under the scope."""
    return len(s.checkpoint.names(_pattern(s, tail)))


def _pattern(s: Scope, tail: str) -> str:
    return (s.prefix + tail).replace(".", r"\.")


def _reversed(s: Scope, z: Value, channels: int) -> Value:
    order = s.graph.weight(s.prefix + "order", lambda: np.arange(channels - 1, -1, -1))
    return s.graph.op("Gather", z, order, axis=1)
