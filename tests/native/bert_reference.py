"""The quantised BERT in float64, from the weight file alone: the same whole numbers, no rounding but theirs.

Slow and plain on purpose: every relative position is looked up by itself, every packed code is unpacked by its index.
"""

from __future__ import annotations

from math import erf

import numpy as np
import numpy.typing as npt

from sokuon.formats.bert import Manifest, bucket
from sokuon.storage.tensors import TensorFile

F64 = npt.NDArray[np.float64]

FLOOR = -0.17


class Reference:
    """Embedding rows of one sentence [S, H] → features [S, H]."""

    def __init__(self, weights: TensorFile, manifest: Manifest) -> None:
        self._weights, self._manifest = weights, manifest

    def features(self, embeddings: npt.NDArray[np.float32]) -> F64:
        x = embeddings.astype(np.float64)
        for i in range(self._manifest.layers):
            x = self._layer(f"encoder.layer.{i}", x)
            if i == 0 and self._manifest.conv_kernel:
                half = self._manifest.conv_kernel // 2
                padded = np.pad(embeddings.astype(np.float64), ((half, half), (0, 0)))
                rows = np.concatenate([padded[k : k + len(x)] for k in range(2 * half + 1)], axis=1)
                x = self._norm("encoder.conv.LayerNorm", x + gelu(self._linear("encoder.conv.conv", rows)))
        return x

    def _layer(self, name: str, x: F64) -> F64:
        part = f"{name}.attention"
        damped = x * self._tensor(f"{part}.self.damping")
        q, k, v = (self._linear(f"{part}.self.{p}_proj", damped) for p in ("query", "key", "value"))
        y = self._linear(f"{part}.output.dense", self._attention(f"{part}.self", q, k, v))
        x = self._norm(f"{part}.output.LayerNorm", x + y)
        wide = gelu(self._linear(f"{name}.intermediate.dense", x * self._tensor(f"{name}.intermediate.damping")))
        return self._norm(f"{name}.output.LayerNorm", x + self._linear(f"{name}.output.dense", wide, floor=True))

    def _attention(self, name: str, q: F64, k: F64, v: F64) -> F64:
        m = self._manifest
        pk, pq = self._tensor(f"{name}.pk"), self._tensor(f"{name}.pq")  # [2B + 1, N, D]
        places = np.arange(len(q))
        row = bucket(places[None] - places[:, None], m.position_buckets, m.max_position) + m.position_buckets
        out = np.empty_like(v)
        for head in range(m.heads):
            own = slice(head * m.head_size, (head + 1) * m.head_size)
            scores = q[:, own] @ k[:, own].T
            scores += np.einsum("id,ijd->ij", q[:, own], pk[row, head])
            scores += np.einsum("jd,jid->ij", k[:, own], pq[row, head])
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            out[:, own] = weights / weights.sum(axis=1, keepdims=True) @ v[:, own]
        return out

    def _linear(self, name: str, x: F64, floor: bool = False) -> F64:
        shifted, zero, levels = (x - FLOOR, 0, 255) if floor else (x, 128, 127)
        scale = np.maximum(np.abs(shifted).max(axis=1, keepdims=True) / levels, 1e-30)
        codes = np.rint(shifted / scale)
        integers = self._integers(name)
        codes = np.pad(codes, ((0, 0), (0, len(integers) - codes.shape[1])))
        assert (np.abs(codes) <= 255 - zero).all()
        return codes @ integers * scale * self._tensor(f"{name}.scale") + self._tensor(f"{name}.bias")

    def _integers(self, name: str) -> F64:
        """[in, out], unpacked index by index."""
        packed = self._weights[f"{name}.weight"]
        panels, groups = packed.shape[:2]
        size = (groups * (4 if self._manifest.precision == "q8" else 8), panels * 16)
        k, n = np.indices(size)
        if self._manifest.precision == "q8":
            return packed[n // 16, k // 4, n % 16, k % 4].astype(np.float64)
        both = packed[n // 16, k // 8, n % 16, k % 4].astype(int)
        factors = self._weights[f"{name}.factors"][n // 16, k // 32, n % 16].astype(int)
        codes = np.where(k % 8 < 4, both & 15, both >> 4)
        return ((codes - (factors >> 4)) * (factors & 15)).astype(np.float64)

    def _norm(self, name: str, x: F64) -> F64:
        x = x - x.mean(axis=1, keepdims=True)
        x /= np.sqrt((x**2).mean(axis=1, keepdims=True) + self._manifest.norm_epsilon)
        return x * self._tensor(f"{name}.weight") + self._tensor(f"{name}.bias")

    def _tensor(self, name: str) -> F64:
        return self._weights[name].astype(np.float64)


def gelu(x: F64) -> F64:
    """The exact form."""
    return 0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2)))
