"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from numbers import Integral
from pathlib import Path

from sokuon.errors import OptionError, shown

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def thread_count(asked: int | None) -> int:
    """`asked`, at most one for each processor of the machine; None: as many as affinity mask and cgroup quota allow.

    Raises OptionError below 1.
    """
    if asked is None:
        return available_processors()
    if isinstance(asked, bool) or not isinstance(asked, Integral) or asked < 1:
        raise OptionError(f"threads is {shown(asked)}; it must be a whole number from 1 up.")
    return min(int(asked), max(os.cpu_count() or 1, available_processors()))


def available_processors() -> int:
    """Processors in the affinity mask, bounded by the cgroup's quota (rounded up), at least 1."""
    mask = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, min(mask, math.ceil(quota)) if quota else mask)


def _quota() -> float | None:
    try:
        if _CGROUP_V2.is_file():
            quota, period = _CGROUP_V2.read_text().split()
            return None if quota == "max" else int(quota) / int(period)
        quota_us, period_us = (int(path.read_text()) for path in _CGROUP_V1)
        return quota_us / period_us if quota_us > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
