"""The native decoder, doing what `decoder.onnx` does."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from sokuon.errors import WeightError
from sokuon.formats.decoder_config import DecoderConfig
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

PREFIX = "dec."  # of the decoder's tensors in the files of a voice
SLICE_FRAMES = 480  # per thread and call
_LONG_FRAMES = 24  # 30 ms of one server processor's time, half a second of a small one's


class _Config(ctypes.Structure):
    _fields_ = (
        ("latent_channels", ctypes.c_int32),
        ("speaker_channels", ctypes.c_int32),
        ("initial_channels", ctypes.c_int32),
        ("stages", ctypes.c_int32),
        ("upsample_rates", ctypes.POINTER(ctypes.c_int32)),
        ("upsample_kernels", ctypes.POINTER(ctypes.c_int32)),
        ("resblock", ctypes.c_int32),
        ("branches", ctypes.c_int32),
        ("branch_kernels", ctypes.POINTER(ctypes.c_int32)),
        ("dilation_counts", ctypes.POINTER(ctypes.c_int32)),
        ("dilations", ctypes.POINTER(ctypes.c_int32)),
    )


_RUN_ARGUMENTS = (
    ctypes.c_void_p,  # decoder
    ctypes.c_void_p,  # z [C, F]
    ctypes.c_int64,  # F
    ctypes.c_void_p,  # g [G]
    ctypes.c_int64,  # first frame
    ctypes.c_int64,  # frames
)
_SIGNATURES: Signatures = {
    "sk_decoder_create": (ctypes.c_void_p, (ctypes.POINTER(_Config), *FROM_TENSORS)),
    "sk_decoder_destroy": (None, (ctypes.c_void_p,)),
    "sk_decoder_weight_bytes": (ctypes.c_int64, (ctypes.c_void_p,)),
    "sk_decoder_run": (ctypes.c_int32, (*_RUN_ARGUMENTS, ctypes.c_int32, ctypes.c_void_p)),
    "sk_decoder_profile": (ctypes.c_int32, (*_RUN_ARGUMENTS, ctypes.c_void_p, ctypes.c_void_p)),
}


class NativeDecoder(Handle):
    """A HiFi-GAN decoder with its weights packed for this machine.

    `tensors` are the plain FP32 tensors of the checkpoint, weight norm folded, without the "dec." prefix; they are not
    needed afterwards. `storage` is how the filters of large layers stay in memory: exact, or as 16-bit codes with a
    scale per tap and output, in half of it; what `codes` (decoder.codes) holds is used there, in the mapped file.
    """

    _kind = "decoder"
    _signatures = _SIGNATURES

    def __init__(
        self,
        config: DecoderConfig,
        tensors: Mapping[str, F32],
        storage: Storage = "fp32",
        codes: TensorFile | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        table, _alive = tensor_table(tensors)
        self._codes, mapped = codes, code_table(codes, PREFIX)
        problem = self._create(_c_config(config), table, len(table), mapped, len(mapped), STORAGE.get(storage, -1))
        if problem:
            raise WeightError(f"The native decoder cannot take these weights: {problem}.")

    def decode(self, z: F32, g: F32, threads: int) -> F32:
        """z [C, F], g [G] -> samples [hop * F] in [-1, 1]."""
        z, g = self._checked(z, g)
        frames = z.shape[1]
        samples = np.empty(frames * self.config.hop, np.float32)
        step = SLICE_FRAMES * max(threads, 1)
        for first in range(0, frames, step):
            self._run(z, g, slice(first, min(first + step, frames)), threads, samples[first * self.config.hop :])
        return samples

    def stream(self, z: F32, g: F32, threads: int, chunks: Iterable[int]) -> Iterator[F32]:
        """Yield the samples of `decode` piece by piece; `chunks` are sizes in frames, what they leave comes last."""
        z, g = self._checked(z, g)
        frames, first = z.shape[1], 0
        for size in chunks:
            if first >= frames:
                return
            part = slice(first, min(first + max(size, 1), frames))
            yield self.part(z, g, part, threads)
            first = part.stop
        if first < frames:
            yield self.part(z, g, slice(first, frames), threads)

    def profile(self, z: F32, g: F32) -> dict[str, float]:
        """CPU seconds of each part of one single-threaded decoding."""
        z, g = self._checked(z, g)
        stages = len(self.config.upsample_rates)
        names = ["conv_pre", *(f"{part}.{i}" for i in range(stages) for part in ("ups", "resblocks")), "conv_post"]
        seconds = np.zeros(len(names))
        samples = np.empty(z.shape[1] * self.config.hop, np.float32)
        arguments = (z.ctypes.data, z.shape[1], g.ctypes.data, 0, z.shape[1], samples.ctypes.data, seconds.ctypes.data)
        if self._library.sk_decoder_profile(self._handle, *arguments) != 0:
            raise NativeError("The native decoder ran out of memory.")
        return dict(zip(names, seconds.tolist(), strict=True))

    def part(self, z: F32, g: F32, part: slice, threads: int) -> F32:
        """The samples of some frames of a contiguous z [C, F], as `decode` gives them."""
        hop, step = self.config.hop, SLICE_FRAMES * max(threads, 1)
        samples = np.empty((part.stop - part.start) * hop, np.float32)
        for first in range(part.start, part.stop, step):
            piece = slice(first, min(first + step, part.stop))
            self._run(z, g, piece, threads, samples[(first - part.start) * hop :])
        return samples

    def _run(self, z: F32, g: F32, part: slice, threads: int, out: F32) -> None:
        """Decode the frames of `part` into the head of `out`."""
        count = part.stop - part.start
        arguments = (z.ctypes.data, z.shape[1], g.ctypes.data, part.start, count, threads, out.ctypes.data)
        if self._status(count > _LONG_FRAMES, *arguments) != 0:
            raise NativeError("The native decoder ran out of memory.")

    def _checked(self, z: F32, g: F32) -> tuple[F32, F32]:
        z, g = np.ascontiguousarray(z, np.float32), np.ascontiguousarray(g, np.float32)
        if z.ndim != 2 or z.shape[0] != self.config.latent_channels:
            raise ValueError(f"z has shape {z.shape}, expected ({self.config.latent_channels}, frames)")
        if g.shape != (self.config.speaker_channels,):
            raise ValueError(f"g has shape {g.shape}, expected ({self.config.speaker_channels},)")
        return z, g


def _c_config(config: DecoderConfig) -> _Config:
    counts = [len(dilations) for dilations in config.resblock_dilations]
    return _Config(
        config.latent_channels,
        config.speaker_channels,
        config.initial_channels,
        len(config.upsample_rates),
        _int_array(config.upsample_rates),
        _int_array(config.upsample_kernels),
        config.resblock,
        len(config.resblock_kernels),
        _int_array(config.resblock_kernels),
        _int_array(counts),
        _int_array([d for dilations in config.resblock_dilations for d in dilations]),
    )


def _int_array(values: Iterable[int]) -> ctypes.Array[ctypes.c_int32]:
    items = tuple(values)
    return (ctypes.c_int32 * len(items))(*items)
