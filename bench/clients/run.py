"""Real clients of the three APIs against a real server, unchanged: who is served?

    python bench/clients/run.py --python PYTHON... --node FOLDER

Each client is a program of its own in this folder (`*.client.py`, `*.client.mjs`): it gets the server's URL, speaks,
and ends with status 0 if what it got is sound. Those whose packages PYTHON (several may be given: they do not all fit
into one environment) or FOLDER (with node_modules) lack are listed as not installed. Prints a table.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
TIMEOUT_S = 120


def free_port() -> int:
    """A port nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server() -> Iterator[tuple[str, int]]:
    """Our server with the built-in voice: its URL, and the port of Wyoming."""
    port, wyoming = free_port(), free_port()
    environment = {**os.environ, "SOKUON_DATA": tempfile.mkdtemp()}
    command = [sys.executable, "-m", "sokuon", "serve", "--port", str(port), "--wyoming", str(wyoming)]
    process = subprocess.Popen([*command, "--log-level", "warning"], env=environment)
    for _ in range(600):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        time.sleep(0.1)
    try:
        yield f"http://127.0.0.1:{port}", wyoming
    finally:
        process.terminate()
        process.wait(30)


def run(command: list[str], cwd: Path) -> tuple[int, str]:
    """Status and the last line that was printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=cwd)
    except subprocess.TimeoutExpired:
        return 1, "no end"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, lines[-1] if lines else ""


def attempt(client: Path, url: str, wyoming: int, options: argparse.Namespace) -> tuple[str, str]:
    """What became of one client: passed, failed or not installed, and its last words."""
    with tempfile.TemporaryDirectory() as folder:
        if client.suffix == ".mjs":
            if options.node is None:
                return "not installed", ""
            copy = options.node / client.name
            copy.write_bytes(client.read_bytes())
            status, words = run(["node", str(copy), url], Path(folder))
            copy.unlink()
            missing = "ERR_MODULE_NOT_FOUND" in words or "Cannot find package" in words
            return ("passed" if status == 0 else "not installed" if missing else "failed"), words
        for python in options.python:
            status, words = run([python, str(client), url, str(wyoming)], Path(folder))
            if "ModuleNotFoundError" not in words:
                return ("passed" if status == 0 else "failed"), words
    return "not installed", words


def main() -> int:
    """Run all and print a table; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--node", type=Path)
    options = parser.parse_args()
    failed = False
    print("| client | result | |\n|---|---|---|")
    with server() as (url, wyoming):
        for client in sorted([*HERE.glob("*.client.py"), *HERE.glob("*.client.mjs")]):
            result, words = attempt(client, url, wyoming, options)
            failed |= result == "failed"
            print(f"| {client.name.partition('.client')[0]} | {result} | {words[:90].replace('|', '/')} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
