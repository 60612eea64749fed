"""How voices are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sokuon.errors import OptionError, VoiceNotFoundError
from sokuon.voices.fetch.address import Address, parse

UUID = "22e8ed77-94fe-4ef2-871f-a86f94e9a579"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("hf://u/r", Address("hf", "u/r")),
        ("hf://u/r@v1/sub/x", Address("hf", "u/r", "sub/x", "v1")),
        ("hf://u/r@refs%2Fpr%2F1/", Address("hf", "u/r", "", "refs/pr/1")),
        ("https://huggingface.co/u/r", Address("hf", "u/r")),
        ("https://huggingface.co/u/r/tree/main/sub%20x", Address("hf", "u/r", "sub x", "main")),
        ("https://hf.co/u/r/blob/v1/a/b.safetensors?download=true", Address("hf", "u/r", "a/b.safetensors", "v1")),
        ("https://huggingface.co/u/r/resolve/v1/b.aivmx", Address("hf", "u/r", "b.aivmx", "v1")),
        ("https://huggingface.co/u/r/commit/c0ffee", Address("hf", "u/r", "", "c0ffee")),
        ("s3://bucket", Address("s3", "bucket")),
        ("S3://bucket/a/b/", Address("s3", "bucket", "a/b")),
        (f"aivis://{UUID.upper()}", Address("aivis", UUID)),
        (f"https://hub.aivis-project.com/aivm-models/{UUID}", Address("aivis", UUID)),
        ("https://example.com/a/b.aivmx?key=1", Address("https", "https://example.com/a/b.aivmx?key=1")),
    ],
)
def test_addresses(name: str, address: Address) -> None:
    assert parse(name) == address


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/b", Path("a/b")),
        ("file:///a/%E5%A3%B0", Path("/a/声")),
        ("file:///C:/voice", Path("C:/voice")),
        ("C:/voice", Path("C:/voice")),
        ("hf:/u/r", Path("hf:/u/r")),
        ("声", Path("声")),
    ],
)
def test_paths(name: str, path: Path) -> None:
    assert parse(name) == path


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("ftp://x/y", "ftp:// is not known|begins with ftp://"),
        ("hf://u", "names no repository"),
        ("hf://u/../r", "names no repository"),
        ("hf://u/r/../../x", r"\.\. folder"),
        ("hf://u/r/a//x", "empty"),
        ("s3:///x", "names no bucket"),
        ("s3://b/a/../c", r"\.\. folder"),
        ("aivis://voice", "holds no UUID"),
        ("http://example.com/a.aivmx", "unencrypted"),
        ("https://example.com/", "names no file"),
        ("https://huggingface.co/datasets/u/r", "no model repository"),
        ("https://huggingface.co/u/r/discussions/1", "no place in a repository"),
        ("file://server/voice", "only this machine's files"),
    ],
)
def test_addresses_that_mean_nothing_are_refused(name: str, problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        parse(name)


def test_a_hub_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example.com")
    assert parse("https://hub.example.com/u/r/tree/v1/x") == Address("hf", "u/r", "x", "v1")


def test_the_home_folder() -> None:
    assert parse("~/voice") == Path.home() / "voice"


@given(st.text(max_size=40), st.sampled_from(["hf", "s3", "https", "http", "aivis", "file", "x+y"]))
def test_anything_is_understood_or_refused(text: str, scheme: str) -> None:
    for name in (text, f"{scheme}://{text}"):
        try:
            found = parse(name)
        except (OptionError, VoiceNotFoundError):
            continue
        assert isinstance(found, Path) or ".." not in found.inside.split("/")
