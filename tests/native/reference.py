"""The generator in float64 NumPy, written from the equations (spec section 8): slow, plain, the truth for the tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sokuon.formats.decoder_config import DecoderConfig

F64 = npt.NDArray[np.float64]
Tensors = Mapping[str, npt.NDArray[np.float32]]


def leaky(x: F64, slope: float) -> F64:
    return np.where(x >= 0, x, slope * x)


def conv(x: F64, weight: F64, bias: F64 | float, dilation: int = 1) -> F64:
    """x [Cin, L], weight [Cout, Cin, K] -> [Cout, L], zero padding."""
    taps, length = weight.shape[2], x.shape[1]
    pad = (taps - 1) // 2 * dilation
    padded = np.pad(x, ((0, 0), (pad, pad)))
    total = sum(weight[:, :, k] @ padded[:, k * dilation : k * dilation + length] for k in range(taps))
    return np.asarray(total + np.reshape(bias, (-1, 1)))


def conv_transpose(x: F64, weight: F64, bias: F64, rate: int) -> F64:
    """x [Cin, L], weight [Cin, Cout, K] -> [Cout, L * rate]; output t * rate + j - pad takes tap j of input t."""
    taps, length = weight.shape[2], x.shape[1]
    pad = (taps - rate) // 2
    full = np.zeros((weight.shape[1], (length - 1) * rate + taps if length else 0))
    for j in range(taps if length else 0):
        full[:, j : j + (length - 1) * rate + 1 : rate] += weight[:, :, j].T @ x
    return full[:, pad : pad + length * rate] + bias[:, None]


def resblock(x: F64, config: DecoderConfig, index: int, tensors: Mapping[str, F64]) -> F64:
    branch = index % len(config.resblock_kernels)
    names = ("convs1", "convs2") if config.resblock == 1 else ("convs",)
    for m, dilation in enumerate(config.resblock_dilations[branch]):
        y = x
        for name in names:
            key = f"resblocks.{index}.{name}.{m}"
            y = conv(
                leaky(y, 0.1), tensors[f"{key}.weight"], tensors[f"{key}.bias"], 1 if name == "convs2" else dilation
            )
        x = x + y
    return x


def decode(config: DecoderConfig, tensors: Tensors, z: npt.NDArray[np.float32], g: npt.NDArray[np.float32]) -> F64:
    """z [C, F], g [G] -> samples [hop * F]."""
    w = {name: np.asarray(value, np.float64) for name, value in tensors.items()}
    x = conv(z.astype(np.float64), w["conv_pre.weight"], w["conv_pre.bias"])
    if config.speaker_channels:
        x = x + (w["cond.weight"][:, :, 0] @ g.astype(np.float64) + w["cond.bias"])[:, None]
    branches = len(config.resblock_kernels)
    for i, rate in enumerate(config.upsample_rates):
        x = conv_transpose(leaky(x, 0.1), w[f"ups.{i}.weight"], w[f"ups.{i}.bias"], rate)
        x = sum(resblock(x, config, i * branches + j, w) for j in range(branches)) / branches  # type: ignore[assignment]
    return np.asarray(np.tanh(conv(leaky(x, 0.01), w["conv_post.weight"], 0.0))[0])


def random_tensors(config: DecoderConfig, seed: int = 0, bias: float = 0.05) -> dict[str, npt.NDArray[np.float32]]:
    """Weights that keep the signal's size through the layers, so that every layer matters."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, npt.NDArray[np.float32]] = {}

    def add(name: str, shape: tuple[int, ...], fan_in: float, outputs: int, gain: float = 1.0) -> None:
        tensors[f"{name}.weight"] = (gain * rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)
        tensors[f"{name}.bias"] = (bias * rng.standard_normal(outputs)).astype(np.float32)

    latent, initial = config.latent_channels, config.initial_channels
    add("conv_pre", (initial, latent, 7), 7 * latent, initial)
    if config.speaker_channels:
        add("cond", (initial, config.speaker_channels, 1), config.speaker_channels, initial)
    for i, (rate, kernel) in enumerate(zip(config.upsample_rates, config.upsample_kernels, strict=True)):
        before, after = config.channels(i - 1), config.channels(i)
        add(f"ups.{i}", (before, after, kernel), before * kernel / rate, after, 1.4)
        for j, taps in enumerate(config.resblock_kernels):
            for m in range(len(config.resblock_dilations[j])):
                for name in ("convs1", "convs2") if config.resblock == 1 else ("convs",):
                    key = f"resblocks.{i * len(config.resblock_kernels) + j}.{name}.{m}"
                    add(key, (after, after, taps), after * taps, after, 0.8)
    last = config.channels(len(config.upsample_rates) - 1)
    tensors["conv_post.weight"] = (0.3 * rng.standard_normal((1, last, 7)) / np.sqrt(7 * last)).astype(np.float32)
    return tensors


def snr(signal: npt.ArrayLike, reference: F64) -> float:
    """Decibels of `reference` over the difference."""
    error = np.asarray(signal, np.float64) - reference
    return float(10 * np.log10(np.sum(reference**2) / max(np.sum(error**2), 1e-300)))
