"""MeCab's dictionary compiler, in a process of its own.

It reports its progress on the process's standard output and has no option against it. Swapping that descriptor for a
while, as one may in a program of one thread, loses what other threads print meanwhile, and there may be none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sokuon.errors import DictionaryError
from sokuon.text.openjtalk.binding import load_binding

_TIMEOUT_S = 120.0  # 10,000 words take 1 s
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from sokuon.text.openjtalk.compiler import compile_file; compile_file(*sys.argv[2:])"
)


def compile_words(user_words: str, folder: Path) -> Path:
    """The compiled dictionary in `folder` of MeCab dictionary source, one row a word. Raises DictionaryError."""
    source, target = folder / "user.csv", folder / "user.dic"
    source.write_text(user_words, encoding="utf-8")
    if getattr(sys, "frozen", False) or not sys.executable:  # inside another program: its output shows the report
        compile_file(str(source), str(target))
        return target
    command = [sys.executable, "-I", "-c", _PROGRAM, json.dumps(sys.path), str(source), str(target)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        raise DictionaryError(f"The user dictionary cannot be compiled ({_reason(error)}): check its words.") from error
    return target


def compile_file(source: str, target: str) -> None:
    """Compile a file, in this process. Raises DictionaryError."""
    try:
        load_binding().mecab_dict_index(source, target)
    except RuntimeError as error:
        raise DictionaryError(f"The user dictionary cannot be compiled ({error}): check its words.") from error


def _reason(error: Exception) -> str:
    said = getattr(error, "stderr", None) or b""
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else str(error)
