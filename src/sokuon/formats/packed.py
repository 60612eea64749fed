"""Packed matrices of bert.weights as plain ones, for ONNX Runtime; the native product reads them as they are.

Layout: panels of 16 outputs, in them groups of 4 inputs, [panel][group][16][4]; in 4 bits two groups share a byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

I8 = npt.NDArray[np.int8]
U8 = npt.NDArray[np.uint8]

_PACKED_AXES = 4  # no other tensor of the file has as many
_PAIRS_PER_BLOCK = 4


def unpack(weights: Mapping[str, npt.NDArray[Any]]) -> dict[str, I8]:
    """Every packed matrix by name as whole numbers [in, out], both filled up to whole groups and panels."""
    matrices = {}
    for name, packed in weights.items():
        if packed.ndim == _PACKED_AXES:
            factors = weights.get(f"{name.removesuffix('.weight')}.factors")
            matrices[name] = _matrix(packed, factors)
    return matrices


def _matrix(packed: npt.NDArray[Any], factors: U8 | None) -> I8:
    """[in, out], panel by panel: large temporaries would stay with the process."""
    panels = len(packed)
    groups = packed.shape[1] * (1 if factors is None else 2)
    matrix = np.empty((groups * packed.shape[3], panels, packed.shape[2]), np.int8)
    for i in range(panels):
        panel = packed[i] if factors is None else _widened(packed[i], factors[i])  # [groups, 16, 4]
        matrix[:, i] = panel.transpose(0, 2, 1).reshape(-1, packed.shape[2])
    return matrix.reshape(len(matrix), -1)


def _widened(pairs: U8, factors: U8) -> I8:
    """4-bit codes [groups / 2, 16, 4] and factors [blocks, 16] of a panel → factor · (code - zero), 8 bits."""
    by = np.repeat(factors, _PAIRS_PER_BLOCK, axis=0)[:, None, :, None]
    codes = np.stack([pairs & 15, pairs >> 4], axis=1)  # [groups / 2, 2, 16, 4]
    integers = (codes - (by >> 4)) * (by & 15)  # modulo 256: right as a signed byte
    groups: I8 = integers.view(np.int8).reshape(-1, *pairs.shape[1:])
    return groups
