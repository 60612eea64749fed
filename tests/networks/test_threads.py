"""How many threads are used."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sokuon.errors import OptionError
from sokuon.networks import threads
from sokuon.networks.threads import available_processors, thread_count


def test_asked_is_given_as_far_as_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert thread_count(1) == 1
    assert thread_count(np.int64(3)) == 3
    assert thread_count(5000) == thread_count(10**20) == max(4, available_processors())
    assert thread_count(None) == available_processors() >= 1


@pytest.mark.parametrize("asked", [0, -1, 1.5, "2"])
def test_less_than_one_or_no_whole_number_is_refused(asked: int) -> None:
    with pytest.raises(OptionError, match="whole number from 1 up"):
        thread_count(asked)


@pytest.fixture
def quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cgroup of version 2 whose file the test writes, on a machine of 16 processors."""
    monkeypatch.setattr(threads, "_CGROUP_V2", tmp_path / "cpu.max")
    monkeypatch.setattr(threads, "_CGROUP_V1", (tmp_path / "quota", tmp_path / "period"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "count"),
    [("max 100000", 16), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("9900000 100000", 16),
     ("nonsense", 16), ("", 16), ("100 0", 16)],
)  # fmt: skip
def test_quota_of_a_container_bounds_the_processors(quota: Path, text: str, count: int) -> None:
    (quota / "cpu.max").write_text(text)
    assert available_processors() == count


@pytest.mark.parametrize(("microseconds", "count"), [(-1, 16), (250_000, 3)])
def test_quota_of_an_older_container(quota: Path, microseconds: int, count: int) -> None:
    (quota / "quota").write_text(f"{microseconds}\n")
    (quota / "period").write_text("100000\n")
    assert available_processors() == count


def test_without_cgroups_or_affinity_all_processors_count(quota: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(quota.iterdir())
    assert available_processors() == 16
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert available_processors() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_processors() == 1
