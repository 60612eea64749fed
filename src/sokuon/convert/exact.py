"""Sums and products of float64 in which no order of additions loses or gains a bit.

A BLAS adds in an order of its own on every processor and for every number of threads; last bits differ, and a rounding
that decides by them gives another code. Here operands are first rounded to so few bits that every sum of their products
is a whole number below 2^53 times one power of two: each order of additions then gives the same bits. GELU and exp are
tables for the same reason.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from sokuon.storage.tensors import F32

F64 = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]

_MANTISSA = 53
_INTEGERS_AT_ONCE = 1024  # products of two 8-bit codes whose sum stays below 2^24: exact in float32
_TABLE_STEPS = 4096  # per unit
_GELU_REACH = 8  # beyond, GELU is the identity or 0 to seven digits
_EXP_REACH = 16


def on_grid(x: Floats, bits: int, axis: int | None = None) -> F64:
    """`x` rounded to multiples of a power of two, at most 2^bits of them each way; a grid for each line of `axis`."""
    peak = np.abs(x).max(axis=axis, keepdims=True, initial=0).astype(np.float64)
    step = np.ldexp(1.0, np.frexp(peak)[1] - bits)
    out = x / step
    np.rint(out, out=out)
    out *= step
    return np.asarray(out, np.float64)


def product(a: Floats, b: Floats) -> F64:
    """a [..., M, K] · b [..., K, N], operands rounded to (53 - log2 K) / 2 bits, that is 21 for a thousand terms."""
    bits = (_MANTISSA - max(a.shape[-1] - 1, 1).bit_length()) // 2
    return np.asarray(on_grid(a, bits, -1) @ on_grid(b, bits, -2))


def fine_product(a: Floats, b: Floats) -> F64:
    """`product` with operands of twice as many bits: nearer to the truth than a product in float32."""
    bits = (_MANTISSA - max(a.shape[-1] - 1, 1).bit_length()) // 2
    upper_a, upper_b = on_grid(a, bits, -1), on_grid(b, bits, -2)
    lower_a, lower_b = on_grid(a - upper_a, bits, -1), on_grid(b - upper_b, bits, -2)
    return np.asarray(upper_a @ upper_b + (upper_a @ lower_b + lower_a @ upper_b))


def total(x: Floats, axis: int) -> F64:
    """Sums over an axis, which is kept; terms are rounded to what fits, 43 bits for a thousand of them."""
    bits = _MANTISSA - max(x.shape[axis] - 1, 1).bit_length()
    return np.asarray(on_grid(x, bits, axis).sum(axis=axis, keepdims=True))


def mean(x: Floats, axis: int) -> F64:
    """Means over an axis, which is kept."""
    return np.asarray(total(x, axis) / x.shape[axis])


def layer_norm(rows: Floats, gain: F32, bias: F32, epsilon: float) -> F32:
    """Layer norm over the last axis, in float64 inside."""
    x = rows - mean(rows, -1)
    x /= np.sqrt(mean(x * x, -1) + epsilon)
    return np.asarray(x * gain + bias, np.float32)


def integer_product(codes: F32, weights: npt.NDArray[np.int8]) -> F64:
    """codes [S, in], whole numbers of -128 … 128, times weights [in, out] of -127 … 127."""
    sums = np.zeros((len(codes), weights.shape[1]))
    for start in range(0, len(weights), _INTEGERS_AT_ONCE):
        part = slice(start, start + _INTEGERS_AT_ONCE)
        sums += codes[:, part] @ weights[part].astype(np.float32)
    return sums


def gelu(x: Floats) -> F32:
    """GELU of x rounded to 1/4096."""
    place = np.clip(np.rint(x * _TABLE_STEPS), -_GELU_REACH * _TABLE_STEPS, _GELU_REACH * _TABLE_STEPS)
    return np.where(x > _GELU_REACH, x, _gelu_table()[place.astype(np.int32) + _GELU_REACH * _TABLE_STEPS])


def falling_exp(x: Floats) -> F32:
    """exp(-x) for x >= 0, rounded to 1/4096; 0 from 16 on."""
    place = np.minimum(np.rint(x * _TABLE_STEPS), _EXP_REACH * _TABLE_STEPS).astype(np.int32)
    return _exp_table()[place]


@cache
def _gelu_table() -> F32:
    x = np.arange(-_GELU_REACH * _TABLE_STEPS, _GELU_REACH * _TABLE_STEPS + 1) / _TABLE_STEPS
    return _kept(0.5 * x * [math.erfc(v) for v in (x / -math.sqrt(2)).tolist()])


@cache
def _exp_table() -> F32:
    table = _kept(np.exp(-np.arange(_EXP_REACH * _TABLE_STEPS + 1) / _TABLE_STEPS))
    table[-1] = 0
    return table


def _kept(values: F64) -> F32:
    """Values to 2^-20: no two libraries differ by so much, and none of these lies near the middle of two steps."""
    return np.asarray(np.rint(np.ldexp(values, 20)) / 2.0**20, np.float32)
