"""The native flow: transformer and WaveNet couplings in C++ (`native/`), doing what `flow.onnx` does.

Letters: F frames, C latent channels, G speaker width.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sokuon.errors import WeightError
from sokuon.native.library import (
    FROM_TENSORS,
    STORAGE,
    Handle,
    NativeError,
    Signatures,
    Storage,
    code_table,
    tensor_table,
)
from sokuon.storage.tensors import F32, TensorFile

_PREFIX = "flow.flows.0."
_LONG_FRAMES = 200  # 40 ms of one core at full size


class _Config(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int32) for name in ("channels", "filters", "kernel", "heads", "speaker"))


_SIGNATURES: Signatures = {
    "sk_flow_create": (ctypes.c_void_p, (ctypes.POINTER(_Config), *FROM_TENSORS)),
    "sk_flow_destroy": (None, (ctypes.c_void_p,)),
    "sk_flow_weight_bytes": (ctypes.c_int64, (ctypes.c_void_p,)),
    "sk_flow_run": (
        ctypes.c_int32,
        (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p),
    ),
}


@dataclass(frozen=True)
class FlowShape:
    """Sizes of a flow: latent width C, FFN width, kernel, heads (0: WaveNet couplings), speaker width G."""

    channels: int
    filters: int
    kernel: int
    heads: int
    speaker: int


class NativeFlow(Handle):
    """The flow of a converted voice.

    `tensors` are those of flow.weights; they are packed for this machine and not needed afterwards. What has `codes`
    (flow.codes, for the storage q16) is used there instead, in the mapped file. Raises WeightError for damaged weights.
    """

    _kind = "flow"
    _signatures = _SIGNATURES

    def __init__(self, tensors: Mapping[str, F32], storage: Storage = "fp32", codes: TensorFile | None = None) -> None:
        super().__init__()
        self.shape = s = flow_shape(tensors)
        table, _alive = tensor_table(tensors)
        self._codes, mapped = codes, code_table(codes)
        config = _Config(s.channels, s.filters, s.kernel, s.heads, s.speaker)
        problem = self._create(config, table, len(table), mapped, len(mapped), STORAGE[storage])
        if problem:
            raise WeightError(f"The native flow cannot take these weights: {problem}.")

    def run(self, z_prior: F32, speaker: F32, threads: int) -> F32:
        """z_prior [F, C], speaker [G] → z [F, C]."""
        z_prior, speaker = np.ascontiguousarray(z_prior, np.float32), np.ascontiguousarray(speaker, np.float32)
        if z_prior.ndim != 2 or z_prior.shape[1] != self.shape.channels:
            raise ValueError(f"z_prior has shape {z_prior.shape}, expected (frames, {self.shape.channels})")
        if self.shape.speaker and speaker.shape != (self.shape.speaker,):
            raise ValueError(f"speaker has shape {speaker.shape}, expected ({self.shape.speaker},)")
        z = np.empty_like(z_prior)
        arguments = (z_prior.ctypes.data, len(z_prior), speaker.ctypes.data, threads, z.ctypes.data)
        if self._status(len(z_prior) > _LONG_FRAMES, *arguments) != 0:
            raise NativeError("The native flow ran out of memory.")
        return z


def flow_shape(tensors: Mapping[str, F32]) -> FlowShape:
    """Sizes as the first coupling's tensors show them; G is 0 where the stacks are too shallow to use the speaker.

    Raises WeightError where a tensor is missing.
    """

    def size(name: str, axis: int) -> int:
        if f"{_PREFIX}{name}" not in tensors or tensors[f"{_PREFIX}{name}"].ndim <= axis:
            raise WeightError(f"The flow tensor {_PREFIX}{name} is missing or mis-shaped; convert the voice again.")
        return int(tensors[f"{_PREFIX}{name}"].shape[axis])

    channels = size("pre.bias", 0)
    if f"{_PREFIX}enc.cond_layer.bias" in tensors:
        rows = size("enc.in_layers.0.weight", 0)  # taps · channels
        if not channels or rows % channels:
            raise WeightError(f"The flow's {channels} channels do not fit {rows} convolution rows.")
        return FlowShape(channels, 0, rows // channels, 0, size("enc.cond_layer.weight", 0))
    head = size("enc.attn_layers.0.emb_rel_k", 0)
    rows = size("enc.ffn_layers.0.conv_1.weight", 0)  # taps · channels
    if not head or not channels or channels % head or rows % channels:
        raise WeightError(f"The flow's {channels} channels do not fit heads of {head} and {rows} convolution rows.")
    speaker = "enc.spk_emb_linear.weight"
    return FlowShape(
        channels=channels,
        filters=size("enc.ffn_layers.0.conv_1.bias", 0),
        kernel=rows // channels,
        heads=channels // head,
        speaker=size(speaker, 0) if f"{_PREFIX}{speaker}" in tensors else 0,
    )
