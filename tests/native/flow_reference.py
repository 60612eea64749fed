"""The flow in float64 NumPy from the equations (spec model-synthesizer sections 3.1 and 7); random tensors for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

WINDOW = 4
SPEAKER_LAYER = 2


@dataclass(frozen=True)
class Sizes:
    """A flow of transformer couplings, or without heads of WaveNets."""

    channels: int = 24
    filters: int = 40
    kernel: int = 5
    heads: int = 2
    layers: int = 3
    speaker: int = 6
    couplings: int = 4


def random_tensors(s: Sizes, seed: int = 0) -> dict[str, F32]:
    """A checkpoint's flow; weights that keep the signal's size, so that every layer matters."""
    rng = np.random.default_rng(seed)
    c, tensors = s.channels, {}

    def dense(name: str, *shape: int) -> None:
        tensors[f"{name}.weight"] = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        tensors[f"{name}.bias"] = 0.2 * rng.standard_normal(shape[0])

    for coupling in range(0, 2 * s.couplings, 2):
        prefix = f"flow.flows.{coupling}."
        dense(f"{prefix}pre", c, c // 2, 1)
        dense(f"{prefix}post", c // 2, c, 1)
        if not s.heads:
            dense(f"{prefix}enc.cond_layer", 2 * c * s.layers, s.speaker, 1)
            for i in range(s.layers):
                dense(f"{prefix}enc.in_layers.{i}", 2 * c, c, s.kernel)
                dense(f"{prefix}enc.res_skip_layers.{i}", 2 * c if i + 1 < s.layers else c, c, 1)
            continue
        if s.layers > SPEAKER_LAYER:
            dense(f"{prefix}enc.spk_emb_linear", c, s.speaker)
        for i in range(s.layers):
            attention, ffn = f"{prefix}enc.attn_layers.{i}.", f"{prefix}enc.ffn_layers.{i}."
            for part in "qkvo":
                dense(f"{attention}conv_{part}", c, c, 1)
            for part in "kv":
                tensors[f"{attention}emb_rel_{part}"] = rng.standard_normal((1, 2 * WINDOW + 1, c // s.heads))
            dense(f"{ffn}conv_1", s.filters, c, s.kernel)
            dense(f"{ffn}conv_2", c, s.filters, s.kernel)
            for norm in (f"{prefix}enc.norm_layers_1.{i}", f"{prefix}enc.norm_layers_2.{i}"):
                tensors[f"{norm}.gamma"] = 1 + 0.2 * rng.standard_normal(c)
                tensors[f"{norm}.beta"] = 0.2 * rng.standard_normal(c)
    return {name: np.asarray(value, np.float32) for name, value in tensors.items()}


def flow(s: Sizes, tensors: Mapping[str, F32], z: F32, speaker: F32) -> F64:
    """z [F, C] → [F, C]: flip, coupling, flip, coupling …"""
    t = {name: np.asarray(value, np.float64) for name, value in tensors.items()}
    x, half = z.astype(np.float64), s.channels // 2
    for coupling in reversed(range(0, 2 * s.couplings, 2)):
        prefix = f"flow.flows.{coupling}."
        x = x[:, ::-1]
        body = stack if s.heads else wavenet
        u = body(s, t, f"{prefix}enc.", dense(t, f"{prefix}pre", x[:, :half]), speaker)
        x = np.concatenate([x[:, :half], x[:, half:] - dense(t, f"{prefix}post", u)], axis=1)
    return x


def stack(s: Sizes, t: Mapping[str, F64], prefix: str, x: F64, speaker: F32) -> F64:
    """Post-norm blocks; the speaker is added once, before the third."""
    for i in range(s.layers):
        if i == SPEAKER_LAYER:
            x = x + dense(t, f"{prefix}spk_emb_linear", speaker.astype(np.float64))
        x = norm(t, f"{prefix}norm_layers_1.{i}", x + attention(s, t, f"{prefix}attn_layers.{i}.", x))
        wide = np.maximum(conv(t, f"{prefix}ffn_layers.{i}.conv_1", x), 0)
        x = norm(t, f"{prefix}norm_layers_2.{i}", x + conv(t, f"{prefix}ffn_layers.{i}.conv_2", wide))
    return x


def wavenet(s: Sizes, t: Mapping[str, F64], prefix: str, x: F64, speaker: F32) -> F64:
    """Gated convolutions; the skips add up."""
    c, skips = s.channels, np.zeros_like(x)
    condition = dense(t, f"{prefix}cond_layer", speaker.astype(np.float64))
    for i in range(s.layers):
        a = conv(t, f"{prefix}in_layers.{i}", x) + condition[2 * c * i : 2 * c * (i + 1)]
        out = dense(t, f"{prefix}res_skip_layers.{i}", np.tanh(a[:, :c]) / (1 + np.exp(-a[:, c:])))
        skips += out[:, -c:]
        x = x + out[:, :c]  # of the last layer nothing reads it
    return skips


def attention(s: Sizes, t: Mapping[str, F64], prefix: str, x: F64) -> F64:
    """[T, C] → [T, C], head after head, diagonal after diagonal of the window."""
    q, k, v = (dense(t, f"{prefix}conv_{part}", x) for part in "qkv")
    width, out = s.channels // s.heads, np.zeros_like(x)
    for head in range(s.heads):
        own = slice(head * width, (head + 1) * width)
        scores = q[:, own] @ k[:, own].T
        for rows, keys, d in _band(len(x)):
            scores[rows, keys] += q[rows, own] @ t[f"{prefix}emb_rel_k"][0, d]
        p = np.exp((scores - scores.max(axis=1, keepdims=True)) / np.sqrt(width))
        p /= p.sum(axis=1, keepdims=True)
        out[:, own] = p @ v[:, own]
        for rows, keys, d in _band(len(x)):
            out[rows, own] += p[rows, keys][:, None] * t[f"{prefix}emb_rel_v"][0, d]
    return dense(t, f"{prefix}conv_o", out)


def _band(length: int) -> list[tuple[Any, Any, int]]:
    """For every place d in the window the queries and keys that are that far apart."""
    places = []
    for d in range(2 * WINDOW + 1):
        rows = np.arange(length)
        rows = rows[(rows + d - WINDOW >= 0) & (rows + d - WINDOW < length)]
        places.append((rows, rows + d - WINDOW, d))
    return places


def dense(t: Mapping[str, F64], name: str, x: F64) -> F64:
    """A linear layer or 1x1 convolution."""
    weight = t[f"{name}.weight"]
    return np.asarray(x @ weight.reshape(weight.shape[:2]).T + t[f"{name}.bias"])


def conv(t: Mapping[str, F64], name: str, x: F64) -> F64:
    """Same-size convolution, zero padding (K-1)//2 left and K//2 right."""
    weight = t[f"{name}.weight"]
    taps = weight.shape[2]
    padded = np.pad(x, (((taps - 1) // 2, taps // 2), (0, 0)))
    return np.asarray(sum(padded[k : k + len(x)] @ weight[:, :, k].T for k in range(taps)) + t[f"{name}.bias"])


def norm(t: Mapping[str, F64], name: str, x: F64) -> F64:
    """Over channels."""
    centred = x - x.mean(axis=1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return np.asarray(centred / scale * t[f"{name}.gamma"] + t[f"{name}.beta"])
