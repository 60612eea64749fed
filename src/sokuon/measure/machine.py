"""What a figure of speed or memory rests on: processor, system, versions, and the memory of this process."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import sokuon
from sokuon.native import library as native
from sokuon.networks.threads import available_processors
from sokuon.text.openjtalk import binding

LIBRARIES = ("onnxruntime", "numpy")


def describe_machine() -> dict[str, str]:
    """Processor, memory, system and versions, for people."""
    usable, reason = native.available()
    return {
        "processor": _processor(),
        "processors": f"{available_processors()} of {os.cpu_count()} usable",
        "memory": f"{_memory_gb():.0f} GB" if _memory_gb() else "unknown",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version}" for name, version in _versions().items()),
        "native kernels": f"yes ({reason})" if usable else f"no ({reason})",
    }


def memory_mb() -> tuple[float | None, float | None]:
    """Resident memory of this process now and at its highest, in MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmRSS"].split()[0]) * 1024 / 1e6, int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    if sys.platform == "win32":
        return None, None
    import resource

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None, highest / 1e6 if sys.platform == "darwin" else highest * 1024 / 1e6  # bytes on macOS, else KiB


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return 0.0


def _versions() -> dict[str, str]:
    libraries = {name: _version(name) for name in LIBRARIES}
    return {"sokuon": sokuon.__version__, **libraries, "pyopenjtalk-plus": binding.version()}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"
