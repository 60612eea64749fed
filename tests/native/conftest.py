"""Gives the tests a native library: the installed one, or one built here with cmake.

Without either the tests cannot run and are skipped: the library is an optional part of the package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sokuon.native import library as native

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path) -> Path:
    commands = (["cmake", "-S", str(ROOT), "-B", str(folder)], ["cmake", "--build", str(folder), "--parallel"])
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("**/libsokuon.*"))


@pytest.fixture(scope="session", autouse=True)
def library(request: pytest.FixtureRequest) -> None:
    if os.environ.get(native.LIBRARY_VARIABLE) or native.available()[0]:
        return
    if not shutil.which("cmake") or not shutil.which("c++"):
        pytest.skip("the native decoder is not installed, and there is no cmake or C++ compiler to build it")
    cache = request.config.cache
    assert cache is not None
    os.environ[native.LIBRARY_VARIABLE] = str(build(cache.mkdir("native-build")))
    native.library.cache_clear()
