"""The tensors of a voice recovered from a graph of it: AIVMX, Style-Bert-VITS2's own export, HayaKoe's.

Exporters keep most initializers under their names in the checkpoint, behind a prefix. What they fold or merge is found
by what the graph does with it: a linear layer's matrix stands transposed in the product that its bias is added to; a
weight or bias that was merged with an equal one is an input of the node named after its module; `exp(-logs)` of the
duration flow is the factor after `- m`; a weight that a simplifier halved follows a GELU without its half. Whether all
of it is right is not believed but compared (`compare`).

Source: spec voice-files sections 2 and 3; spec model-synthesizer section 10 for the names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from sokuon.convert.onnx_file import OnnxFile
from sokuon.errors import VoiceError

Array = npt.NDArray[Any]

_ANCHOR = "enc_p.emb.weight"  # every export has it under its name: it is gathered from, never folded
_PARTS = ("enc_p.", "dp.", "sdp.", "flow.", "dec.", "emb_g.")
_DENSE, _NORM = ("weight", "bias"), ("gamma", "beta")  # what follows the data among a node's inputs
_SUFFIX_ORDER = {"Conv": _DENSE, "ConvTranspose": _DENSE, "LayerNormalization": _NORM}
_HALF = 0.5  # of a GELU
_SCALE, _SHIFT = "sdp.flows.0.logs", "sdp.flows.0.m"


class Recovered(dict[str, Array]):
    """Tensors by name, most of them views of the file."""

    def __init__(self, tensors: Mapping[str, Array], file: OnnxFile) -> None:
        super().__init__(tensors)
        self._file = file

    def release(self) -> None:
        """See Checkpoint.release."""
        self._file.release()


def recover(file: OnnxFile) -> Recovered:
    """Tensors by the names a checkpoint has for them. Raises VoiceError if the graph has other names."""
    prefix = _prefix(file)
    try:
        return Recovered(_recovered(file, prefix), file)
    except (LookupError, StopIteration, TypeError, ValueError) as error:
        if isinstance(error, VoiceError):
            raise
        raise VoiceError(f"{file.path} is damaged ({error!r}); download it again.") from error


def _recovered(file: OnnxFile, prefix: str) -> dict[str, Array]:
    found = {
        name.removeprefix(prefix): array
        for name, array in file.tensors.items()
        if name.startswith(prefix) and name.removeprefix(prefix).startswith(_PARTS)
    }
    for name, array in (*_by_module(file), *_by_bias(file, prefix)):
        found.setdefault(name, array)
    if _SCALE not in found:
        found[_SCALE] = _log_scale(file, prefix)
    return found


def _prefix(file: OnnxFile) -> str:
    ends = sorted((name for name in file.tensors if name.endswith(_ANCHOR)), key=len)
    if not ends:
        raise VoiceError(
            f"{file.path} is not a graph of a Style-Bert-VITS2 voice, or has lost its tensors' names; "
            "take the voice's .safetensors file."
        )
    return ends[0].removesuffix(_ANCHOR)


def _by_module(file: OnnxFile) -> Iterator[tuple[str, Array]]:
    """What the inputs of convolutions and norms are, by the module that the node is named after."""
    makers = {output: node for node in file.nodes for output in node.output}
    for node in file.nodes:
        if node.op_type not in _SUFFIX_ORDER:
            continue
        module = _module(node.name)
        for suffix, name in zip(_SUFFIX_ORDER[node.op_type], node.input[1:], strict=False):
            if module and name in file.tensors:
                halved = suffix == "weight" and _lacks_half(node.input[0], makers, file.tensors)
                yield f"{module}.{suffix}", file.tensors[name] * np.float32(2) if halved else file.tensors[name]


def _lacks_half(name: str, makers: Mapping[str, onnx.NodeProto], tensors: Mapping[str, Array], depth: int = 4) -> bool:
    """True if `name` is x · (1 + erf(x / √2)): simplifiers move the half of a GELU into the weights after it."""
    node = makers.get(name)
    if node is None or node.op_type != "Mul" or depth == 0:
        return False
    if any(tensors[i].size == 1 and float(tensors[i].reshape(-1)[0]) == _HALF for i in node.input if i in tensors):
        return False
    inputs = [makers[i] for i in node.input if i in makers]
    if any(n.op_type == "Add" and any(makers[i].op_type == "Erf" for i in n.input if i in makers) for n in inputs):
        return True
    return any(_lacks_half(i, makers, tensors, depth - 1) for i in node.input)


def _module(node: str) -> str:
    """/network/enc_p/encoder/attn_layers.0/conv_q/Conv → enc_p.encoder.attn_layers.0.conv_q."""
    path = node.strip("/").rpartition("/")[0].replace("/", ".")
    start = min((at for part in _PARTS if (at := f".{path}.".find(f".{part}")) >= 0), default=-1)
    return path[start:] if start >= 0 else ""


def _by_bias(file: OnnxFile, prefix: str) -> Iterator[tuple[str, Array]]:
    """Matrices of linear layers: what is multiplied before a named bias is added."""
    makers = {output: node for node in file.nodes for output in node.output}
    for node in file.nodes:
        bias = next((name for name in node.input if name.startswith(prefix) and name.endswith(".bias")), None)
        if bias is None or node.op_type not in ("Add", "Gemm"):
            continue
        matrix = _matrix_before(node, bias, makers, file.tensors)
        if matrix is not None:
            yield bias.removeprefix(prefix).removesuffix("bias") + "weight", matrix


def _matrix_before(
    node: onnx.NodeProto, bias: str, makers: Mapping[str, onnx.NodeProto], tensors: Mapping[str, Array]
) -> Array | None:
    """[out, in] of the product that `bias` is added to."""
    if node.op_type == "Gemm":
        matrix = tensors.get(node.input[1])
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        return matrix if matrix is None or transposed else matrix.T
    product = next((makers[name] for name in node.input if name != bias and name in makers), None)
    if product is None or product.op_type != "MatMul" or product.input[1] not in tensors:
        return None
    matrix = tensors[product.input[1]]
    return matrix.T if matrix.ndim == 2 else None


def _log_scale(file: OnnxFile, prefix: str) -> Array:
    """`logs` [2, 1] from (z - m) · exp(-logs), as far as the exporter has computed it."""
    makers = {output: node for node in file.nodes for output in node.output}
    users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in file.nodes:
        for name in node.input:
            users[name].append(node)
    for difference in (n for n in users[prefix + _SHIFT] if n.op_type == "Sub"):
        for product in (n for n in users[difference.output[0]] if n.op_type == "Mul"):
            factor = next(name for name in product.input if name != difference.output[0])
            if factor in file.tensors:
                with np.errstate(divide="ignore", invalid="ignore"):  # NaN is refused where tensors are taken
                    return -np.log(file.tensors[factor].astype(np.float32))
            maker = makers.get(factor)
            if maker is not None and maker.op_type == "Exp" and maker.input[0] in file.tensors:
                return -file.tensors[maker.input[0]]
    raise VoiceError(f"{file.path} lacks the scale of its duration flow; take the voice's .safetensors file.")
