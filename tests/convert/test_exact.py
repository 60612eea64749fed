"""Sums and products that no order of additions changes, and how near they are to the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sokuon.convert import exact


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32), inner=st.integers(1, 700), spread=st.floats(0, 4))
def test_products_and_sums_do_not_depend_on_the_order(seed: int, inner: int, spread: float) -> None:
    random = np.random.default_rng(seed)
    a = np.float32(random.standard_normal((5, inner)) * np.exp(spread * random.standard_normal(inner)))
    b = np.float32(random.standard_normal((inner, 3)))
    order = random.permutation(inner)
    for product in (exact.product, exact.fine_product):
        assert (product(a, b) == product(a[:, order], b[order])).all()
    assert (exact.total(a, 1) == exact.total(a[:, order], 1)).all()


def test_products_are_near_the_truth() -> None:
    """21 bits an operand: 1e-6 of the sum of magnitudes; a second operand for the rest: better than float32."""
    random = np.random.default_rng(1)
    a, b = (np.float32(random.standard_normal(shape)) for shape in ((20, 1000), (1000, 20)))
    want, size = a.astype(np.float64) @ b, np.abs(a).astype(np.float64) @ np.abs(b)
    assert (np.abs(exact.product(a, b) - want) < 1e-6 * size).all()
    assert (np.abs(exact.fine_product(a, b) - want) < 1e-11 * size).all()


def test_integer_products_are_whole() -> None:
    random = np.random.default_rng(2)
    codes, weights = random.integers(-128, 128, (9, 4096)), random.integers(-127, 128, (4096, 5))
    codes[0], weights[:, 0] = -128, -127  # the largest sums
    got = exact.integer_product(codes.astype(np.float32), weights.astype(np.int8))
    assert (got == codes @ weights).all()


@pytest.mark.parametrize(
    ("function", "first", "last"),
    [(lambda x: 0.5 * x * math.erfc(-x / math.sqrt(2)), -8, 8), (lambda x: math.exp(-x), 0, 16)],
)
def test_tables_are_the_same_with_every_library(function: object, first: int, last: int) -> None:
    """No value lies so near the middle of two steps that libraries, which differ by 1e-15, would part."""
    values = np.ldexp([function(i / 4096) for i in range(first * 4096, last * 4096 + 1)], 20)  # type: ignore[operator]
    assert np.abs(np.abs(values - np.floor(values)) - 0.5).min() > 2.0**20 * 1e-14


def test_gelu_and_exp() -> None:
    """To half a step of their arguments, 1/8192, times their slope."""
    x = np.linspace(-12, 12, 9999)
    want = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]
    assert np.abs(exact.gelu(x) - want).max() < 1.13 / 8192 + 1e-6
    assert np.abs(exact.falling_exp(np.abs(x) * 3) - np.exp(-np.abs(x) * 3)).max() < 1 / 8192 + 1e-6
    assert exact.falling_exp(np.array([1e9]))[0] == 0


def test_layer_norm_is_the_usual_one() -> None:
    random = np.random.default_rng(3)
    x, gain, bias = (np.float32(random.standard_normal(shape)) for shape in ((7, 96), 96, 96))
    wide = x.astype(np.float64)
    want = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-7) * gain + bias
    assert np.abs(exact.layer_norm(x, gain, bias, 1e-7) - want).max() < 1e-6
