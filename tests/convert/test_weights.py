"""The ledger of tensors and the folding of weight norm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sokuon.convert.weights import Checkpoint, fold_weight_norm
from sokuon.errors import WeightError

RNG = np.random.default_rng(0)
V = RNG.standard_normal((4, 3, 5)).astype(np.float32)
G = RNG.standard_normal((4, 1, 1)).astype(np.float32)
FILE = Path("voice.safetensors")


def checkpoint(**tensors: Any) -> Checkpoint:
    return Checkpoint({name.replace("__", "."): np.asarray(tensor) for name, tensor in tensors.items()}, FILE)


def test_folding_is_by_the_first_axis() -> None:
    folded = fold_weight_norm(G, V)
    assert folded.dtype == np.float32
    for row in range(4):
        norm = np.linalg.norm(V[row].astype(np.float64))
        np.testing.assert_allclose(folded[row], G[row, 0, 0] * V[row] / norm, rtol=1e-6)


def test_both_spellings_and_a_plain_weight_are_the_same() -> None:
    first = checkpoint(up__weight_g=G, up__weight_v=V)
    second = Checkpoint(
        {"up.parametrizations.weight.original0": G, "up.parametrizations.weight.original1": V}, FILE
    )  # fmt: skip
    plain = checkpoint(up__weight=fold_weight_norm(G, V))
    taken = []
    for tensors in (first, second, plain):
        assert tensors.normed_shape("up") == (4, 3, 5)
        taken.append(tensors.take_normed("up", (4, None, 5)))
        tensors.finish(())
    assert np.array_equal(taken[0], taken[1])
    assert np.array_equal(taken[0], taken[2])


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.float32])
def test_any_width_of_float_is_widened(dtype: type) -> None:
    tensors = checkpoint(a=np.array([1.5, -2], dtype))
    assert tensors.take("a", (2,)).dtype == np.float32


@pytest.mark.parametrize(("shape", "wanted"), [((2, 3), r"\[2, 3\]"), ((None, 2), r"\['any', 2\]"), ((6,), r"\[6\]")])
def test_wrong_shape_is_said_with_both(shape: tuple[int | None, ...], wanted: str) -> None:
    with pytest.raises(WeightError, match=rf"voice\.safetensors: tensor a has shape \[3, 1\] where {wanted} is needed"):
        checkpoint(a=np.zeros((3, 1))).take("a", shape)


def test_missing_tensor_is_named() -> None:
    with pytest.raises(WeightError, match=r"voice\.safetensors has no tensor dec\.conv_pre\.weight"):
        checkpoint(a=V).take("dec.conv_pre.weight", (1,))
    with pytest.raises(WeightError, match=r"has no tensor up\.weight"):
        checkpoint(a=V).take_normed("up", (1,))
    with pytest.raises(WeightError, match=r"has no tensor up\.weight_g"):
        checkpoint(up__weight_v=V).take_normed("up", V.shape)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_tensor_that_is_not_finite_is_named(value: float, dtype: type) -> None:
    damaged = np.ones((2, 3), dtype)
    damaged[1, 2] = value
    with pytest.raises(
        WeightError, match=r"voice\.safetensors: tensor a\.b holds NaN or infinity; .* download it again"
    ):
        checkpoint(a__b=damaged).take("a.b", (2, 3))
    with pytest.raises(WeightError, match=r"tensor up\.weight_v holds NaN"):
        checkpoint(up__weight_g=np.ones((2, 1)), up__weight_v=damaged).take_normed("up", (2, 3))


def test_direction_of_no_length_is_named() -> None:
    direction = np.ones((2, 3), np.float32)
    direction[1] = 0
    with pytest.raises(WeightError, match=r"tensor up\.weight_v by its norm holds NaN"):
        checkpoint(up__weight_g=np.ones((2, 1)), up__weight_v=direction).take_normed("up", (2, 3))


def test_tensor_of_no_values_is_finite() -> None:
    assert checkpoint(a=np.zeros((0, 3))).take("a", (None, 3)).shape == (0, 3)


def test_tensor_taken_twice_is_named() -> None:
    tensors = checkpoint(a=V)
    tensors.take("a", V.shape)
    with pytest.raises(WeightError, match="tensor a is used twice"):
        tensors.take("a", V.shape)


def test_left_over_tensors_are_named_but_not_all_of_many() -> None:
    tensors = checkpoint(**{f"x{i}": V for i in range(8)}, dead__a=V, skip__b=V)
    tensors.ignore("skip.")
    with pytest.raises(WeightError, match=r"does not know: x0, x1, x2, x3, x4 and 3 more\.$"):
        tensors.finish([r"dead\..*"])
    with pytest.raises(WeightError, match="dead"):
        tensors.finish([r"x\d", r"dead"])  # the whole name must match


def test_names_and_shapes_can_be_asked_without_taking() -> None:
    tensors = checkpoint(**{"a__0__b": V, "a__1__b": V, "a__0__c": V})
    assert tensors.names(r"a\.\d+\.b") == ["a.0.b", "a.1.b"]
    assert tensors.shape("a.0.b") == V.shape
    assert "a.0.c" in tensors
    assert "a.2.b" not in tensors
    tensors.take("a.0.b", V.shape)
    assert tensors.names(r"a\.\d+\.b") == ["a.0.b", "a.1.b"]
