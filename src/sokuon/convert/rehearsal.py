"""The BERT run on a few sentences while it is converted, to see how large each channel gets.

A trained transformer has channels many times larger than the rest; 8-bit codes with one scale per token then leave the
others few steps. Knowing the sizes, the converter moves part of them into the weights (SmoothQuant, Xiao et al. 2022).
Only sizes are taken from here, never values, so an approximate GELU is enough.

Letters: S tokens, H hidden width, N heads, D head width, B position buckets.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sokuon.convert.products import Linear
from sokuon.storage.tensors import F32

SENTENCES = (
    "旅の途中で不思議な街に辿り着きました。少し寄り道していきましょう。石畳の細い道の両側には、古い木の家が並んでいます。"
    "えっ、本当に?ありがとうございます!第3回の会議は、2026年4月1日の午後、東京のABCホテルで開かれる。"
    "「コーヒーにしますか、それとも紅茶?」と彼女は笑った…"
)
_LEAST = 1e-5  # of a channel's size: one that never appears must not divide by zero


class Rehearsal:
    """Rows x [S, H] on their way through the network, float32; each method is one step of it."""

    def __init__(self, embeddings: F32, buckets: npt.NDArray[np.int64], epsilon: float) -> None:
        """`embeddings` [S, H], `buckets` [S, S] the row of the relative tables for column minus row."""
        self._embeddings = self._x = embeddings
        self._buckets, self._epsilon = buckets, epsilon
        self._y = embeddings

    def sizes(self) -> F32:
        """Largest magnitude of each channel of x, [H]."""
        return np.asarray(np.maximum(np.abs(self._x).max(axis=0), np.float32(_LEAST)))

    def attention(self, inputs: tuple[Linear, Linear, Linear], output: Linear, tables: tuple[F32, F32]) -> None:
        """Disentangled attention: `inputs` query, key, value; `tables` PK, PQ [2B + 1, N, D], all as the graph's."""
        pk, pq = tables
        shape = (len(self._x), *pk.shape[1:])
        q, k, v = ((self._x @ part.matrix + part.bias).reshape(shape).transpose(1, 0, 2) for part in inputs)
        scores = q @ k.transpose(0, 2, 1)  # [N, S, S]
        index = np.broadcast_to(self._buckets, scores.shape)
        scores += np.take_along_axis(q @ pk.transpose(1, 2, 0), index, axis=2)
        scores += np.take_along_axis(k @ pq.transpose(1, 2, 0), index, axis=2).transpose(0, 2, 1)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        context = (weights @ v).transpose(1, 0, 2).reshape(len(self._x), -1)
        self._y = context @ output.matrix + output.bias

    def feed_forward(self, widen: Linear, narrow: Linear) -> None:
        """narrow(GELU(widen(x)))."""
        self._y = _gelu(self._x @ widen.matrix + widen.bias) @ narrow.matrix + narrow.bias

    def convolution(self, taps: Linear, kernel: int) -> None:
        """GELU of the convolution of the embeddings, written as a product over `kernel` neighbours."""
        half = kernel // 2
        padded = np.pad(self._embeddings, ((half, half), (0, 0)))
        rows = np.concatenate([padded[i : i + len(self._x)] for i in range(kernel)], axis=1)
        self._y = _gelu(rows @ taps.matrix + taps.bias)

    def add_and_norm(self, gain: F32, bias: F32) -> None:
        """x ← layer norm of x + what the last step gave."""
        total = self._x + self._y
        total -= total.mean(axis=1, keepdims=True)
        total /= np.sqrt((total**2).mean(axis=1, keepdims=True) + self._epsilon)
        self._x = total * gain + bias


def _gelu(x: F32) -> F32:
    """GELU by its tanh approximation, within 0.001."""
    return np.asarray(0.5 * x * (1 + np.tanh(np.float32(0.7978845608) * (x + np.float32(0.044715) * x**3))), np.float32)
