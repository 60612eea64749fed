"""What importing and speaking load, and what they leave alone. Each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sokuon
from sokuon.convert.bert import convert_bert
from sokuon.convert.products import Precision
from sokuon.native import library as native

CONVERSION_ONLY = ("onnx", "safetensors", "torch", "transformers")
HEAVY = (
    *CONVERSION_ONLY, "kanalizer", "onnxruntime", "pyopenjtalk", "pyworld", "rich", "soundfile", "sudachipy", "typer",
    "fastapi", "uvicorn", "wyoming", "prometheus_client", "websockets", "pyarrow", "ray"
)  # fmt: skip

LOOK = """
import json, logging, os, sys, threading, warnings
import numpy  # what this does is not ours
before = dict(os.environ), os.getcwd(), list(warnings.filters), os.listdir()
import sokuon
sokuon.load, sokuon.Engine, sokuon.UserDictionary  # imported when they are first named
after = dict(os.environ), os.getcwd(), list(warnings.filters), os.listdir()
print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    "threads": [thread.name for thread in threading.enumerate()],
    "native_threads": len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1,
    "handlers": len(logging.getLogger().handlers) + len(logging.getLogger("sokuon").handlers),
    "level": logging.getLogger("sokuon").level,
    "unchanged": [a == b for a, b in zip(before, after)],
}))
"""

COMMAND = """
import json, sys
from sokuon.cli.app import main

sys.argv = ["sokuon", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""

SPEAK = """
import sys
from pathlib import Path

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[3].split(","):
            raise ImportError(f"{name} must not be imported at run time")

sys.meta_path.insert(0, Refused())
import sokuon
engine = sokuon.load(sys.argv[1], bert=sys.argv[2], threads=1)
audio = engine.speak("こんにちは、世界。今日はいい天気ですね！え、本当？", style="Happy", seed=1)
pieces = list(engine.stream("はい。いいえ。"))
audio.save("out.flac")
engine.add_voice(sys.argv[1], name="again", threads=1)
print(len(audio.sentences), len(pieces) >= 3, audio.samples.any())
"""


def python(code: str, *arguments: str, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONWARNINGS"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_import_has_no_side_effects_and_loads_little(tmp_path: Path) -> None:
    seen = json.loads(python(LOOK, cwd=tmp_path))
    assert set(seen["modules"]).isdisjoint(HEAVY)
    assert seen["threads"] == ["MainThread"]
    assert seen["native_threads"] <= 2 + (os.cpu_count() or 1)  # NumPy's BLAS starts its own; we add none
    assert (seen["handlers"], seen["level"]) == (0, 0)
    assert all(seen["unchanged"])
    assert not list(tmp_path.iterdir())


def test_import_alone_does_not_even_load_numpy(tmp_path: Path) -> None:
    code = "import json, sys, sokuon; print(json.dumps(sorted(sys.modules)))"
    assert {"numpy", "sokuon.engine"}.isdisjoint(json.loads(python(code, cwd=tmp_path)))


@pytest.mark.parametrize("arguments", [["--help"], ["say", "--help"], ["bench", "--help"], ["dict", "list"]])
def test_commands_that_do_not_speak_load_little(tmp_path: Path, arguments: list[str]) -> None:
    loaded = json.loads(python(COMMAND, *arguments, cwd=tmp_path).splitlines()[-1])
    assert {*HEAVY, "numpy"}.difference({"rich", "typer"}).isdisjoint(loaded)


def test_a_converted_voice_speaks_without_what_only_conversion_needs(converted: Path, tmp_path: Path) -> None:
    folders = str(converted / "voice"), str(converted / "bert")
    said = python(SPEAK, *folders, ",".join((*CONVERSION_ONLY, "typer", "rich")), cwd=tmp_path)
    assert said.split() == ["3", "True", "True"]


@pytest.mark.skipif(not native.available()[0], reason="this installation was built without a C++ compiler")
@pytest.mark.parametrize("precision", [Precision.Q8, Precision.Q4])
def test_where_all_is_native_no_onnx_runtime_is_loaded(
    converted: Path, tiny: Path, tmp_path: Path, precision: Precision
) -> None:
    convert_bert(tiny / "bert", tmp_path / "bert", precision)
    folders = str(converted / "voice"), str(tmp_path / "bert")
    said = python(SPEAK, *folders, ",".join((*CONVERSION_ONLY, "onnxruntime", "typer", "rich")), cwd=tmp_path)
    assert said.split() == ["3", "True", "True"]


# OpenSSL is 3 MB, numpy.random 3; what fetches voices takes 20 ms.
NOT_TO_SAY = {
    "_hashlib",
    "numpy.random",
    "email",
    "decimal",
    "ssl",
    "rich",
    "sokuon.voices.sources",
    "sokuon.voices.fetch",
}
SAY = """
import json, sys
import numpy  # what this loads is not ours
before = set(sys.modules)
from sokuon.__main__ import main

sys.argv = ["sokuon", "say", "切手を三枚ください。", "-q", "-o", "said.wav"]
try:
    main()
except SystemExit as end:
    assert not end.code
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.mark.skipif(not native.available()[0], reason="this installation was built without a C++ compiler")
def test_what_is_said_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    loaded = set(json.loads(python(SAY, cwd=tmp_path)))
    assert {"sokuon.engine", "pyopenjtalk"} <= loaded
    assert NOT_TO_SAY.isdisjoint(loaded)


@pytest.mark.skipif(not native.available()[0], reason="this installation was built without a C++ compiler")
def test_the_built_in_voice_needs_no_onnx_runtime_once_it_is_converted(tmp_path: Path) -> None:
    sokuon.load()  # converts, into the tests' cache
    code = "import sys, sokuon; sokuon.load(threads=1).speak('はい。'); print({'onnx', 'onnxruntime'} & {*sys.modules})"
    assert python(code, cwd=tmp_path).strip() == "set()"
