"""Noise is named by the seed and by what is said, for ever."""

from __future__ import annotations

import hashlib
import platform

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sokuon.native import library as native
from sokuon.native.noise import NativeNoise
from sokuon.noise import Noise, NumpyNoise, fresh_seed
from sokuon.text import Phonemes

A = Phonemes(("_", "a", ".", "_"), (0, 1, 0, 0), "あ。", (1, 1, 1, 1))
HIGH = Phonemes(("_", "a", ".", "_"), (0, 0, 0, 0), "あ。", (1, 1, 1, 1))
B = Phonemes(("_", "i", ".", "_"), (0, 1, 0, 0), "い。", (1, 1, 1, 1))


def test_numbers_are_pinned() -> None:
    """A change here changes every sound ever made with a seed."""
    np.testing.assert_allclose(Noise(3, A).draw(2, 2, 1.0), [[-0.126579, 0.644212], [-0.508679, -1.380387]], atol=1e-6)


def test_seed_phonemes_and_tones_name_the_stream() -> None:
    draws = [Noise(seed, said).draw(1, 4, 1.0).tobytes() for seed, said in ((1, A), (2, A), (1, HIGH), (1, B), (1, A))]
    assert len(set(draws)) == 4
    assert draws[0] == draws[4]


def test_seed_may_be_any_kind_of_whole_number() -> None:
    assert np.array_equal(Noise(7, A).draw(1, 4, 1.0), Noise(np.int64(7), A).draw(1, 4, 1.0))
    assert Noise(2**80, A).draw(1, 4, 1.0).tobytes() != Noise(2**80 + 1, A).draw(1, 4, 1.0).tobytes()


def test_draws_follow_each_other() -> None:
    noise = Noise(1, A)
    first, second = noise.draw(3, 2, 1.0), noise.draw(3, 2, 1.0)
    assert first.tobytes() != second.tobytes()
    np.testing.assert_array_equal(np.concatenate([first, second]), Noise(1, A).draw(6, 2, 1.0))


@given(st.floats(0, 2))
def test_scale_is_a_factor(scale: float) -> None:
    expected = scale * Noise(1, A).draw(2, 5, 1.0)
    np.testing.assert_allclose(Noise(1, A).draw(2, 5, scale), expected, rtol=1e-6, atol=1e-30)


def test_numbers_are_standard_normal() -> None:
    numbers = Noise(5, A).draw(100, 1000, 1.0)
    assert numbers.dtype == np.float32
    assert abs(numbers.mean()) < 0.01  # three standard errors of 100,000 numbers
    assert abs(numbers.std() - 1) < 0.01
    assert abs(np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]) < 0.01


def test_fresh_seeds_differ() -> None:
    assert len({fresh_seed() for _ in range(100)}) == 100


@pytest.mark.skipif(not native.available()[0], reason="this installation was built without a C++ compiler")
@pytest.mark.parametrize("seed", [bytes(8), hashlib.sha256(b"a").digest(), hashlib.sha512(b"b").digest() * 50])
def test_the_native_stream_is_that_of_numpy(seed: bytes) -> None:
    """Bit by bit; the seeds are shorter and longer than the generator's state."""
    ours, numpys = NativeNoise(seed), NumpyNoise(seed)
    for count, scale in ((1, 1.0), (0, 1.0), (2, 0.8), (100_001, 0.667), (3, 0.0)):
        drawn, expected = ours.draw(count, scale), numpys.draw(count, scale)
        if platform.machine() in ("x86_64", "AMD64"):
            np.testing.assert_array_equal(drawn, expected)
        else:  # NumPy's compiler may have joined a product and a sum there
            np.testing.assert_array_max_ulp(drawn, expected, maxulp=1)


@pytest.mark.skipif(not native.available()[0], reason="this installation was built without a C++ compiler")
def test_a_stream_without_a_seed_is_refused() -> None:
    with pytest.raises(native.NativeError, match="noise"):
        NativeNoise(b"")


def test_the_streams_name_is_a_sha256() -> None:
    said = "3\n_ a . _\n(0, 1, 0, 0)"
    expected = NumpyNoise(hashlib.sha256(said.encode()).digest()).draw(4, 1.0)
    np.testing.assert_allclose(Noise(3, A).draw(2, 2, 1.0).ravel(), expected, rtol=1e-6)
