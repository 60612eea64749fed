"""The encoder in float64 NumPy from the equations (spec model-synthesizer sections 3 to 5).

It reads the tensors of a converted voice: matrices [inputs][outputs], convolutions [taps · inputs][outputs], the factor
sqrt(C) of the embedding and 1 / sqrt(D) of the queries inside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from spline_reference import F64, inverse

WINDOW = 4
SPEAKER_LAYER = 2
BINS = 10
Arrays = Mapping[str, npt.NDArray[Any]]


def encode(tensors: Arrays, inputs: Arrays) -> tuple[F64, F64, F64, F64]:
    """The contract ENCODER."""
    t = {name: np.asarray(value, np.float64) for name, value in tensors.items()}
    i = {name: np.asarray(value, np.float64) if value.dtype.kind == "f" else value for name, value in inputs.items()}
    x = t["enc_p.emb.weight"][i["phones"]] + t["enc_p.tone_emb.weight"][i["tones"]]
    x = x + t["enc_p.language_emb.weight"][i["languages"]] + dense(t, "enc_p.style_proj", i["style"])
    x = stack(t, "enc_p.encoder.", x + dense(t, "enc_p.bert_proj", i["bert"])[i["characters"]], i["speaker"])
    mean, log_std = np.split(dense(t, "enc_p.proj", x), 2, axis=1)
    return mean, log_std, fixed(t, x, i["speaker"]), sampled(t, x, i["speaker"], i["duration_noise"])


def stack(t: Mapping[str, F64], prefix: str, x: F64, speaker: F64) -> F64:
    """Post-norm blocks; the speaker is added once, before the third."""
    layer = 0
    while f"{prefix}attn_layers.{layer}.emb_rel_k" in t:
        if layer == SPEAKER_LAYER:
            x = x + dense(t, f"{prefix}spk_emb_linear", speaker)
        x = norm(t, f"{prefix}norm_layers_1.{layer}", x + attention(t, f"{prefix}attn_layers.{layer}.", x))
        x = norm(t, f"{prefix}norm_layers_2.{layer}", x + feed_forward(t, f"{prefix}ffn_layers.{layer}.", x))
        layer += 1
    return x


def attention(t: Mapping[str, F64], prefix: str, x: F64) -> F64:
    """[T, C] → [T, C]; the relative terms written out as [T, T, D]."""
    q, k, v = np.split(dense(t, f"{prefix}qkv", x), 3, axis=1)
    keys, values = t[f"{prefix}emb_rel_k"].T, t[f"{prefix}emb_rel_v"]  # [9, D]
    width = values.shape[1]
    distance = np.arange(len(x))[None] - np.arange(len(x))[:, None] + WINDOW
    inside = ((distance >= 0) & (distance <= 2 * WINDOW))[..., None]
    near_keys, near_values = (table[np.clip(distance, 0, 2 * WINDOW)] * inside for table in (keys, values))
    heads = []
    for first in range(0, x.shape[1], width):
        own = slice(first, first + width)
        scores = q[:, own] @ k[:, own].T + np.einsum("td,tsd->ts", q[:, own], near_keys)
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        heads.append(p @ v[:, own] + np.einsum("ts,tsd->td", p, near_values))
    return dense(t, f"{prefix}conv_o", np.concatenate(heads, axis=1))


def feed_forward(t: Mapping[str, F64], prefix: str, x: F64) -> F64:
    """Two convolutions; the second one's weight is [inputs][taps · outputs]."""
    wide = np.maximum(conv(t, f"{prefix}conv_1", x), 0)
    weight, bias = t[f"{prefix}conv_2.weight"], t[f"{prefix}conv_2.bias"]
    weight = weight.reshape(len(weight), -1, len(bias)).transpose(1, 0, 2)
    return shifted(wide, weight.reshape(-1, len(bias))) + bias


def fixed(t: Mapping[str, F64], x: F64, speaker: F64) -> F64:
    """`dp` → [T]."""
    x = x + dense(t, "dp.cond", speaker)
    for n in (1, 2):
        x = norm(t, f"dp.norm_{n}", np.maximum(conv(t, f"dp.conv_{n}", x), 0))
    return np.asarray(dense(t, "dp.proj", x)[:, 0])


def sampled(t: Mapping[str, F64], x: F64, speaker: F64, noise: F64) -> F64:
    """`sdp` in sampling direction → [T]."""
    condition = separable(t, "sdp.convs.", dense(t, "sdp.pre", x) + dense(t, "sdp.cond", speaker))
    condition = dense(t, "sdp.proj", condition)
    z0, z1 = noise
    scale = 1 / np.sqrt(x.shape[1])
    for flow in (7, 5, 3):
        z0, z1 = z1, z0
        prefix = f"sdp.flows.{flow}."
        u = separable(t, f"{prefix}convs.", dense(t, f"{prefix}pre", z0[:, None]) + condition)
        theta = dense(t, f"{prefix}proj", u)
        widths, heights, slopes = np.split(theta, (BINS, 2 * BINS), axis=1)
        z1 = np.array([inverse(*row) for row in zip(z1, scale * widths, scale * heights, slopes, strict=True)])
    return np.asarray((z1 - t["sdp.flows.0.shift"]) * t["sdp.flows.0.scale"])


def separable(t: Mapping[str, F64], prefix: str, x: F64) -> F64:
    """Three dilated depth-separable layers."""
    for i in range(3):
        taps = [t[f"{prefix}convs_sep.{i}.weight.{k}"] for k in range(3)]
        reach = 3**i
        padded = np.pad(x, ((reach, reach), (0, 0)))
        y = sum(tap * padded[k * reach : k * reach + len(x)] for k, tap in enumerate(taps))
        y = gelu(norm(t, f"{prefix}norms_1.{i}", y + t[f"{prefix}convs_sep.{i}.bias"]))
        x = x + gelu(norm(t, f"{prefix}norms_2.{i}", dense(t, f"{prefix}convs_1x1.{i}", y)))
    return x


def dense(t: Mapping[str, F64], name: str, x: F64) -> F64:
    return np.asarray(x @ t[f"{name}.weight"] + t[f"{name}.bias"])


def conv(t: Mapping[str, F64], name: str, x: F64) -> F64:
    return shifted(x, t[f"{name}.weight"]) + t[f"{name}.bias"]


def shifted(x: F64, weight: F64) -> F64:
    """Same-size convolution with weight [taps · inputs][outputs], zero padding (K-1)//2 left and K//2 right."""
    taps = len(weight) // x.shape[1]
    padded = np.pad(x, (((taps - 1) // 2, taps // 2), (0, 0)))
    return np.asarray(np.concatenate([padded[k : k + len(x)] for k in range(taps)], axis=1) @ weight)


def norm(t: Mapping[str, F64], name: str, x: F64) -> F64:
    deviation = x - x.mean(axis=1, keepdims=True)
    scaled = deviation / np.sqrt((deviation**2).mean(axis=1, keepdims=True) + 1e-5)
    return np.asarray(scaled * t[f"{name}.gamma"] + t[f"{name}.beta"])


def gelu(x: F64) -> F64:
    return np.asarray(0.5 * x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))))
