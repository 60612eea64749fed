"""16-bit codes of the flow's and the decoder's large weights, laid out as native kernels read them in the mapped file.

A weight is code · scale, |code| ≤ 32767. `<network>.codes` holds for a weight of `<network>.weights` the codes under
the same name, and `<name>.scales`. Outputs lie in panels of 32 for every instruction set, filled up with zeros, so
that all map one file: the flow's weights as [panel][tap][input][32] with a scale per output, the decoder's as
[panel][input][tap][32] with a scale per tap and output. Products, divisions and roundings of single numbers alone: the
file has the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sokuon.convert.decoder import EDGE_KERNEL, resblock_convs
from sokuon.formats.contracts import DECODER, FLOW
from sokuon.formats.decoder_config import DecoderConfig
from sokuon.storage.tensors import F32, TensorFile, TensorFileWriter

I16 = npt.NDArray[np.int16]
_Number = TypeVar("_Number", bound=np.generic)
Coded = tuple[str, I16, F32]  # name of the weight, codes, scales

PANEL = 32  # outputs
LEAST_CHANNELS = 128  # of a decoder's layer: smaller ones are kept transformed (native/src/decoder/choose.h)
_MOST_TAPS = 11  # the same
_MOST = np.float32(32767)
_LEAST = np.float32(1e-30)  # the inverse of a smaller weight is no float
_ENTRY_BYTES = 256  # of the header, for a tensor
_HEADER_UNIT = 4096
SCALES = ".scales"


def write_codes(folder: Path, config: DecoderConfig) -> None:
    """Write flow.codes and decoder.codes beside the weights in `folder`."""
    for contract in (FLOW, DECODER):
        weights = TensorFile(folder / f"{contract.name}.weights")
        codes = flow_codes(weights) if contract is FLOW else decoder_codes(weights, config)
        save_codes(folder / f"{contract.name}.codes", codes, len(weights))
        weights.release()


def save_codes(path: Path, codes: Iterable[Coded], most: int) -> None:
    """Write a file of codes of half of `most` weights at most: of those among so many weights and biases."""
    header = -(-(most + 1) * _ENTRY_BYTES // _HEADER_UNIT) * _HEADER_UNIT
    with TensorFileWriter(path, header) as file:
        for name, panels, scales in codes:
            file.add(name, panels)
            file.add(name + SCALES, scales)


def flow_codes(weights: Mapping[str, F32]) -> Iterator[Coded]:
    """Of every dense layer and convolution: [taps · inputs, outputs], or [inputs, taps · outputs] where it narrows."""
    for name in weights:
        bias = f"{name.removesuffix('.weight')}.bias"
        if name.endswith(".weight") and bias in weights:
            yield name, *flow_matrix(weights[name], len(weights[bias]))


def flow_matrix(weight: F32, outputs: int) -> tuple[I16, F32]:
    """Codes [panel, taps · inputs, 32] and scales [outputs, filled up] of a flow's weight in either form."""
    inputs, width = weight.shape
    if width != outputs:  # [inputs, taps · outputs]
        weight = weight.reshape(inputs, -1, outputs).transpose(1, 0, 2).reshape(-1, outputs)
    scales, codes = _coded(weight, axis=0)
    panels = _filled(codes, 1).reshape(len(codes), -1, PANEL).transpose(1, 0, 2)
    return panels, _filled(scales, 0)


def decoder_codes(weights: Mapping[str, F32], config: DecoderConfig, prefix: str = "dec.") -> Iterator[Coded]:
    """Of every convolution from LEAST_CHANNELS channels on, but those that upsample."""
    edge = ("conv_pre", min(config.latent_channels, config.initial_channels), EDGE_KERNEL, 1)
    for name, channels, kernel, _ in (edge, *resblock_convs(config)):
        if channels >= LEAST_CHANNELS and kernel <= _MOST_TAPS:
            full = f"{prefix}{name}.weight"
            yield full, *filter_codes(weights[full])


def filter_codes(weight: F32) -> tuple[I16, F32]:
    """Codes [panel, inputs, taps, 32] and scales [taps, outputs, filled up] of a weight [outputs, inputs, taps]."""
    scales, codes = _coded(weight, axis=1)
    filled = _filled(codes, 0)
    panels = filled.reshape(-1, PANEL, *weight.shape[1:]).transpose(0, 2, 3, 1)
    return panels, _filled(np.ascontiguousarray(scales.T), 1)


def _coded(weight: F32, axis: int) -> tuple[F32, I16]:
    """Scales, the largest weight along `axis` by 32767 each, and codes."""
    most = np.abs(weight).max(axis=axis, keepdims=True, initial=0)
    inverse = np.divide(_MOST, most, out=np.zeros_like(most), where=most > _LEAST)
    codes = np.rint(weight * inverse).astype(np.int16)
    scales: F32 = (most / _MOST).squeeze(axis)
    return scales, codes


def _filled(array: npt.NDArray[_Number], axis: int) -> npt.NDArray[_Number]:
    """Up to whole panels along `axis`, with zeros."""
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, -array.shape[axis] % PANEL)
    return np.pad(array, widths)
