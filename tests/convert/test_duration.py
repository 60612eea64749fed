"""The inverse spline of the stochastic duration predictor against its equations in float64."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from spline_reference import F64, forward, inverse, knots_of

from sokuon.convert.duration import spline_inverse
from sokuon.convert.graph import Graph
from sokuon.formats.contracts import Contract, Port
from sokuon.storage.tensors import TensorFileWriter

SPLINE = Contract(
    "spline",
    inputs=(
        Port("y", "float32", ("T", 1)),
        Port("widths", "float32", ("T", 10)),
        Port("heights", "float32", ("T", 10)),
        Port("slopes", "float32", ("T", 9)),
    ),
    outputs=(Port("x", "float32", ("T", 1)),),
)


@contextmanager
def session(contract: Contract, folder: Path) -> Iterator[ort.InferenceSession]:
    with TensorFileWriter(folder / "spline.weights", header_bytes=512) as weights:
        graph = Graph(contract, weights)
        names = ("y", "widths", "heights", "slopes")
        graph.save(folder, [spline_inverse(graph, *(graph.input(name) for name in names))])
    yield ort.InferenceSession(str(folder / "spline.onnx"), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def spline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ort.InferenceSession]:
    with session(SPLINE, tmp_path_factory.mktemp("spline")) as opened:
        yield opened


def run(spline: ort.InferenceSession, y: F64, *raw: F64) -> F64:
    inputs = dict(zip(("y", "widths", "heights", "slopes"), (y[:, None], *raw), strict=True))
    (x,) = spline.run(None, {name: value.astype(np.float32) for name, value in inputs.items()})
    return np.asarray(x[:, 0], np.float64)


def random_raw(count: int, scale: float, seed: int = 0) -> tuple[F64, F64, F64]:
    rng = np.random.default_rng(seed)
    raw = [(scale * rng.standard_normal((count, width))).astype(np.float32) for width in (10, 10, 9)]
    return raw[0].astype(np.float64), raw[1].astype(np.float64), raw[2].astype(np.float64)


def tolerance(y: F64, *raw: F64) -> F64:
    """Rounding in float32: knots near 5 are known to some 2e-6, in x and in y; dx/dy carries the latter over to x."""
    low, high = (
        np.array([inverse(*row) for row in zip(np.clip(y + h, -5, 5), *raw, strict=True)]) for h in (-1e-4, 1e-4)
    )
    return 2e-6 + 4e-6 * (high - low) / 1e-4


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0])
def test_inside_the_bounds_it_equals_the_equations(spline: ort.InferenceSession, scale: float) -> None:
    raw = random_raw(800, scale)
    y = np.random.default_rng(1).uniform(-5, 5, 800).astype(np.float32).astype(np.float64)
    expected = np.array([inverse(*row) for row in zip(y, *raw, strict=True)])
    assert (np.abs(run(spline, y, *raw) - expected) <= tolerance(y, *raw)).all()


def test_steep_and_flat_bins_stay_inside_and_in_order(spline: ort.InferenceSession) -> None:
    """Raw parameters of a wild voice: the discriminant may round below zero, the result must be no NaN."""
    raw = random_raw(1, 8.0, seed=3)
    y = np.linspace(-5, 5, 5001)
    x = run(spline, y, *(np.repeat(r, len(y), axis=0) for r in raw))
    assert np.isfinite(x).all()
    assert (np.abs(x) <= 5 + 1e-3).all()  # dx/dy reaches 1000 here: slopes are at least 1e-3
    assert (np.diff(x) >= -1e-3).all()


def test_outside_the_bounds_it_is_the_identity(spline: ort.InferenceSession) -> None:
    y = np.array(
        [-1e6, -6.0, np.nextafter(np.float32(-5), np.float32(-6)), np.nextafter(np.float32(5), np.float32(6)), 7, 1e6]
    )
    np.testing.assert_array_equal(run(spline, y, *random_raw(len(y), 2.0)), y.astype(np.float32))


def test_bounds_themselves_are_fixed_points(spline: ort.InferenceSession) -> None:
    raw = random_raw(200, 1.0)
    for bound in (-5.0, 5.0):
        np.testing.assert_allclose(run(spline, np.full(200, bound), *raw), bound, atol=1e-5)


def test_at_a_knot_both_neighbouring_bins_agree(spline: ort.InferenceSession) -> None:
    raw = random_raw(1, 1.0, seed=5)
    heights, widths = knots_of(raw[1][0]), knots_of(raw[0][0])
    y = np.sort(np.concatenate([np.nextafter(heights.astype(np.float32), np.float32(sign * 9)) for sign in (-1, 1)]))
    y = np.clip(np.concatenate([y, heights]), -5, 5)
    x = run(spline, y, *(np.repeat(r, len(y), axis=0) for r in raw))
    np.testing.assert_allclose(x[-11:], widths, atol=1e-5)
    np.testing.assert_allclose(x[:-11], np.repeat(widths, 2), atol=1e-5)


def test_it_undoes_the_spline(spline: ort.InferenceSession) -> None:
    raw = random_raw(500, 1.0, seed=7)
    x = np.random.default_rng(2).uniform(-5, 5, 500)
    y = np.array([forward(*row) for row in zip(x, *raw, strict=True)])
    assert (np.abs(run(spline, y, *raw) - x) <= tolerance(y, *raw)).all()
