"""The whole synthesizer as one graph, from phones to samples, with the noise drawn inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.convert.decoder import decoder, decoder_tensors
from sokuon.convert.duration import COUPLINGS, DDS_LAYERS, SDP_KERNEL, spline_inverse
from sokuon.convert.flow import FLOW_KERNEL, coupling_indices
from sokuon.convert.graph import Graph, Value
from sokuon.convert.layers import Scope, StackShape, columns
from sokuon.convert.published import Tensors
from sokuon.convert.weights import Checkpoint
from sokuon.export.layers import conv, encoder_stack, gelu, layer_norm, linear, raw
from sokuon.formats.contracts import LANGUAGES, STYLE_WIDTH, TONES, Contract
from sokuon.storage.tensors import TensorFileWriter
from sokuon.text.tables import SYMBOLS
from sokuon.voices.published import SourceConfig

_BINS = 10


@dataclass(frozen=True)
class Names:
    """What a layout calls the inputs (the scalars in the order noise, length, noise_w, ratio)."""

    phones: str
    tones: str
    scalars: tuple[str, str, str, str] = ("noise_scale", "length_scale", "noise_scale_w", "sdp_ratio")


class WholeGraph(Graph):
    """A graph that keeps its weights inside."""

    def __init__(self, contract: Contract) -> None:
        super().__init__(contract, _no_file())

    def weight(self, name: str, make: Callable[[], npt.NDArray[Any]]) -> Value:
        """See Graph."""
        self.constants[name] = make()
        return Value(name)

    def file(self, outputs: dict[str, Value], metadata: dict[str, str]) -> bytes:
        """The finished file; `outputs` under the contract's names."""
        from sokuon.convert.onnx_model import serialized

        self.name_outputs([outputs[port.name] for port in self.contract.outputs])
        return serialized(self, metadata)


def _no_file() -> TensorFileWriter:
    """What `Graph` would write weights to: nothing here."""
    return None  # type: ignore[return-value]


def emit(graph: WholeGraph, tensors: Tensors, source: Path, config: SourceConfig, names: Names) -> dict[str, Value]:
    """Emit everything; returns `audio` [1, 1, N] and `durations` [1, T]."""
    root = Scope(graph, Checkpoint(tensors, source))
    speaker = _speaker(root, config)
    hidden, mean, log_std = _prior(root.at("enc_p"), config, names, speaker)
    frames = _frames(root, hidden, speaker, config, names)  # [T]
    z = _sample(graph, mean, log_std, frames, names)  # [F, C]
    z = _flow(root.at("flow"), z, speaker, config)
    audio = _decode(root, z, speaker, config)  # [N]
    unsqueeze = graph.const(np.array([0, 1]))
    return {
        "audio": graph.op("Unsqueeze", audio, unsqueeze),
        "durations": graph.op("Unsqueeze", graph.op("Cast", frames, to=1), graph.const(np.array([0]))),
    }


def _speaker(root: Scope, config: SourceConfig) -> Value:
    """[1, G]."""
    return root.graph.op("Gather", raw(root, "emb_g.weight", (None, config.speaker_channels)), root.graph.input("sid"))


def _prior(s: Scope, config: SourceConfig, names: Names, speaker: Value) -> tuple[Value, Value, Value]:
    """Hidden states, mean and log-std of the prior, each [T, C] (spec model-synthesizer section 3)."""
    g, c = s.graph, config.hidden_channels
    tables = (
        (names.phones, "emb", len(SYMBOLS)),
        (names.tones, "tone_emb", TONES),
        ("language", "language_emb", LANGUAGES),
    )
    terms = [
        g.op("Gather", raw(s, f"{table}.weight", (rows, c)), _first(g, g.input(name))) for name, table, rows in tables
    ]
    width = s.checkpoint.shape(s.prefix + "bert_proj.weight")[1]
    bert = g.op("Transpose", _first(g, g.input("bert")), perm=[1, 0])  # [T, B]
    terms += [
        linear(s.at("bert_proj"), bert, width, c),
        linear(s.at("style_proj"), g.input("style_vec"), STYLE_WIDTH, c),
    ]
    x = g.op("Mul", g.op("Sum", *terms), g.const(np.float32(np.sqrt(c))))
    shape = StackShape(c, config.filter_channels, config.kernel, config.heads, config.layers, config.speaker_channels)
    hidden = encoder_stack(s.at("encoder"), x, speaker, shape)
    stats = linear(s.at("proj"), hidden, c, 2 * c)
    return hidden, columns(g, stats, 0, c), columns(g, stats, c, 2 * c)


def _frames(root: Scope, hidden: Value, speaker: Value, config: SourceConfig, names: Names) -> Value:
    """Whole frames of each slot, int64 [T] (sections 4 to 6)."""
    g, c, width = root.graph, config.hidden_channels, config.speaker_channels
    _, length, _, ratio = (g.input(name) for name in names.scalars)
    fixed = _fixed(root.at("dp"), hidden, speaker, c, width)
    sampled = _sampled(root.at("sdp"), hidden, speaker, config, names)
    rest = g.op("Sub", g.const(np.float32(1.0)), ratio)
    logarithm = g.op("Add", g.op("Mul", sampled, ratio), g.op("Mul", fixed, rest))  # [T, 1]
    exact = g.op("Mul", g.op("Exp", logarithm), length)
    return g.op("Reshape", g.op("Cast", g.op("Ceil", exact), to=7), g.const(np.array([-1])))


def _fixed(s: Scope, hidden: Value, speaker: Value, c: int, width: int) -> Value:
    g = s.graph
    filters, _, kernel = s.checkpoint.shape(s.prefix + "conv_1.weight")
    x = g.op("Add", hidden, linear(s.at("cond"), speaker, width, c))
    for n, c_in in ((1, c), (2, filters)):
        x = layer_norm(s.at(f"norm_{n}"), g.op("Relu", conv(s.at(f"conv_{n}"), x, (filters, c_in, kernel))), filters)
    return linear(s.at("proj"), x, filters, 1)


def _sampled(s: Scope, hidden: Value, speaker: Value, config: SourceConfig, names: Names) -> Value:
    g, c = s.graph, config.hidden_channels
    x = g.op("Add", linear(s.at("pre"), hidden, c, c), linear(s.at("cond"), speaker, config.speaker_channels, c))
    condition = linear(s.at("proj"), _dds_conv(s.at("convs"), x, c), c, c)
    two = g.op("Concat", g.op("Shape", hidden, start=0, end=1), g.const(np.array([2])), axis=0)  # [T, 2]
    noise = g.op("RandomNormalLike", g.op("ConstantOfShape", two), dtype=1)
    z = g.op("Mul", noise, g.input(names.scalars[2]))
    z0, z1 = columns(g, z, 0, 1), columns(g, z, 1, 2)
    for index in COUPLINGS:
        z0, z1 = z1, z0
        z1 = _spline(s.at(f"flows.{index}"), z0, z1, condition, c)
    z = g.op("Transpose", g.op("Concat", z1, z0, axis=1), perm=[1, 0])  # [2, T], the last flip
    affine = s.at("flows.0")
    shifted = g.op("Sub", z, raw(affine, "m", (2, 1)))
    scaled = g.op("Mul", shifted, g.op("Exp", g.op("Neg", raw(affine, "logs", (2, 1)))))
    return columns(g, g.op("Transpose", scaled, perm=[1, 0]), 0, 1)


def _dds_conv(s: Scope, x: Value, c: int) -> Value:
    g = s.graph
    for i in range(DDS_LAYERS):
        y = conv(s.at(f"convs_sep.{i}"), x, (c, 1, SDP_KERNEL), SDP_KERNEL**i, group=c)
        y = gelu(s, layer_norm(s.at(f"norms_1.{i}"), y, c))
        y = linear(s.at(f"convs_1x1.{i}"), y, c, c)
        x = g.op("Add", x, gelu(s, layer_norm(s.at(f"norms_2.{i}"), y, c)))
    return x


def _spline(s: Scope, x0: Value, x1: Value, condition: Value, c: int) -> Value:
    g = s.graph
    u = _dds_conv(s.at("convs"), g.op("Add", linear(s.at("pre"), x0, 1, c), condition), c)
    theta = linear(s.at("proj"), u, c, 3 * _BINS - 1)
    scale = g.const(np.float32(1.0 / np.sqrt(c)))
    widths = g.op("Mul", columns(g, theta, 0, _BINS), scale)
    heights = g.op("Mul", columns(g, theta, _BINS, 2 * _BINS), scale)
    return spline_inverse(g, x1, widths, heights, columns(g, theta, 2 * _BINS, 3 * _BINS - 1))


def _sample(g: Graph, mean: Value, log_std: Value, frames: Value, names: Names) -> Value:
    """Each slot repeated for its frames, plus noise: [F, C]."""
    ends = g.op("CumSum", frames, g.const(np.array(0)))  # [T]
    total = g.op("ReduceSum", frames, g.const(np.array([0])), keepdims=0)
    steps = g.op("Range", g.const(np.array(0)), total, g.const(np.array(1)))
    passed = g.op(
        "LessOrEqual", g.op("Unsqueeze", ends, g.const(np.array([0]))), g.op("Unsqueeze", steps, g.const(np.array([1])))
    )
    slot = g.op("ReduceSum", g.op("Cast", passed, to=7), g.const(np.array([1])), keepdims=0)  # [F]
    mean, deviation = g.op("Gather", mean, slot), g.op("Exp", g.op("Gather", log_std, slot))
    noise = g.op("Mul", g.op("RandomNormalLike", mean, dtype=1), g.input(names.scalars[0]))
    return g.op("Add", mean, g.op("Mul", noise, deviation))


def _flow(s: Scope, z: Value, speaker: Value, config: SourceConfig) -> Value:
    """Flip, then coupling, four times (section 7)."""
    g, c = s.graph, config.hidden_channels
    half = c // 2
    backwards = [g.const(np.array([n])) for n in (-1, np.iinfo(np.int64).min, 1, -1)]
    for index in reversed(coupling_indices(s)):
        z = g.op("Slice", z, *backwards)
        low, high = columns(g, z, 0, half), columns(g, z, half, c)
        coupling = s.at(f"flows.{index}")
        u = linear(coupling.at("pre"), low, half, c)
        u = _coupled(coupling.at("enc"), u, speaker, config)
        z = g.op("Concat", low, g.op("Sub", high, linear(coupling.at("post"), u, c, half)), axis=1)
    return z


def _coupled(s: Scope, x: Value, speaker: Value, config: SourceConfig) -> Value:
    c = config.hidden_channels
    if f"{s.prefix}cond_layer.bias" in s.checkpoint:
        return _wavenet(s, x, speaker, config)
    layers = len(s.checkpoint.names(s.prefix.replace(".", r"\.") + r"attn_layers\.\d+\.emb_rel_k"))
    shape = StackShape(c, config.filter_channels, FLOW_KERNEL, config.heads, layers, config.speaker_channels)
    return encoder_stack(s, x, speaker, replace(shape, layers=layers))


def _wavenet(s: Scope, x: Value, speaker: Value, config: SourceConfig) -> Value:
    g, c = s.graph, config.hidden_channels
    layers = len(s.checkpoint.names(s.prefix.replace(".", r"\.") + r"in_layers\.\d+\.bias"))
    condition = conv(s.at("cond_layer"), speaker, (2 * c * layers, config.speaker_channels, 1))
    skips = []
    for i in range(layers):
        kernel = s.checkpoint.normed_shape(f"{s.prefix}in_layers.{i}")[2]
        here = conv(s.at(f"in_layers.{i}"), x, (2 * c, c, kernel))
        here = g.op("Add", here, columns(g, condition, 2 * c * i, 2 * c * (i + 1)))
        gate = g.op("Mul", g.op("Tanh", columns(g, here, 0, c)), g.op("Sigmoid", columns(g, here, c, 2 * c)))
        last = i == layers - 1
        out = conv(s.at(f"res_skip_layers.{i}"), gate, (c if last else 2 * c, c, 1))
        skips.append(out if last else columns(g, out, c, 2 * c))
        x = x if last else g.op("Add", x, columns(g, out, 0, c))
    return g.op("Sum", *skips)


def _decode(root: Scope, z: Value, speaker: Value, config: SourceConfig) -> Value:
    tensors = decoder_tensors(root.checkpoint, config.decoder)
    flat = root.graph.op("Squeeze", speaker, root.graph.const(np.array([0])))
    return decoder(root.graph, tensors, config.decoder, (z, flat))


def _first(g: Graph, x: Value) -> Value:
    """The first of the batch, which is the only one."""
    return g.op("Squeeze", x, g.const(np.array([0])))
