"""The BERT run on some sentences while it is converted: as it will run, with its rounded weights and rows.

What it shows decides how the next product is rounded. A trained transformer has channels many times larger than the
rest; 8-bit codes with one scale per token then leave the others few steps. So
- rows are counted from the channels' means, which cost nothing: a norm's bias takes them away, the biases of what reads
  the rows give them back;
- large channels are divided by a factor, their weights multiplied (SmoothQuant, Xiao et al. 2022), as much as the error
  measured here asks for, or not at all;
- weights are rounded for these rows (`rounding`), and a bias makes up for the mean error.

Every machine gets the same bits: see `exact`.

Letters: S tokens of all sentences under each other, H hidden width, N heads, D head width, B position buckets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sokuon.convert import exact
from sokuon.convert.codes import BlockRounding, Codes, ColumnRounding, quantize_blocks, quantize_columns
from sokuon.convert.exact import F64
from sokuon.convert.products import Known, Linear, Precision
from sokuon.convert.rounding import compensated
from sokuon.storage.tensors import F32

Table = F32  # [2B + 1, N, D]: PK or PQ
Buckets = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]  # distance → row of a table

EXPONENTS = (0.3, 0.45, 0.6, 0.75)  # shares of a channel's excess that may move into the weights
_LEAST = 1e-5  # of sizes: a channel that never appears must not divide by zero
_TINY = 1e-30
_CENTRE_BITS = 16


def sentences() -> list[str]:
    """What is rehearsed."""
    return Path(__file__).with_name("rehearsal.txt").read_text(encoding="utf-8").splitlines()


@dataclass(frozen=True)
class Eaten:
    """Rows [S, in] as a product eats them: scale · (codes + zero) + floor, with `codes` whole numbers of -128 … 127."""

    codes: F32
    scale: F32  # [S, 1]
    zero: int
    floor: float

    def values(self) -> F32:
        """What the codes stand for."""
        return np.asarray((self.codes + np.float32(self.zero)) * self.scale + np.float32(self.floor), np.float32)

    def times(self, codes: Codes) -> F32:
        """Rows times a rounded matrix: [S, out]."""
        integers = codes.integers()[: self.codes.shape[1]]
        sums = integers.sum(axis=0, dtype=np.int32).astype(np.float64)
        product = exact.integer_product(self.codes, integers)
        product += self.zero * sums
        product *= self.scale
        product += self.floor * sums
        return (product * codes.scale).astype(np.float32)


def eaten(rows: F32, floor: float = 0.0) -> Eaten:
    """Each row with its own scale, around zero or above a floor: as `products.RowProducts` does it."""
    if floor:
        scale = np.maximum((rows - np.float32(floor)).max(axis=1, keepdims=True) / 255, _TINY).astype(np.float32)
        return Eaten(np.rint((rows - np.float32(floor)) / scale) - 128, scale, 128, floor)
    scale = np.maximum(np.abs(rows).max(axis=1, keepdims=True) / 127, _TINY).astype(np.float32)
    return Eaten(np.rint(rows / scale), scale, 0, 0.0)


@dataclass(frozen=True)
class _Scheme:
    """How a precision rounds: for good, on trial, and how many outputs of a product are tried."""

    rounding: type[ColumnRounding] | type[BlockRounding]
    plain: Callable[[F32], Codes]
    trials: int


_SCHEMES = {
    Precision.Q8: _Scheme(ColumnRounding, quantize_columns, 512),
    Precision.Q4: _Scheme(BlockRounding, quantize_blocks, 128),
}


@dataclass(frozen=True)
class Chosen:
    """Layers ready to be written, what is known of their rows, and what they made of the rehearsal's."""

    layers: tuple[Linear, ...]
    known: Known
    outputs: tuple[F32 | None, ...]


class Rehearsal:
    """Rounds products by the rows that reach them."""

    def __init__(self, lengths: Sequence[int], buckets: Buckets, precision: Precision) -> None:
        """`lengths` of the sentences, whose sum is S."""
        self._ends = np.cumsum(lengths)[:-1]
        self._buckets = buckets
        self._scheme = _SCHEMES[precision]

    def choose(self, rows: F32, layers: Sequence[Linear], known: Known) -> Chosen:
        """Codes of layers that read the same `rows` [S, in]; where `known` has a name, the rows may be damped."""
        matrix = np.concatenate([layer.matrix for layer in layers], axis=1)
        if known.name:
            damping = self.damping(rows, matrix)
            known, rows, matrix = replace(known, damping=damping), rows / damping, matrix * damping[:, None]
        codes_of_rows = eaten(rows, known.floor)
        codes = compensated(matrix, codes_of_rows.values(), self._scheme.rounding)
        outputs = codes_of_rows.times(codes)
        missing = (exact.product(exact.mean(rows, 0), matrix) - exact.mean(outputs, 0))[0].astype(np.float32)
        ends = np.cumsum([layer.matrix.shape[1] for layer in layers])
        parts = [slice(end - layer.matrix.shape[1], end) for end, layer in zip(ends, layers, strict=True)]
        mended = tuple(
            replace(layer, bias=layer.bias + missing[part], codes=codes.outputs(part))
            for part, layer in zip(parts, layers, strict=True)
        )
        results = tuple(outputs[:, part] + layer.bias for part, layer in zip(parts, mended, strict=True))
        return Chosen(mended, known, results)

    def damping(self, rows: F32, matrix: F32) -> F32:
        """By how much to divide each channel [in]: of the candidates, none among them, the one that errs least."""
        shown = matrix[:, :: max(1, matrix.shape[1] // self._scheme.trials)]
        return min(candidates(rows, matrix), key=partial(self.error, rows, shown))

    def error(self, rows: F32, matrix: F32, damping: F32) -> float:
        """Squared error of the product with plainly rounded weights, its mean left out: that a bias mends."""
        got = eaten(rows / damping).times(self._scheme.plain(matrix * damping[:, None]))
        error = got - exact.product(rows, matrix)
        error -= exact.mean(error, 0)
        return float(exact.total(exact.total(error * error, 0), 1)[0, 0])

    def attention(self, q: F32, k: F32, v: F32, tables: tuple[Table, Table]) -> F32:
        """Context rows [S, N·D] of query, key and value rows; `tables` PK, PQ."""
        shape = (-1, *tables[0].shape[1:])
        parts = [np.split(x.reshape(shape), self._ends) for x in (q, k, v)]
        return np.concatenate([self._attend(a, b, c, tables) for a, b, c in zip(*parts, strict=True)])

    def _attend(self, q: F32, k: F32, v: F32, tables: tuple[Table, Table]) -> F32:
        """One sentence: [S, N, D] each → [S, N·D]."""
        length, (pk, pq) = len(q), tables
        near = self._buckets(np.arange(1 - length, length))  # rows of the tables
        places = np.arange(length)
        index = np.broadcast_to(places - places[:, None] + length - 1, (q.shape[1], length, length))
        q, k, v = (x.transpose(1, 0, 2) for x in (q, k, v))
        scores = exact.product(q, k.transpose(0, 2, 1))  # [N, S, S]
        scores += np.take_along_axis(exact.product(q, pk[near].transpose(1, 2, 0)), index, axis=2)
        back = np.take_along_axis(exact.product(k, pq[near].transpose(1, 2, 0)), index, axis=2)
        scores += back.transpose(0, 2, 1)
        weights = exact.falling_exp(scores.max(axis=2, keepdims=True) - scores)
        context = exact.product(weights, v) / exact.total(weights, 2)
        return np.asarray(context.transpose(1, 0, 2).reshape(length, -1), np.float32)

    def neighbours(self, rows: F32, kernel: int) -> F32:
        """Each row with those around it, zero beyond a sentence's ends: [S, H] → [S, kernel · H]."""
        half = kernel // 2
        padded = (np.pad(part, ((half, half), (0, 0))) for part in np.split(rows, self._ends))
        return np.concatenate(
            [np.concatenate([p[i : len(p) - kernel + 1 + i] for i in range(kernel)], axis=1) for p in padded]
        )


def centre(rows: F32) -> F32:
    """What to count the channels from: their means, [H]."""
    return exact.on_grid(exact.mean(rows, 0)[0], _CENTRE_BITS).astype(np.float32)


def candidates(rows: F32, matrix: F32) -> Iterator[F32]:
    """Divisors of the channels: none, then between evening out the rows and evening out the weights."""
    yield np.ones(len(matrix), np.float32)
    sizes = np.log(np.maximum(np.abs(rows).max(axis=0), _LEAST).astype(np.float64))
    weights = np.log(np.maximum(np.abs(matrix).max(axis=1), _LEAST).astype(np.float64))
    for exponent in EXPONENTS:
        logarithm = exponent * sizes - (1 - exponent) * weights
        yield _few_bits(np.exp(logarithm - logarithm.mean()))


def _few_bits(x: F64) -> F32:
    """Kept to 8 bits, so that the last ones of exp and log do not matter."""
    mantissa, exponent = np.frexp(x)
    return np.asarray(np.ldexp(np.rint(mantissa * 256) / 256, exponent), np.float32)
