"""Matrices as small integers: 8 bits with a scale per output, 4 bits with a scale per block of inputs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sokuon.tensors import F32

_TINY = np.float32(1e-30)  # scale of a row of zeros, which must not divide by zero
_LOWEST_4_BIT = -8
_SCALE_TRIALS = (
    1.0,
    0.95,
    0.9,
    0.85,
    0.8,
    0.75,
)  # of the block's own range: clipping its peak may cost less than steps


def quantize_columns(matrix: F32) -> tuple[npt.NDArray[np.int8], F32]:
    """[in, out] → 8-bit codes, symmetric, and a scale per column."""
    scale = np.maximum(np.abs(matrix).max(axis=0) / 127, _TINY).astype(np.float32)
    return np.rint(matrix / scale).astype(np.int8), scale


def quantize_blocks(matrix: F32, block: int) -> tuple[npt.NDArray[np.uint8], F32]:
    """[in, out] → 4-bit codes [out, blocks, block / 2], two a byte and 8 for zero, and scales [out, blocks].

    Of several scales per block the one with the least squared error is kept. The last block is filled with zeros.
    """
    blocks = _blocks(np.ascontiguousarray(matrix.T), block)
    scales = np.empty(blocks.shape[:2], np.float32)
    codes: npt.NDArray[np.int8] = np.empty(blocks.shape, np.int8)
    for row in range(0, len(blocks), _ROWS_AT_ONCE):
        part = slice(row, row + _ROWS_AT_ONCE)
        codes[part], scales[part] = _best_scale(blocks[part])
    unsigned = (codes - _LOWEST_4_BIT).astype(np.uint8)
    pairs = unsigned[..., 0::2] | unsigned[..., 1::2] << 4
    return pairs.astype(np.uint8, copy=False), scales


_ROWS_AT_ONCE = 128  # of the outputs: keeps the temporaries in the processor's cache


def _blocks(rows: F32, block: int) -> F32:
    """[out, in] → [out, blocks, block]."""
    missing = -rows.shape[1] % block
    padded = np.pad(rows, ((0, 0), (0, missing))) if missing else rows
    return padded.reshape(len(rows), -1, block)


def _best_scale(blocks: F32) -> tuple[npt.NDArray[np.int8], F32]:
    """Codes and scales [out, blocks]; the value farthest from zero lies at or near -8, whatever its sign."""
    low, high = blocks.min(axis=-1), blocks.max(axis=-1)
    peak = np.where(-low > high, low, high) / np.float32(_LOWEST_4_BIT)
    peak = np.where(np.abs(peak) < _TINY, _TINY, peak)
    best, best_error = peak, np.full_like(peak, np.inf)
    for trial in _SCALE_TRIALS:
        scale = peak * np.float32(trial)
        difference = _codes(blocks, scale)
        difference *= scale[..., None]
        difference -= blocks
        error = np.einsum("obk,obk->ob", difference, difference)
        best = np.where(error < best_error, scale, best)
        best_error = np.minimum(error, best_error)
    return _codes(blocks, best).astype(np.int8), best


def _codes(blocks: F32, scale: F32) -> F32:
    codes = blocks * np.reciprocal(scale)[..., None]
    np.rint(codes, out=codes)
    return np.clip(codes, _LOWEST_4_BIT, -_LOWEST_4_BIT - 1, out=codes)
