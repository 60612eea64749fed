"""Tensors that a simplifier rewrote, found by what the graph does with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from sokuon.convert.onnx_file import OnnxFile
from sokuon.convert.onnx_voice import _by_module


def gelu_before_a_convolution(path: Path, *, half: bool, mask: bool) -> None:
    """x · (1 + erf(x / √2)), times ½ or not, times a mask or not, into an unnamed weight of a named node."""
    node = onnx.helper.make_node
    nodes = [
        node("Mul", ["x", "root"], ["scaled"]),
        node("Erf", ["scaled"], ["erf"]),
        node("Add", ["erf", "one"], ["sum"]),
        node("Mul", ["x", "sum"], ["gelu"]),
    ]
    last = "gelu"
    for wanted, factor in ((half, "half"), (mask, "mask")):
        if wanted:
            nodes.append(node("Mul", [last, factor], [f"times_{factor}"]))
            last = f"times_{factor}"
    nodes.append(node("Conv", [last, "w", "b"], ["y"], name="/net/sdp/convs/convs_1x1.0/Conv"))
    constants = {"root": 0.7071, "one": 1.0, "half": 0.5, "mask": [[[1.0, 1.0]]], "w": [[[3.0]]], "b": [4.0]}
    tensors = [onnx.numpy_helper.from_array(np.array(v, np.float32), name) for name, v in constants.items()]
    ports = [onnx.helper.make_tensor_value_info(name, 1, [1, 1, 2]) for name in "xy"]
    graph = onnx.helper.make_graph(nodes, "g", ports[:1], ports[1:], tensors)
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_a_weight_that_took_the_half_of_a_gelu_gets_it_back(tmp_path: Path, half: bool, mask: bool) -> None:
    gelu_before_a_convolution(tmp_path / "g.onnx", half=half, mask=mask)
    found = dict(_by_module(OnnxFile(tmp_path / "g.onnx")))
    assert found["sdp.convs.convs_1x1.0.weight"].tolist() == [[[3.0 if half else 6.0]]]
    assert found["sdp.convs.convs_1x1.0.bias"].tolist() == [4.0]
