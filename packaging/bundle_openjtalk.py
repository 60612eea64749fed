"""OpenJTalk's binding as it goes into Sokuon's wheels: `bundle_openjtalk.py FOLDER [WHEELS]`, run by CMakeLists.txt.

pyopenjtalk-plus asks for SudachiPy's dictionary (193 MB) and pydantic, which Sokuon's front end never reads, and pip
has no way to leave out what a dependency asks for. So it is a requirement of the build, and its files are copied: into
FOLDER come `pyopenjtalk/` and the .dist-info that names its version and licence. Left out are the HTS synthesizer with
its voice and Cython's sources; compiled parts lose what only debuggers read, where a `strip` is found; the features of
the dictionary's words are packed, 103 MB to 46 (`sokuon/text/openjtalk/features.py`), and so is the table of variant
kanji (`variants.py` there). The copy is of what is installed
for the Python that runs this; or of the wheels in the folder WHEELS, one for each version of Python, and then it serves
all those versions.
"""

from __future__ import annotations

import os
import runpy
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
VARIANTS = Path(__file__).parent.parent / "src" / "sokuon" / "text" / "openjtalk" / "variants.py"
TABLES = {"_cjkvi_variants_map": "CJKVI_VARIANTS", "_itaiji_map": "ITAIJI_MAP"}  # what the later one says counts
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
    pack_variants(folder / PACKAGE)
    strip(folder)


def copy(site: Path, folder: Path) -> None:
    """The package and its .dist-info from where it is installed or unpacked; what is there already stays."""
    shutil.copytree(site / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
    about = next(site.glob(f"{DISTRIBUTION.replace('-', '_')}-*.dist-info"))
    (folder / about.name).mkdir(exist_ok=True)
    shutil.copy(about / "METADATA", folder / about.name)
    shutil.copytree(about / "licenses", folder / about.name / "licenses", dirs_exist_ok=True)


def pack_variants(package: Path) -> None:
    """One file instead of the tables of variant kanji; their modules keep names and notices, and hold nothing."""
    pairs: dict[str, str] = {}
    for module, table in TABLES.items():
        file = package / f"{module}.py"
        pairs |= runpy.run_path(str(file))[table]
        notice = "".join(line for line in file.read_text(encoding="utf-8").splitlines(True) if line.startswith("#"))
        file.write_text(f"{notice}\n{table}: dict[str, str] = {{}}  # see variants.txt\n", encoding="utf-8")
    packed = runpy.run_path(str(VARIANTS), run_name="variants")["Variants"].of(pairs)
    if dict(packed) != pairs:
        raise SystemExit("The packed variants do not come back the same.")
    packed.save(package)


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
