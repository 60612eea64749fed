"""Single layers as tiny graphs against plain NumPy in float64, for lengths around every border."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest

from sokuon.convert import layers
from sokuon.convert.graph import Graph, Value
from sokuon.convert.layers import Scope, StackShape
from sokuon.convert.weights import Checkpoint
from sokuon.formats.contracts import Contract, Port
from sokuon.storage.tensors import TensorFileWriter

F64 = npt.NDArray[np.float64]
Build = Callable[[Scope, Value], Value]

C, HEADS = 8, 2
LENGTHS = (1, 2, 3, 4, 5, 6, 9, 10, 40)  # the window of relative attention is 4 to either side
TOLERANCE = 5e-6  # absolute, of values near 1: float32 sums of some 40 terms


def tensors(seed: int = 0, **shapes: tuple[int, ...]) -> dict[str, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return {n.replace("__", "."): (0.5 * rng.standard_normal(s)).astype(np.float32) for n, s in shapes.items()}


def session(folder: Path, given: dict[str, Any], build: Build) -> ort.InferenceSession:
    """x [T, C] → y by the layer that `build` emits; every given tensor must be used."""
    contract = Contract("layer", (Port("x", "float32", ("T", C)),), (Port("y", "float32", ("T", "D")),))
    checkpoint = Checkpoint(given, folder / "layer.safetensors")
    with TensorFileWriter(folder / "layer.weights", header_bytes=8192) as weights:
        graph = Graph(contract, weights)
        graph.save(folder, [build(Scope(graph, checkpoint), graph.input("x"))])
    checkpoint.finish(())
    onnx.checker.check_model(str(folder / "layer.onnx"), full_check=True)
    return ort.InferenceSession(str(folder / "layer.onnx"), providers=["CPUExecutionProvider"])


def compare(opened: ort.InferenceSession, expected: Callable[[F64], F64]) -> None:
    for length in LENGTHS:
        x = np.random.default_rng(length).standard_normal((length, C)).astype(np.float32)
        (y,) = opened.run(None, {"x": x})
        np.testing.assert_allclose(y, expected(x.astype(np.float64)), atol=TOLERANCE, err_msg=f"length {length}")


def same_conv(x: F64, weight: F64, bias: F64, dilation: int = 1) -> F64:
    """Spec notation: zero padding left (k-1)//2, right k//2, times dilation; weight [out, in / groups, k]."""
    kernel = weight.shape[2]
    left, right = (kernel - 1) // 2 * dilation, kernel // 2 * dilation
    padded = np.pad(x, ((left, right), (0, 0)))
    taps = [padded[k * dilation : k * dilation + len(x)] for k in range(kernel)]
    if weight.shape[1] == 1 and x.shape[1] > 1:  # one filter per channel
        return np.asarray(sum(tap * weight[:, 0, k] for k, tap in enumerate(taps)) + bias)
    return np.asarray(sum(tap @ weight[:, :, k].T for k, tap in enumerate(taps)) + bias)


def norm(x: F64, gamma: F64, beta: F64) -> F64:
    centred = x - x.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * gamma + beta)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 7])
def test_convolution(tmp_path: Path, kernel: int) -> None:
    given = tensors(c__weight=(6, C, kernel), c__bias=(6,))
    opened = session(tmp_path, given, lambda s, x: layers.conv(s.at("c"), x, C, 6, kernel))
    compare(opened, lambda x: same_conv(x, given["c.weight"], given["c.bias"]))


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_narrowing_convolution_is_the_same_convolution(tmp_path: Path, kernel: int) -> None:
    given = tensors(weight=(3, C, kernel), bias=(3,))
    opened = session(tmp_path, given, lambda s, x: layers.narrowing_conv(s, x, C, 3, kernel))
    compare(opened, lambda x: same_conv(x, given["weight"], given["bias"]))


@pytest.mark.parametrize("dilation", [1, 3, 9])
def test_depthwise_convolution(tmp_path: Path, dilation: int) -> None:
    given = tensors(weight=(C, 1, 3), bias=(C,))
    opened = session(tmp_path, given, lambda s, x: layers.depthwise_conv(s, x, C, 3, dilation))
    compare(opened, lambda x: same_conv(x, given["weight"], given["bias"], dilation))


@pytest.mark.parametrize("shape", [(5, C), (5, C, 1)])
def test_linear_layer_also_where_it_is_a_convolution(tmp_path: Path, shape: tuple[int, ...]) -> None:
    given = tensors(weight=shape, bias=(5,))
    opened = session(tmp_path, given, lambda s, x: layers.linear(s, x, C, 5))
    compare(opened, lambda x: x @ given["weight"].reshape(5, C).T.astype(np.float64) + given["bias"])


def test_layer_norm(tmp_path: Path) -> None:
    given = tensors(gamma=(C,), beta=(C,))
    opened = session(tmp_path, given, lambda s, x: layers.layer_norm(s, x, C))
    compare(opened, lambda x: norm(x, given["gamma"], given["beta"]))


def attention_tensors(prefix: str = "", seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for part in "qkvo":
        shapes |= {f"{prefix}conv_{part}.weight": (C, C, 1), f"{prefix}conv_{part}.bias": (C,)}
    for part in "kv":
        shapes[f"{prefix}emb_rel_{part}"] = (1, 9, C // HEADS)
    return tensors(seed, **shapes)


def attend(x: F64, t: dict[str, Any], prefix: str = "") -> F64:
    """Spec model-synthesizer section 3.1, index by index."""
    q, k, v = (x @ t[f"{prefix}conv_{p}.weight"][:, :, 0].T + t[f"{prefix}conv_{p}.bias"] for p in "qkv")
    width, out = C // HEADS, np.zeros_like(x)
    rel_k, rel_v = t[f"{prefix}emb_rel_k"][0].astype(np.float64), t[f"{prefix}emb_rel_v"][0].astype(np.float64)
    for head in range(HEADS):
        own = slice(head * width, (head + 1) * width)
        for i in range(len(x)):
            near = [j for j in range(len(x)) if abs(j - i) <= 4]
            scores = k[:, own] @ q[i, own]
            scores[near] += [rel_k[j - i + 4] @ q[i, own] for j in near]
            p = np.exp(scores / np.sqrt(width))
            p /= p.sum()
            out[i, own] = p @ v[:, own] + sum(p[j] * rel_v[j - i + 4] for j in near)
    return np.asarray(out @ t[f"{prefix}conv_o.weight"][:, :, 0].T + t[f"{prefix}conv_o.bias"])


def test_attention_with_its_relative_window(tmp_path: Path) -> None:
    given = attention_tensors()
    shape = StackShape(C, 12, 3, HEADS, 1, 6)

    def build(s: Scope, x: Value) -> Value:
        return layers.attention(s, x, shape, layers.band(s.graph, x, HEADS))

    compare(session(tmp_path, given, build), lambda x: attend(x, given))


def stack_tensors(count: int, kernel: int) -> dict[str, npt.NDArray[np.float32]]:
    given = tensors(9, spk_emb_linear__weight=(C, 6), spk_emb_linear__bias=(C,))
    for i in range(count):
        given |= attention_tensors(f"attn_layers.{i}.", seed=i)
        shapes: dict[str, tuple[int, ...]] = {
            f"ffn_layers.{i}.conv_1.weight": (12, C, kernel), f"ffn_layers.{i}.conv_1.bias": (12,),
            f"ffn_layers.{i}.conv_2.weight": (C, 12, kernel), f"ffn_layers.{i}.conv_2.bias": (C,),
        }  # fmt: skip
        for n in (1, 2):
            shapes |= {f"norm_layers_{n}.{i}.gamma": (C,), f"norm_layers_{n}.{i}.beta": (C,)}
        given |= tensors(20 + i, **shapes)
    return given


SPEAKER = np.linspace(-1, 1, 6).astype(np.float32)


def stacked(x: F64, t: dict[str, Any], count: int) -> F64:
    """Post-norm blocks; the speaker is added once, before the third."""
    for i in range(count):
        if i == 2:
            x = x + t["spk_emb_linear.weight"] @ SPEAKER + t["spk_emb_linear.bias"]
        x = norm(x + attend(x, t, f"attn_layers.{i}."), t[f"norm_layers_1.{i}.gamma"], t[f"norm_layers_1.{i}.beta"])
        ffn = f"ffn_layers.{i}.conv_"
        wide = np.maximum(same_conv(x, t[f"{ffn}1.weight"], t[f"{ffn}1.bias"]), 0)
        fed = same_conv(wide, t[f"{ffn}2.weight"], t[f"{ffn}2.bias"])
        x = norm(x + fed, t[f"norm_layers_2.{i}.gamma"], t[f"norm_layers_2.{i}.beta"])
    return x


@pytest.mark.parametrize(("count", "kernel"), [(1, 3), (2, 5), (3, 3), (4, 2)])
def test_encoder_stack(tmp_path: Path, count: int, kernel: int) -> None:
    given = stack_tensors(count, kernel)
    shape = StackShape(C, 12, kernel, HEADS, count, 6)

    def build(s: Scope, x: Value) -> Value:
        return layers.encoder_stack(s, x, s.graph.weight("speaker", lambda: SPEAKER), shape)

    compare(session(tmp_path, given, build), lambda x: stacked(x, given, count))
