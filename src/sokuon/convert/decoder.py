"""The HiFi-GAN decoder: latent frames → samples, channels first as ONNX convolutions want it.

z [F,C] ─ conv_pre + cond(speaker) ─ for each stage: leaky ReLU ─ transposed conv ─ mean of resblocks ─
─ leaky ReLU ─ conv_post ─ tanh ─> [hop·F]

Source: spec model-synthesizer section 8; HiFi-GAN, Kong et al. 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from sokuon.convert.graph import Graph, Value
from sokuon.convert.weights import Checkpoint
from sokuon.formats.decoder_config import DecoderConfig
from sokuon.storage.tensors import F32

SLOPE = 0.1  # leaky ReLU inside the stages
LAST_SLOPE = 0.01  # before conv_post
EDGE_KERNEL = 7  # of conv_pre and conv_post


def decoder_tensors(checkpoint: Checkpoint, config: DecoderConfig, prefix: str = "dec.") -> dict[str, F32]:
    """All decoder tensors with weight norm folded, named without `prefix`: what both decoders are made from."""
    c, g = config.latent_channels, config.speaker_channels
    tensors: dict[str, F32] = {}

    def take(name: str, *shape: int) -> None:
        tensors[f"{name}.weight"] = checkpoint.take_normed(prefix + name, shape)
        bias = prefix + f"{name}.bias"
        if name != "conv_post" or bias in checkpoint:  # JP-Extra has none; other HiFi-GANs do
            width = shape[1] if name.startswith("ups.") else shape[0]
            tensors[f"{name}.bias"] = checkpoint.take(bias, (width,))

    take("conv_pre", config.initial_channels, c, EDGE_KERNEL)
    take("cond", config.initial_channels, g, 1)
    for stage, kernel in enumerate(config.upsample_kernels):
        take(f"ups.{stage}", config.channels(stage - 1), config.channels(stage), kernel)
    for name, channels, kernel, _ in resblock_convs(config):
        take(name, channels, channels, kernel)
    take("conv_post", 1, config.channels(len(config.upsample_rates) - 1), EDGE_KERNEL)
    return tensors


def resblock_convs(config: DecoderConfig) -> list[tuple[str, int, int, int]]:
    """(name, channels, kernel, dilation) of every resblock convolution, in checkpoint order."""
    rows = []
    for stage in range(len(config.upsample_rates)):
        for j, (kernel, dilations) in enumerate(zip(config.resblock_kernels, config.resblock_dilations, strict=True)):
            block = f"resblocks.{stage * len(config.resblock_kernels) + j}"
            for m, dilation in enumerate(dilations):
                if config.resblock == 1:
                    rows.append((f"{block}.convs1.{m}", config.channels(stage), kernel, dilation))
                    rows.append((f"{block}.convs2.{m}", config.channels(stage), kernel, 1))
                else:
                    rows.append((f"{block}.convs.{m}", config.channels(stage), kernel, dilation))
    return rows


def decoder(
    g: Graph, tensors: Mapping[str, F32], config: DecoderConfig, inputs: tuple[Value, Value] | None = None
) -> Value:
    """Emit the decoder on `inputs` z [F, C] and speaker [G], else the graph's own; returns audio [hop·F].

    `tensors` are those of `decoder_tensors`, or stand for what is written under their names.
    """
    values = {name: g.weight(f"dec.{name}", partial(tensors.__getitem__, name)) for name in tensors}
    latent, speaker = inputs or (g.input("z"), g.input("speaker"))
    net = _Net(g, values)
    z = g.op("Unsqueeze", g.op("Transpose", latent, perm=[1, 0]), g.const(np.array([0])))  # [1, C, F]
    x = g.op("Add", net.conv("conv_pre", z, EDGE_KERNEL), net.speaker(speaker))
    for stage, (rate, kernel) in enumerate(zip(config.upsample_rates, config.upsample_kernels, strict=True)):
        x = net.upsample(f"ups.{stage}", net.leaky(x, SLOPE), rate, kernel)  # [1, channels/2, rate·L]
        x = _stage(net, x, stage, config)
    audio = g.op("Tanh", net.conv("conv_post", net.leaky(x, LAST_SLOPE), EDGE_KERNEL))  # [1, 1, N]
    return g.op("Squeeze", audio, g.const(np.array([0, 1])))


class _Net:
    """Emits the decoder's few kinds of node from named constants."""

    def __init__(self, graph: Graph, values: dict[str, Value]) -> None:
        self.graph = graph
        self._values = values

    def speaker(self, speaker: Value) -> Value:
        """cond(speaker) as [1, channels, 1]."""
        g = self.graph
        column = g.op("Unsqueeze", speaker, g.const(np.array([0, 2])))
        return self.conv("cond", column, 1)

    def leaky(self, x: Value, slope: float) -> Value:
        return self.graph.op("LeakyRelu", x, alpha=slope)

    def conv(self, name: str, x: Value, kernel: int, dilation: int = 1) -> Value:
        pad = (kernel - 1) * dilation // 2
        inputs = [x, self._values[f"{name}.weight"], self._values.get(f"{name}.bias")]
        return self.graph.op("Conv", *_trim(inputs), pads=[pad, pad], dilations=[dilation], kernel_shape=[kernel])

    def upsample(self, name: str, x: Value, rate: int, kernel: int) -> Value:
        pad = (kernel - rate) // 2
        inputs = (x, self._values[f"{name}.weight"], self._values[f"{name}.bias"])
        return self.graph.op("ConvTranspose", *inputs, pads=[pad, pad], strides=[rate], kernel_shape=[kernel])


def _stage(net: _Net, x: Value, stage: int, config: DecoderConfig) -> Value:
    """Mean over the resblocks of one stage, all fed with x [1, channels, L]."""
    count = len(config.resblock_kernels)
    block = _resblock1 if config.resblock == 1 else _resblock2
    outputs = [
        block(net, x, f"resblocks.{stage * count + j}", config.resblock_kernels[j], config.resblock_dilations[j])
        for j in range(count)
    ]
    if count == 1:
        return outputs[0]
    return net.graph.op("Mul", net.graph.op("Sum", *outputs), net.graph.const(np.float32(1.0 / count)))


def _resblock1(net: _Net, x: Value, name: str, kernel: int, dilations: tuple[int, ...]) -> Value:
    for m, dilation in enumerate(dilations):
        y = net.conv(f"{name}.convs1.{m}", net.leaky(x, SLOPE), kernel, dilation)
        y = net.conv(f"{name}.convs2.{m}", net.leaky(y, SLOPE), kernel)
        x = net.graph.op("Add", x, y)
    return x


def _resblock2(net: _Net, x: Value, name: str, kernel: int, dilations: tuple[int, ...]) -> Value:
    for m, dilation in enumerate(dilations):
        x = net.graph.op("Add", x, net.conv(f"{name}.convs.{m}", net.leaky(x, SLOPE), kernel, dilation))
    return x


def _trim(inputs: list[Value | None]) -> list[Value | None]:
    return inputs if inputs[-1] is not None else inputs[:-1]
