"""A `Graph` as an ONNX file. With `onnx_file` the only import of onnx."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.convert.graph import Graph, Node, Stored
from sokuon.errors import MissingExtraError
from sokuon.formats.contracts import Port

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise MissingExtraError(
        f"ONNX graphs need the package onnx ({error}); install it with: python -m pip install onnx."
    ) from error

OPSET = 17
_IR_VERSION = 9
_ELEMENT_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
}
_SUPPLIED = "supplied"  # as the place of what whoever opens the graph gives


def serialized(graph: Graph, metadata: Mapping[str, str] | None = None) -> bytes:
    """The whole file of a finished graph, with properties `metadata`."""
    contract = graph.contract
    body = helper.make_graph(
        [_node(node) for node in graph.nodes],
        contract.name,
        [_value_info(port) for port in contract.inputs],
        [_value_info(port) for port in contract.outputs],
        [_tensor(name, constant) for name, constant in graph.constants.items()],
    )
    domains = sorted({node.domain for node in graph.nodes})
    imports = [helper.make_opsetid(d, OPSET if d == "" else 1) for d in domains]
    model = helper.make_model(body, opset_imports=imports, ir_version=_IR_VERSION, producer_name="sokuon")
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    data: bytes = model.SerializeToString()
    return data


def _node(node: Node) -> onnx.NodeProto:
    name = node.outputs[0]
    return helper.make_node(
        node.kind, list(node.inputs), list(node.outputs), name=name, domain=node.domain, **node.attributes
    )


def _tensor(name: str, constant: npt.NDArray[Any] | Stored) -> onnx.TensorProto:
    if not isinstance(constant, Stored):
        return numpy_helper.from_array(constant, name)
    kind = _ELEMENT_TYPES[np.dtype(constant.dtype).name]
    tensor = TensorProto(name=name, data_type=kind, dims=constant.shape)
    tensor.data_location = TensorProto.EXTERNAL
    place = {"location": constant.file or _SUPPLIED, "offset": constant.offset, "length": constant.length}
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _value_info(port: Port) -> onnx.ValueInfoProto:
    """A port as a graph declares it."""
    return helper.make_tensor_value_info(port.name, _ELEMENT_TYPES[port.dtype], list(port.shape))
