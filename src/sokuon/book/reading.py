"""A file → a book, by what the file is and not only by what it is called."""

from __future__ import annotations

import zipfile
from pathlib import Path

from sokuon.book.aozora import is_aozora, read_aozora
from sokuon.book.content import Book
from sokuon.book.plain import read_plain
from sokuon.errors import TextError
from sokuon.text.encodings import bounded, content, decoded

_MOST_MB, _ADVICE = 64, "it is no ordinary book"
_MARKDOWN = (".md", ".markdown")


def read_book(path: Path, encoding: str | None = None) -> Book:
    """EPUB, Markdown, Aozora Bunko's texts (also in the archives it hands out), plain text in any Japanese encoding.

    Raises TextError for a file that cannot be read or holds nothing to say, MissingExtraError.
    """
    book = _read(path, encoding)
    if not any(block.text for chapter in book.chapters for block in chapter.blocks):
        raise TextError(f"{path} holds nothing to say.")
    return book


def _read(path: Path, encoding: str | None) -> Book:
    title = path.stem
    if path.suffix.lower() == ".epub" or zipfile.is_zipfile(_existing(path)):
        if text := _packed_text(path):
            return _of_text(decoded(text, encoding, str(path)), title, path)
        from sokuon.book.epub import read_epub

        return read_epub(_existing(path), title)
    return _of_text(decoded(content(_existing(path), _MOST_MB, _ADVICE), encoding, str(path)), title, path)


def _of_text(text: str, title: str, path: Path) -> Book:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if path.suffix.lower() in _MARKDOWN:
        from sokuon.book.markdown import read_markdown

        return read_markdown(text, title)
    return (read_aozora if is_aozora(text) else read_plain)(text, title)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise TextError(f"{path} is not a file; check the path.")
    return path


def _packed_text(path: Path) -> bytes | None:
    """The one text file of a ZIP archive; None if it is an EPUB or something else."""
    try:
        with zipfile.ZipFile(path) as archive:
            texts = [name for name in archive.namelist() if name.lower().endswith(".txt")]
            if len(texts) != 1 or "META-INF/container.xml" in archive.namelist():
                return None
            with archive.open(texts[0]) as file:
                return bounded(file, path, _MOST_MB, _ADVICE)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        return None
