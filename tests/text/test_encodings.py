"""Which encoding a text was written in, in those that Japanese text comes in."""

from __future__ import annotations

import pytest

from sokuon.errors import OptionError, TextError
from sokuon.text.encodings import decoded

NOVEL = "吾輩は猫である。名前はまだ無い。\nどこで生れたかとんと見当がつかぬ。"
ENCODINGS = (
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp932", "shift_jis", "euc_jp", "iso2022_jp",
)  # fmt: skip


TEXTS = (NOVEL, "はい。", "東京都渋谷区", "テスト１２３ ABC", "ｶﾀｶﾅは半角です。", "①㈱も読む")


def _fits(text: str, encoding: str) -> bool:
    """Whether the encoding has these characters, and what tells it: without kana UTF-16 is told by its mark alone."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return not (encoding.startswith("utf-16-") and text == "東京都渋谷区")


@pytest.mark.parametrize(("text", "encoding"), [(t, e) for t in TEXTS for e in ENCODINGS if _fits(t, e)])
def test_encoding_is_found_out(text: str, encoding: str) -> None:
    assert decoded(text.encode(encoding), None, "x") == text


def test_encoding_can_be_named() -> None:
    assert decoded("東京都".encode("utf-16-be"), "utf-16-be", "x") == "東京都"
    assert decoded("東京都".encode("utf-16"), "utf-16-le", "x") == "東京都"  # its mark is no text


@pytest.mark.parametrize("name", ["klingon", "hex", "rot13", ""])
def test_no_encoding_of_that_name(name: str) -> None:
    with pytest.raises(OptionError, match=f"encoding is {name!r}; use one such as"):
        decoded(b"abc", name, "x")


@pytest.mark.parametrize(
    "data", [b"abc\xff", bytes(range(256)), b"\x89PNG\r\n\x1a\n" * 9, b"\x00" * 50, b"\xff\xfe\x00"]
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(TextError, match="--encoding"):
        decoded(data, None, "x")


def test_a_wrong_encoding_is_said() -> None:
    with pytest.raises(TextError, match=r"x is not euc_jp text \(.*\); check its --encoding"):
        decoded("はい。ｱ".encode("cp932") + b"\xff", "euc_jp", "x")
