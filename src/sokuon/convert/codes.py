"""Matrices as small integers, laid out as the native product reads them from the mapped file.

8 bits: codes with a scale per output. 4 bits: blocks of 32 inputs; a weight is (its code - the zero of its block) ·
(the factor of its block) · (the scale of its output). Without the scale that is an 8-bit number, so the products are
the same.

Layout: panels of 16 outputs, in each of them groups of 4 inputs: [panel][group][16 outputs][4 inputs]. Missing outputs
and inputs are filled up with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sokuon.convert.exact import total
from sokuon.formats.packed import I8, U8
from sokuon.storage.tensors import F32

PANEL = 16  # outputs
GROUP = 4  # inputs
BLOCK = 32  # inputs that share a factor; one byte of 4-bit codes holds an input of one group and one of the next

_Number = TypeVar("_Number", bound=np.generic)

_TINY = np.float32(1e-30)  # scale of a row of zeros, which must not divide by zero
_MOST_CODE = 15
_MOST_FACTOR = 15
_MOST_INTEGER = 127  # (code - zero) · factor must be a signed byte
_STEP_TRIALS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)  # of a block's whole range: clipping its ends may cost less than steps
_UNIT = 1.25  # the largest factor stands for this multiple of the largest step: chosen on trained weights
_ROWS_AT_ONCE = 128  # of the outputs: keeps the temporaries in the processor's cache


@dataclass(frozen=True)
class ColumnCodes:
    """A matrix [in, out] in 8 bits: a weight is scale · code. `codes` [in, out], symmetric, `scale` [out]."""

    codes: I8
    scale: F32

    def integers(self) -> I8:
        """Weights in units of the scale, [in, out]."""
        return self.codes

    def packed_codes(self) -> I8:
        """[out / 16, in / 4, 16, 4]."""
        return pack_codes(self.codes)

    def outputs(self, part: slice) -> ColumnCodes:
        """Some columns."""
        return ColumnCodes(self.codes[:, part], self.scale[part])

    def scaled(self, by: F32) -> ColumnCodes:
        """The matrix with its outputs multiplied by `by` [out], which must be positive."""
        return ColumnCodes(self.codes, self.scale * by)


def quantize_columns(matrix: F32) -> ColumnCodes:
    """[in, out] → 8-bit codes with a scale per column."""
    scale = column_scale(matrix)
    return ColumnCodes(np.rint(matrix / scale).astype(np.int8), scale)


def column_scale(matrix: F32) -> F32:
    """The scale [out] at which a column's largest weight has the largest code."""
    return np.asarray(np.maximum(np.abs(matrix).max(axis=0) / np.float32(127), _TINY), np.float32)


def pack_codes(codes: I8) -> I8:
    """[in, out] → [out / 16, in / 4, 16, 4]."""
    whole = padded(codes, GROUP)
    groups = whole.reshape(len(whole) // GROUP, GROUP, -1, PANEL)
    return np.ascontiguousarray(groups.transpose(2, 0, 3, 1))


@dataclass(frozen=True)
class BlockCodes:
    """A matrix [in, out] in 4 bits: a weight is scale · factor · (code - zero), all but the scale 0 to 15.

    `codes` [in, out], `factors` and `zeros` [in / 32, out], `scale` [out].
    """

    codes: U8
    factors: U8
    zeros: U8
    scale: F32

    def integers(self) -> I8:
        """Weights in units of the scale, [in, out]."""
        factors, zeros = (np.repeat(part.astype(np.int16), BLOCK, axis=0) for part in (self.factors, self.zeros))
        return ((self.codes - zeros) * factors).astype(np.int8)

    def outputs(self, part: slice) -> BlockCodes:
        """Some columns."""
        return BlockCodes(self.codes[:, part], self.factors[:, part], self.zeros[:, part], self.scale[part])

    def scaled(self, by: F32) -> BlockCodes:
        """As ColumnCodes.scaled."""
        return BlockCodes(self.codes, self.factors, self.zeros, self.scale * by)

    def packed_codes(self) -> U8:
        """Two codes a byte, [out / 16, in / 8, 16, 4]: one group of inputs in the low bits, the next in the high."""
        groups = pack_codes(self.codes.astype(np.int8)).view(np.uint8)
        return (groups[:, 0::2] | groups[:, 1::2] << 4).astype(np.uint8, copy=False)

    def packed_factors(self) -> U8:
        """Factor in the low bits, zero in the high: [out / 16, in / 32, 16]."""
        both = padded(self.factors | self.zeros << 4, 1)
        return np.ascontiguousarray(both.reshape(len(both), -1, PANEL).transpose(1, 0, 2))


Codes = ColumnCodes | BlockCodes


def quantize_blocks(matrix: F32) -> BlockCodes:
    """[in, out] → 4-bit codes, `in` filled up to whole blocks; per block the factor with the least squared error."""
    rows = np.ascontiguousarray(padded(matrix, BLOCK, outputs=1).T)
    blocks = rows.reshape(len(rows), -1, BLOCK)  # [out, blocks, 32]
    parts = [_quantized(blocks[row : row + _ROWS_AT_ONCE]) for row in range(0, len(blocks), _ROWS_AT_ONCE)]
    codes, factors, zeros, scale = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return BlockCodes(codes.reshape(len(rows), -1).T, factors.T, zeros.T, scale)


class ColumnRounding:
    """8-bit codes given out input by input: see `rounding.Rounding`."""

    def __init__(self, matrix: F32) -> None:
        self._scale = column_scale(matrix)
        self._codes = np.empty(matrix.shape, np.int8)

    def open(self, first: int, target: F32) -> None:
        """Nothing is shared by a block."""

    def round(self, i: int, target: F32) -> F32:
        """Give input `i` the codes nearest to `target` [out]; the weights they stand for."""
        codes = np.rint(target / self._scale)
        np.clip(codes, -127, 127, out=codes)
        self._codes[i] = codes
        return np.asarray(codes * self._scale)

    def codes(self, inputs: int) -> ColumnCodes:
        """Those of the first `inputs`."""
        return ColumnCodes(self._codes[:inputs], self._scale)


class BlockRounding:
    """4-bit codes given out input by input: see `rounding.Rounding`."""

    def __init__(self, matrix: F32) -> None:
        blocks = matrix.reshape(len(matrix) // BLOCK, BLOCK, -1).transpose(2, 0, 1)
        self._unit = block_unit(blocks)
        self._codes = np.empty(matrix.shape, np.uint8)
        self._factors, self._zeros = (np.empty(blocks.shape[1::-1], np.uint8) for _ in range(2))

    def open(self, first: int, target: F32) -> None:
        """Choose the block's factors and zeros."""
        factor, zero = block_grids(np.ascontiguousarray(target.T)[:, None], self._unit)
        self._zero, self._step = zero[:, 0], factor[:, 0] * self._unit[:, 0]
        self._factors[first // BLOCK], self._zeros[first // BLOCK] = factor[:, 0], zero[:, 0]

    def round(self, i: int, target: F32) -> F32:
        """As ColumnRounding.round."""
        codes = np.rint(target / self._step + self._zero)
        np.clip(codes, 0, _MOST_CODE, out=codes)
        self._codes[i] = codes
        return np.asarray((codes - self._zero) * self._step)

    def codes(self, inputs: int) -> BlockCodes:
        """Those of the blocks that the first `inputs` reach into."""
        blocks = -(-inputs // BLOCK)
        codes, factors, zeros = self._codes[: blocks * BLOCK], self._factors[:blocks], self._zeros[:blocks]
        return BlockCodes(codes, factors, zeros, self._unit[:, 0])


def _quantized(blocks: F32) -> tuple[U8, U8, U8, F32]:
    """Codes [out, blocks, 32], factors and zeros [out, blocks], scales [out]."""
    unit = block_unit(blocks)
    factor, zero = block_grids(blocks, unit)
    codes = _codes(blocks, zero, factor * unit)
    scale = _fitted(blocks, (codes - zero[..., None]) * factor[..., None], unit[:, 0])
    return codes.astype(np.uint8), factor.astype(np.uint8), zero.astype(np.uint8), scale


def block_unit(blocks: F32) -> F32:
    """What a factor of 1 stands for, [out, 1], of blocks [out, blocks, 32]."""
    step = np.maximum((blocks.max(axis=-1) - blocks.min(axis=-1)) / _MOST_CODE, _TINY)
    return np.asarray(step.max(axis=1, keepdims=True) * np.float32(_UNIT / _MOST_FACTOR))


def block_grids(blocks: F32, unit: F32) -> tuple[F32, F32]:
    """Factors and zeros [out, blocks] with the least squared error for blocks [out, blocks, 32]; `unit` [out, 1]."""
    low, high = blocks.min(axis=-1), blocks.max(axis=-1)
    step = np.maximum((high - low) / _MOST_CODE, _TINY)
    factor, zero, least = np.ones_like(step), np.zeros_like(step), np.full_like(step, np.inf)
    for trial in _STEP_TRIALS:
        factors = np.clip(np.rint(step * np.float32(trial) / unit), 1, _MOST_FACTOR)
        zeros = _centre(low + high, factors, factors * unit)
        difference = _codes(blocks, zeros, factors * unit)
        difference -= zeros[..., None]
        difference *= (factors * unit)[..., None]
        difference -= blocks
        error = _squares(difference)
        factor, zero = (np.where(error < least, new, old) for new, old in ((factors, factor), (zeros, zero)))
        least = np.minimum(error, least)
    return factor, zero


def _centre(ends: F32, factors: F32, steps: F32) -> F32:
    """The zero that puts the codes in the middle between a block's ends (given: their sum)."""
    zeros = np.rint((_MOST_CODE - ends / steps) / 2)
    most = np.minimum(np.floor(_MOST_INTEGER / factors), _MOST_CODE)
    return np.clip(zeros, _MOST_CODE - most, most)


def _codes(blocks: F32, zeros: F32, steps: F32) -> F32:
    codes = blocks * np.reciprocal(steps)[..., None]
    codes += zeros[..., None]
    np.rint(codes, out=codes)
    return np.clip(codes, 0, _MOST_CODE, out=codes)


def _fitted(blocks: F32, integers: F32, unit: F32) -> F32:
    """The scale [out] with which the integers come nearest to the weights."""
    square = (integers.astype(np.float64) ** 2).sum(axis=(1, 2))  # whole numbers: exact
    product = total((blocks * integers).reshape(len(blocks), -1), axis=1)[:, 0]
    return np.where(square > 0, product / np.maximum(square, 1), unit).astype(np.float32)


def _squares(difference: F32) -> F32:
    """Sums of squares over the last axis, added in halves: in the same order on every machine."""
    part = difference * difference
    while part.shape[-1] > 1:
        half = part.shape[-1] // 2
        part = part[..., :half] + part[..., half:]
    return part[..., 0]


def padded(matrix: npt.NDArray[_Number], inputs: int, outputs: int = PANEL) -> npt.NDArray[_Number]:
    """`matrix` [in, out] with zeros up to multiples of `inputs` and `outputs`."""
    missing = (-matrix.shape[0] % inputs, -matrix.shape[1] % outputs)
    return np.pad(matrix, [(0, n) for n in missing]) if any(missing) else matrix
