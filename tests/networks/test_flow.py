"""However long a sentence, the flow costs time and memory in proportion to its frames."""

from __future__ import annotations

import numpy as np
import pytest

from sokuon.networks import flow
from sokuon.storage.tensors import F32

SPEAKER = np.zeros(4, np.float32)


class Recorder:
    """Adds to each frame the mean of the two beside it, and notes how long its runs are."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def run(self, z_prior: F32, speaker: F32, threads: int | None = None) -> F32:  # noqa: ARG002
        assert speaker is SPEAKER
        self.lengths.append(len(z_prior))
        padded = np.pad(z_prior, ((1, 1), (0, 0)))
        z: F32 = z_prior + (padded[:-2] + padded[2:]) / 2
        return z


def frames(count: int) -> F32:
    return np.random.default_rng(3).standard_normal((count, 6)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2999, 3000])
def test_a_sentence_is_one_run(count: int) -> None:
    recorder = Recorder()
    flow.run_bounded(recorder, frames(count), SPEAKER)
    assert recorder.lengths == [count]


@pytest.mark.parametrize("count", [3001, 6000, 6001, 20_000, 100_000])
def test_runs_are_bounded_and_leave_out_nothing(count: int) -> None:
    """Every frame is there once, with the neighbours it has in one run; the runs together grow like the frames."""
    recorder = Recorder()
    z_prior = frames(count)
    np.testing.assert_array_equal(flow.run_bounded(recorder, z_prior, SPEAKER), Recorder().run(z_prior, SPEAKER))
    assert max(recorder.lengths) <= flow._MOST_FRAMES_PER_RUN + 2 * flow._CONTEXT_FRAMES
    assert sum(recorder.lengths) < 1.5 * count
