"""The short form of the file fuzzer; `$SOKUON_FUZZ_CASES` makes it longer, `fuzz_files.py` runs by hand, too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("forks and limits of Linux", allow_module_level=True)

from fuzz_files import fuzz

CASES = int(os.environ.get("SOKUON_FUZZ_CASES", "150"))


def test_mutated_files_speak_or_are_refused(tiny: Path) -> None:
    outcomes, bad = fuzz(tiny, range(CASES), seed=2026)
    assert not bad, "\n".join(bad)
    kinds = {kind for _, kind in outcomes}
    assert kinds == {"sound", "refused"}  # neither all the same: changes reach the files, and not each is fatal
