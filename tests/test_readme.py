"""The READMEs: what they print can be run, and the Japanese one keeps step with the English one."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="the tests run without the repository")

ENGLISH, JAPANESE = "README.md", "README.ja.md"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """Language and lines of each code block, comments left out."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(kind, [re.sub(r"\s+# .*", "", line) for line in code.splitlines()]) for kind, code in found]


def headings(text: str) -> list[int]:
    """Levels of the headings."""
    return [len(level) for level in re.findall(r"^(#+) ", re.sub(r"(?ms)^```.*?^```$", "", text), re.MULTILINE)]


def test_the_japanese_readme_keeps_step() -> None:
    """Who changes a heading or an example in one changes it in both."""
    assert headings(read(JAPANESE)) == headings(read(ENGLISH))
    assert blocks(read(JAPANESE)) == blocks(read(ENGLISH))


def test_the_japanese_readme_names_the_same_options_and_variables() -> None:
    section = read(ENGLISH).split("## In Python")[1].split("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith("| `")]
    options = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert len(options) > 10
    assert options - set(re.findall(r"`(\w+)`", read(JAPANESE))) == set()
    variables = set(re.findall(r"SOKUON_[A-Z]+", read(ENGLISH)))
    assert variables - set(re.findall(r"SOKUON_[A-Z]+", read(JAPANESE))) == set()


def printed_commands() -> list[str]:
    """The lines with `sokuon say` and `sokuon phonemes` that need no voice of one's own, network, player or install."""
    lines = [line for kind, code in blocks(read(ENGLISH)) if kind == "sh" for line in code]
    told = [line.split(" && ")[-1].removesuffix(" | aplay") for line in lines]
    return [
        line
        for line in told
        if re.search(r"sokuon (say|phonemes|dict)", line) and not re.search("path/|--play|://", line)
    ]


@pytest.mark.parametrize("line", printed_commands() if (ROOT / "README.md").is_file() else [])
def test_what_the_readme_prints_runs(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOKUON_DICTIONARY", str(tmp_path / "words.json"))
    (tmp_path / "novel.txt").write_text("吾輩は猫である。名前はまだ無い。", encoding="utf-8")
    command = line.replace("sokuon ", f"{shlex.quote(sys.executable)} -m sokuon ", 1)
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    if output := re.search(r"-o (\S+\.\w+)", line):
        assert soundfile.info(str(tmp_path / output[1])).duration > 0.5
