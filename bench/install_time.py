"""Seconds of an installation: `python bench/install_time.py WHEEL [--uv UV] [--rounds 3]`.

Each round installs Sokuon's wheel and what it needs into fresh environments: by pip and by uv, with an empty cache and
with the one just filled; then by pip in three parts, one after the other: downloaded, unpacked, byte-compiled (uv does
not compile; the first start does, once). Environments and pip itself are there before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from shared import middle, table


def main() -> None:
    """Print a table, and its figures once more as JSON in the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="of Sokuon, as .ci/wheel builds it")
    parser.add_argument("--uv", help="the program uv, to be measured, too")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    wheel = str(options.wheel.resolve())
    seconds: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for name, value in one_round(wheel, options.uv).items():
            seconds.setdefault(name, []).append(round(value, 2))
            print(f"{name}: {value:.1f} s", file=sys.stderr, flush=True)
    rows = [(name, middle(values, "", 1)) for name, values in seconds.items()]
    print(table(("", "seconds"), rows))
    print(json.dumps(seconds))


def one_round(wheel: str, uv: str | None) -> dict[str, float]:
    """What is measured → seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pip_cache = {"PIP_CACHE_DIR": str(folder / "pip")}
        seconds = {f"pip, {cache} cache": pip(fresh(folder), [wheel], pip_cache) for cache in ("empty", "filled")}
        if uv is not None:
            uv_cache = {"UV_CACHE_DIR": str(folder / "uv")}
            for cache in ("empty", "filled"):
                command = [uv, "pip", "install", "--quiet", "--python", str(fresh(folder)), wheel]
                seconds[f"uv, {cache} cache"] = timed(command, uv_cache)
        return seconds | parts(folder, wheel)


def parts(folder: Path, wheel: str) -> dict[str, float]:
    """The parts of pip's work, with an empty cache."""
    python, wheels = fresh(folder), str(folder / "wheels")
    download = [str(python), "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", wheels, wheel]
    local = ["--no-index", "--find-links", wheels, "--no-compile", wheel]
    compileall = [str(python), "-m", "compileall", "-q", str(python.parents[1] / "lib")]
    timed(compileall, {})  # what is there before
    return {
        "pip: download": timed(download, {"PIP_CACHE_DIR": str(folder / "none")}),
        "pip: unpack": pip(python, local, {"PIP_FIND_LINKS": ""}),
        "pip: byte-compile": timed(compileall, {}, check=False),  # a package may hold files for other Pythons
    }


def fresh(folder: Path) -> Path:
    """The Python of a new environment."""
    place = Path(tempfile.mkdtemp(dir=folder))
    venv.create(place, with_pip=True)
    return place / "bin" / "python"


def pip(python: Path, arguments: list[str], variables: dict[str, str]) -> float:
    """Seconds of a `pip install`."""
    return timed([str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:", *arguments], variables)


def timed(command: list[str], variables: dict[str, str], check: bool = True) -> float:
    """Wall-clock seconds of a command that must succeed."""
    begin = time.perf_counter()
    subprocess.run(command, check=check, env=os.environ | variables, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
