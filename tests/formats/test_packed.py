"""Packed matrices come back as they were."""

from __future__ import annotations

import numpy as np
import pytest

from sokuon.convert.codes import pack_codes, quantize_blocks
from sokuon.formats.packed import unpack


@pytest.mark.parametrize(("size_in", "size_out"), [(4, 16), (10, 20), (96, 33)])
def test_bytes(size_in: int, size_out: int) -> None:
    codes = np.random.default_rng(0).integers(-127, 128, (size_in, size_out)).astype(np.int8)
    matrix = unpack({"a.weight": pack_codes(codes), "a.scale": np.ones(size_out), "pk": np.ones((3, 2, 2))})
    assert list(matrix) == ["a.weight"]
    assert (matrix["a.weight"][:size_in, :size_out] == codes).all()
    assert not matrix["a.weight"][size_in:].any()
    assert not matrix["a.weight"][:, size_out:].any()


@pytest.mark.parametrize(("size_in", "size_out"), [(32, 16), (40, 20), (96, 33)])
def test_blocks(size_in: int, size_out: int) -> None:
    random = np.random.default_rng(1)
    values = random.standard_normal((size_in, size_out)) * np.exp(2 * random.standard_normal((size_in, 1)))
    blocks = quantize_blocks(values.astype(np.float32))
    matrix = unpack({"a.weight": blocks.packed_codes(), "a.factors": blocks.packed_factors()})["a.weight"]
    assert matrix.dtype == np.int8
    assert (matrix[:, :size_out] == blocks.integers()).all()
    assert not matrix[:, size_out:].any()
