"""OpenJTalk's binding as it goes into Sokuon's wheels: `bundle_openjtalk.py FOLDER [WHEELS]`, run by CMakeLists.txt.

pyopenjtalk-plus asks for SudachiPy's dictionary (193 MB) and pydantic, which Sokuon's front end never reads, and pip
has no way to leave out what a dependency asks for. So it is a requirement of the build, and its files are copied: into
FOLDER come `pyopenjtalk/` and the .dist-info that names its version and licence. Left out are the HTS synthesizer with
its voice and Cython's sources; compiled parts lose what only debuggers read, where a `strip` is found; the features of
the dictionary's words are packed, 103 MB to 46 (`sokuon/text/openjtalk/features.py`). The copy is of what is installed
for the Python that runs this; or of the wheels in the folder WHEELS, one for each version of Python, and then it serves
all those versions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pack_dictionary

DISTRIBUTION = "pyopenjtalk-plus"
PACKAGE = "pyopenjtalk"
LEFT_OUT = ("htsengine.*", "htsvoice", "openjtalk", "__main__.py", "__pycache__", "*.pyi", "*.pxd", "convert_onnx.py")
HTSENGINE = '"""Left out of this copy: Sokuon has networks of its own."""\n\nHTSEngine = None\n'


def main(folder: Path, wheels: list[Path]) -> None:
    """Fill `folder`, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as unpacked:
        for number, wheel in enumerate(wheels):
            zipfile.ZipFile(wheel).extractall(Path(unpacked, str(number)))
        sites = [Path(unpacked, str(number)) for number in range(len(wheels))] or [_installed()]
        check_same(sites)
        for site in sites:
            copy(site, folder)
    (folder / PACKAGE / "htsengine.py").write_text(HTSENGINE, encoding="utf-8")  # the binding imports the name
    pack_dictionary.pack(folder / PACKAGE / "dictionary")
    strip(folder)


def copy(site: Path, folder: Path) -> None:
    """The package and its .dist-info from where it is installed or unpacked; what is there already stays."""
    shutil.copytree(site / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
    about = next(site.glob(f"{DISTRIBUTION.replace('-', '_')}-*.dist-info"))
    (folder / about.name).mkdir(exist_ok=True)
    shutil.copy(about / "METADATA", folder / about.name)
    shutil.copytree(about / "licenses", folder / about.name / "licenses", dirs_exist_ok=True)


def check_same(sites: list[Path]) -> None:
    """The wheels of several versions of Python differ in compiled parts alone: one dictionary serves them all."""
    for site in sites[1:]:
        for file in (file for file in (sites[0] / PACKAGE).rglob("*") if file.is_file() and file.suffix != ".so"):
            other = site / file.relative_to(sites[0])
            if file.read_bytes() != other.read_bytes():
                raise SystemExit(f"{file} and {other} differ: one copy cannot serve several versions of Python.")


def strip(folder: Path) -> None:
    """Compiled parts without symbols for debuggers: 3 MB instead of 29 each, by $STRIP or `strip` if there is one."""
    program = shutil.which(os.environ.get("STRIP", "strip"))
    for file in folder.rglob("*.so") if program else ():
        subprocess.run([program, str(file)], check=False)  # one that cannot be read stays as it is


def _installed() -> Path:
    return Path(str(distribution(DISTRIBUTION).locate_file("")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [wheel for wheels in sys.argv[2:] for wheel in sorted(Path(wheels).glob("*.whl"))])
