"""Which encoding a text was written in: one detection for arguments, files, tables and books."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sokuon.errors import OptionError, TextError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_ISO_2022 = re.compile(rb"\x1b(\$[@B]|\$\(D|\([BIJ])")
_CANDIDATES = ("cp932", "euc_jp", "utf-16-le", "utf-16-be")
_JAPANESE = "[ぁ-んァ-ヶー、。「」・！？\u3000\n\r]"  # these three are compiled for what is not UTF-8, and kept by `re`
_KANA = "[ぁ-んァ-ヶ]"
_LIKELY = "[一-鿿々 -~Ａ-ｚ０-９｡-ﾟ…（）『』【】〜～―①-⓿㈠-㏿\t]"
_CONTROL = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # in no text, but in what is read in a wrong encoding
_ENOUGH = 0.6  # text of kanji alone has 0.6, another encoding's bytes have half as much


def content(path: Path, most_mb: int, advice: str) -> bytes:
    """A file's bytes. Raises TextError where it cannot be read, or is too large; `advice` ends that sentence."""
    try:
        with path.open("rb") as file:
            return bounded(file, path, most_mb, advice)
    except TextError:
        raise
    except (OSError, ValueError) as error:  # a NUL in the name is a ValueError
        reason = error.strerror if isinstance(error, OSError) else error
        raise TextError(f"{path} cannot be read ({reason}); check the path.") from error


def bounded(file: IO[bytes], name: object, most_mb: int, advice: str) -> bytes:
    """What an open file holds. Raises TextError where that is too large, which `name` and `advice` tell; OSError."""
    most = most_mb * 1_000_000
    data = file.read(most + 1)
    if len(data) > most:
        raise TextError(f"{name} has more than {most_mb} MB; {advice}.")
    return data


def decoded(data: bytes, encoding: str | None, name: str) -> str:
    """Bytes as text: in `encoding`, else as its mark says, else UTF-8, else the most Japanese of what they may be.

    `name` is that of their source in messages. Raises TextError for bytes that are no text, OptionError for an encoding
    that does not exist.
    """
    if encoding is not None:
        return _strictly(data, encoding, name)
    for mark, marked in _MARKS:
        if data.startswith(mark):
            return _strictly(data, marked, name)
    if _ISO_2022.search(data):
        return _strictly(data, "iso2022_jp_ext", name)
    try:
        text, wrong_byte = data.decode(), None
    except UnicodeDecodeError as error:
        text, wrong_byte = "", error.start
    if wrong_byte is None and not _CONTROL.search(text):
        return text
    likeness, guess = max(_guesses(data), default=(0.0, ""))
    if likeness >= _ENOUGH:
        return guess
    if wrong_byte is None and "\0" not in text:
        return text
    where = "" if wrong_byte is None else f" (byte {wrong_byte})"
    raise TextError(f"{name} is not UTF-8 text{where}; save it as UTF-8 or name its --encoding.")


def _strictly(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except LookupError as error:  # also "hex" and others that make no text
        raise OptionError(f"encoding is {encoding!r}; use one such as utf-8, shift_jis, euc_jp or utf-16.") from error
    except (UnicodeError, ValueError) as error:
        raise TextError(f"{name} is not {encoding} text ({error}); check its --encoding.") from error


def _guesses(data: bytes) -> Iterator[tuple[float, str]]:
    """Each candidate that decodes without error, with the share of its characters that Japanese text is made of."""
    for encoding in _CANDIDATES:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not text or _CONTROL.search(text) or (encoding.startswith("utf-16") and not re.search(_KANA, text)):
            continue  # any two bytes are a character of UTF-16, most of them a kanji
        weight = len(re.findall(_JAPANESE, text)) + _ENOUGH * len(re.findall(_LIKELY, text))
        yield weight / len(text), text
