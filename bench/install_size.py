"""Megabytes and seconds of an installation: `python bench/install_size.py WHEEL [--native REQUIREMENTS]`.

Two fresh environments, one after the other: everything by pip, and only what the native networks need, by the recipe of
`requirements-native.txt`. For each a table of what lies in site-packages, by distribution and without pip itself, the
seconds that pip took (packages from its cache where it has them: run it twice for the time without the network), and a
sentence spoken in it, so that what is measured is what speaks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIST = """
import json
from importlib.metadata import distributions
sizes = {d.name: sum(f.locate().stat().st_size for f in d.files or () if f.locate().is_file()) for d in distributions()}
print(json.dumps(sizes))
"""


def main() -> None:
    """Print both tables, and their figures once more as JSON in the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="of Sokuon, as .ci/wheel builds it")
    parser.add_argument("--native", type=Path, default=ROOT / "requirements-native.txt", help="the recipe")
    options = parser.parse_args()
    wheel = str(options.wheel.resolve())
    results = {
        "everything": measure([[wheel]]),
        "the native path": measure([["--no-deps", "-r", str(options.native)], ["--no-deps", wheel]]),
    }
    for name, result in results.items():
        print(table(name, result), end="\n\n")
    print(json.dumps(results, ensure_ascii=False))


def measure(installations: list[list[str]]) -> dict[str, object]:
    """Megabytes (10^6 bytes) by distribution and the seconds of pip, of what these arguments of `pip install` bring."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "bin", "python"))
        start = time.perf_counter()
        for arguments in installations:
            run(python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", *arguments)
        seconds = time.perf_counter() - start
        sizes = json.loads(run(python, "-c", LIST))
        run(python, "-m", "sokuon", "say", "はい。", "-o", str(Path(folder, "yes.wav")))
    megabytes = {name: round(size / 1e6, 1) for name, size in sizes.items() if name not in ("pip", "setuptools")}
    return {"seconds": round(seconds, 1), "total": round(sum(megabytes.values()), 1), "packages": megabytes}


def run(*command: str) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def table(name: str, result: dict[str, object]) -> str:
    """As Markdown, the largest first, what is below 1 MB in one row."""
    packages: dict[str, float] = dict(result["packages"])  # type: ignore[call-overload]
    rows = sorted(((size, package) for package, size in packages.items() if size >= 1), reverse=True)
    small = [size for size in packages.values() if size < 1]
    lines = [f"| {name}: {result['seconds']} s | MB |", "|---|--:|"]
    lines += [f"| {package} | {size} |" for size, package in rows]
    return "\n".join([*lines, f"| {len(small)} more | {sum(small):.1f} |", f"| all | {result['total']} |"])


if __name__ == "__main__":
    main()
