"""How the rehearsal rounds: never worse than plainly, the same on every machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import TinyBert, make_tiny_bert

from sokuon.convert import exact
from sokuon.convert.codes import BlockRounding, ColumnRounding, quantize_blocks, quantize_columns
from sokuon.convert.products import GELU_FLOOR, Known, Linear, Precision
from sokuon.convert.rehearsal import Rehearsal, candidates, centre, eaten, sentences
from sokuon.convert.rounding import compensated, second_moments, triangle
from sokuon.storage.tensors import F32

ROUNDINGS = {Precision.Q8: (ColumnRounding, quantize_columns), Precision.Q4: (BlockRounding, quantize_blocks)}
CONVERT = """
import sys
from pathlib import Path
from sokuon.convert.bert import convert_bert
from sokuon.convert.products import Precision
for precision in (Precision.Q8, Precision.Q4):
    convert_bert(Path(sys.argv[1]), Path(sys.argv[2]) / precision.value, precision)
"""


def related_rows(seed: int, inputs: int, tokens: int = 400, outlier: float = 1.0) -> F32:
    """Rows whose channels depend on each other, as those of a network do; one of them is larger."""
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((inputs, inputs)) * np.exp(-4 * np.arange(inputs)[:, None] / inputs)
    rows = random.standard_normal((tokens, inputs)) @ mixing / np.sqrt(inputs)
    rows[:, 3] *= outlier
    return np.asarray(rows, np.float32)


def matrix(seed: int, inputs: int, outputs: int) -> F32:
    return np.float32(np.random.default_rng(seed).standard_normal((inputs, outputs)))


def rehearsal(precision: Precision, tokens: int = 400) -> Rehearsal:
    return Rehearsal([tokens], lambda distances: distances, precision)


@pytest.mark.parametrize("precision", ROUNDINGS)
@pytest.mark.parametrize("outlier", [1.0, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_damping_is_never_worse_than_none(precision: Precision, outlier: float, seed: int) -> None:
    rows, weights = related_rows(seed, 64, outlier=outlier), matrix(seed, 64, 48)
    judge = rehearsal(precision)
    chosen = judge.error(rows, weights, judge.damping(rows, weights))
    none = judge.error(rows, weights, np.ones(64, np.float32))
    assert chosen <= none
    if outlier > 1 and precision is Precision.Q8:
        assert chosen < none / 4


def test_no_damping_is_among_the_candidates_and_few_bits_are_kept() -> None:
    found = list(candidates(related_rows(1, 64), matrix(1, 64, 48)))
    assert (found[0] == 1).all()
    assert len(found) > 3
    for damping in found:
        mantissa = np.frexp(damping)[0] * 256
        assert (mantissa == np.rint(mantissa)).all()


@pytest.mark.parametrize("precision", ROUNDINGS)
@pytest.mark.parametrize("inputs", [64, 1056, 40])
def test_compensated_rounding_errs_less_than_plain(precision: Precision, inputs: int) -> None:
    """On rows of the same kind that it has not seen; 1,056 inputs are two parts, 40 no whole number of blocks."""
    rounding, plain = ROUNDINGS[precision]
    rows, weights = related_rows(5, inputs, tokens=1600), matrix(6, inputs, 20)
    seen, unseen = rows[:1200], rows[1200:]
    codes, nearest = compensated(weights, seen, rounding), plain(weights)
    errors = [np.square(unseen @ (c.integers()[:inputs] * c.scale - weights)).sum() for c in (codes, nearest)]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("precision", ROUNDINGS)
def test_rows_that_never_differ_are_rounded_too(precision: Precision) -> None:
    rounding, _ = ROUNDINGS[precision]
    weights = matrix(1, 64, 16)
    codes = compensated(weights, np.zeros((10, 64), np.float32), rounding)
    assert np.abs(codes.integers() * codes.scale - weights).max() < 0.4


def test_triangle_is_the_factor() -> None:
    h = second_moments(related_rows(2, 96))
    lower = triangle(h)
    assert (np.triu(lower, 1) == 0).all()
    assert (np.diagonal(lower) == 1).all()
    pivots = np.diagonal(np.linalg.solve(lower, np.linalg.solve(lower, h).T))
    assert np.abs((lower * pivots) @ lower.T - h).max() < 1e-5 * np.abs(h).max()


@pytest.mark.parametrize("floor", [0.0, GELU_FLOOR])
def test_rows_are_eaten_as_the_product_eats_them(floor: float) -> None:
    rows, codes = np.abs(related_rows(4, 64)), quantize_columns(matrix(2, 64, 16))
    found = eaten(rows, floor)
    step = found.scale
    assert (np.abs(found.values() - rows) <= 0.501 * step).all()
    assert found.codes.min() >= -128
    assert found.codes.max() <= 127
    want = found.values().astype(np.float64) @ (codes.codes * codes.scale).astype(np.float64)
    assert np.abs(found.times(codes) - want).max() < 1e-5 * np.abs(want).max()


@pytest.mark.parametrize("precision", ROUNDINGS)
def test_bias_makes_up_for_the_mean_error(precision: Precision) -> None:
    rows = exact.gelu(related_rows(3, 64) * 3)
    layer = Linear("layer", matrix(3, 64, 16), np.zeros(16, np.float32))
    chosen = rehearsal(precision).choose(rows, [layer], Known(floor=GELU_FLOOR))
    error = chosen.outputs[0] - rows @ layer.matrix
    assert np.abs(error.mean(axis=0)).max() < 1e-3 * np.abs(error).max()


def test_centre_takes_the_means_away() -> None:
    rows = related_rows(7, 64) + np.float32(np.arange(64))
    assert np.abs((rows - centre(rows)).mean(axis=0)).max() < 1e-2


def test_sentences_are_more_than_four_and_none_is_measured() -> None:
    """What is measured in bench/ must not have been rehearsed."""
    rehearsed = sentences()
    assert len(rehearsed) > 40
    assert len(set(rehearsed)) == len(rehearsed)
    folder = Path(__file__).resolve().parents[2] / "bench"
    for name in ("everyday.tsv", "held_out.tsv", "texts.txt", "bert.py", "quality.py"):
        text = (folder / name).read_text(encoding="utf-8")
        assert not [sentence for sentence in rehearsed if sentence in text]


def test_conversion_gives_the_same_bytes_on_every_machine(tmp_path: Path) -> None:
    """A BLAS adds in another order with other kernels and another number of threads: wide enough that it uses them.

    The names are those of OpenBLAS, NumPy's usual one: kernels without FMA, and this machine's own.
    """
    make_tiny_bert(tmp_path / "source", 3, TinyBert(hidden_size=96, heads=3, intermediate_size=256, layers=3))
    digests = set()
    for threads, kernels in (("1", "Prescott"), ("2", "")):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
        environment = os.environ | dict.fromkeys(names, threads) | {"PYTHONPATH": os.pathsep.join(sys.path)}
        environment |= {"OPENBLAS_CORETYPE": kernels} if kernels else {}
        command = [sys.executable, "-c", CONVERT, str(tmp_path / "source"), str(tmp_path / threads)]
        subprocess.run(command, env=environment, check=True)
        weights = (tmp_path / threads / name / "bert.weights" for name in ("q8", "q4"))
        digests.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in weights))
    assert len(digests) == 1
