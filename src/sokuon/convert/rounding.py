"""Rounding of weights in which later inputs make up for the errors of earlier ones (GPTQ, Frantar et al. 2022).

Rounding each weight to the nearest code is best only if inputs are independent. With the second moments H = XᵀX / S
of a rehearsal's rows, the error that a column's rounding e makes in the output is eᵀHe. With H = L D Lᵀ, L unit lower
triangular, this is the sum over inputs i of D_i (e_i + sum over j > i of L_ji e_j)²: from the last input to the first,
each is rounded to the code nearest to its weight plus what the inputs behind it owe, which leaves only its own rounding
under D_i. (This is GPTQ in the form of Babai's nearest plane; no inverse is needed.)

Inputs work together in parts of 1,024: beyond, the factorisation costs more than it gains.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from sokuon.convert.codes import BLOCK, BlockRounding, Codes, ColumnRounding, padded
from sokuon.convert.exact import F64, mean, on_grid, product
from sokuon.storage.tensors import F32

_PART = 1024  # inputs
_RIDGE = 0.01  # of H's mean diagonal, added to it: what the rehearsal does not show is not believed to be nothing
_LOST_BITS = 26  # of a column's peak: with 17 of L and 1,024 terms no sum passes 2^53
_TRIANGLE_BITS = 17


class Rounding(Protocol):
    """Codes of a matrix [in, out], block of inputs by block."""

    def open(self, first: int, target: F32) -> None:
        """Choose what a block shares; `target` [32, out] are the weights from input `first` on."""

    def round(self, i: int, target: F32) -> F32:
        """Give input `i` the codes nearest to `target` [out]; the weights they stand for."""

    def codes(self, inputs: int) -> Codes:
        """Those of the first `inputs`, or more."""


def compensated(matrix: F32, rows: F32, rounding: type[ColumnRounding] | type[BlockRounding]) -> Codes:
    """Codes of `matrix` [in, out] for inputs like `rows` [S, in], counted from their means."""
    whole = padded(matrix, BLOCK, outputs=1)
    inputs = np.pad(rows, ((0, 0), (0, len(whole) - len(matrix))))
    grid = rounding(whole)
    for start in range(0, len(whole), _PART):
        part = slice(start, start + _PART)
        _round_part(start, whole[part], triangle(second_moments(inputs[:, part])), grid)
    return grid.codes(len(matrix))


def second_moments(rows: F32) -> F64:
    """H [in, in] of rows [S, in] around their mean, with the ridge."""
    x = rows - mean(rows, 0)
    h = product(x.T, x) / len(x)
    ridge = _RIDGE * float(on_grid(np.diagonal(h), 30).mean())
    return np.asarray(h + (ridge or 1.0) * np.eye(len(h)))


def triangle(h: F64) -> F64:
    """L, unit lower triangular, of H = L D Lᵀ."""
    n = len(h)
    least = 1e-6 * float(np.diagonal(h).max())
    lower, pivots = np.eye(n), np.empty(n)
    for start in range(0, n, BLOCK):
        end = min(start + BLOCK, n)
        panel = h[start:, start:end].copy()
        if start:
            panel -= product(lower[start:, :start], (lower[start:end, :start] * pivots[:start]).T)
        for j in range(end - start):
            pivot = pivots[start + j] = max(panel[j, j], least)
            panel[j + 1 :, j] /= pivot
            below = panel[j + 1 :, j]
            panel[j + 1 :, j + 1 :] -= below[:, None] * (pivot * below[: end - start - j - 1])
            panel[: j + 1, j] = 0
            panel[j, j] = 1
        lower[start:, start:end] = panel
    return lower


def _round_part(start: int, matrix: F32, lower: F64, rounding: Rounding) -> None:
    """Round the inputs from `start` on, last block first."""
    upper = on_grid(lower.T, _TRIANGLE_BITS, -1)
    near = lower.T.astype(np.float32)
    unit = np.ldexp(1.0, np.frexp(np.abs(matrix).max(axis=0).astype(np.float64))[1] + 1 - _LOST_BITS)
    lost = np.zeros(matrix.shape)
    for first, block in _blocks_backwards(len(matrix)):
        owed = upper[block, block.stop :] @ lost[block.stop :]
        target = (matrix[block] + owed).astype(np.float32)
        rounding.open(start + first, target)
        errors = np.empty_like(target)
        for i in reversed(range(BLOCK)):
            errors[i] = matrix[first + i] - rounding.round(start + first + i, target[i])
            target[:i] += near[first : first + i, first + i, None] * errors[i]
        lost[block] = np.rint(errors / unit) * unit


def _blocks_backwards(inputs: int) -> Iterator[tuple[int, slice]]:
    for first in range(inputs - BLOCK, -1, -BLOCK):
        yield first, slice(first, first + BLOCK)
