"""16-bit codes of weights: what they stand for, and where they lie."""

from __future__ import annotations

import numpy as np
import pytest

from sokuon.convert.panels import PANEL, filter_codes, flow_matrix
from sokuon.storage.tensors import F32

HALF_STEP = 0.5 + 3 * 32767 / 2**24  # and three float32 roundings of numbers up to 32767


def random(*shape: int) -> F32:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("outputs", [1, 31, 32, 70])
def test_codes_of_a_flow_matrix(outputs: int) -> None:
    """[taps · inputs, outputs] -> [panel][tap and input][32], a step of max|w| / 32767 an output."""
    weight = random(15, outputs)
    codes, scales = flow_matrix(weight, outputs)
    panels = -(-outputs // PANEL)
    assert (codes.shape, codes.dtype, scales.shape) == ((panels, 15, PANEL), np.int16, (panels * PANEL,))
    plain = codes.transpose(1, 0, 2).reshape(15, -1) * scales
    assert np.all(np.abs(plain[:, :outputs] - weight) <= scales[:outputs] * HALF_STEP)
    assert not plain[:, outputs:].any()
    assert np.array_equal(np.abs(codes).max(axis=1).reshape(-1)[:outputs], np.full(outputs, 32767))


def test_a_narrowing_convolution_lies_as_the_others_do() -> None:
    weight = random(6, 3, 40)  # [inputs, taps, outputs]
    narrowing = flow_matrix(weight.reshape(6, 120), 40)
    others = flow_matrix(weight.transpose(1, 0, 2).reshape(18, 40), 40)
    assert all(np.array_equal(a, b) for a, b in zip(narrowing, others, strict=True))


def test_codes_of_a_decoder_filter() -> None:
    """[outputs, inputs, taps] -> [panel][input][tap][32], a scale per tap and output."""
    weight = random(50, 4, 3)
    weight[7, :, 1] = 0.0
    codes, scales = filter_codes(weight)
    assert (codes.shape, scales.shape) == ((2, 4, 3, PANEL), (3, 2 * PANEL))
    plain = codes.transpose(0, 3, 1, 2).reshape(64, 4, 3) * scales.T[:, None, :]
    assert np.all(np.abs(plain[:50] - weight) <= scales.T[:50, None, :] * HALF_STEP)
    assert not plain[50:].any()
    assert scales[1, 7] == 0.0
