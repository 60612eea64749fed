"""EPUB 2 and 3: what its package, its table of contents and its documents say (zipfile, lxml).

A file from anywhere: members are read by name into bounded memory, never unpacked into the file system.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

from sokuon.book.content import Block, Book, Chapter, heading, joined
from sokuon.book.html import Document, local_name, parse_xml, read_html, text_of
from sokuon.errors import TextError
from sokuon.text.markup import without_markup

MOST_MEMBERS = 20_000
MOST_BYTES = 64_000_000
"""Of all that is read of one book, unpacked; the text of a long novel has one or two."""
MOST_COVER_BYTES = 16_000_000
MOST_DOCUMENTS = 5_000
_DEEPEST = 2  # levels of a table of contents: parts and chapters
_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


@dataclass(frozen=True)
class _Item:
    """A member that the package lists."""

    path: str
    kind: str
    properties: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """A place that the table of contents names."""

    title: str
    path: str
    anchor: str


class _Members:
    """Members of an archive, read while all of them together are not too much."""

    def __init__(self, archive: zipfile.ZipFile, book: Path) -> None:
        self._archive, self._book = archive, book
        self._left = MOST_BYTES
        self.names = frozenset(archive.namelist())

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """Raises TextError for what is missing, damaged or too much."""
        if name not in self.names:
            raise TextError(f"{self._book} is no whole EPUB: it lacks {name!r}.")
        most = min(most, self._left)
        try:
            with self._archive.open(name) as member:
                data = member.read(most + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise TextError(f"{self._book} cannot be read: {name!r} in it is damaged or locked ({error}).") from error
        if len(data) > most:
            raise TextError(f"{self._book} holds more than {MOST_BYTES // 1_000_000} MB; it is no ordinary book.")
        self._left -= len(data)
        return data


def read_epub(path: Path, title: str) -> Book:
    """A book; `title` is what it is called if it does not say. Raises TextError, MissingExtraError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > MOST_MEMBERS:
                raise TextError(f"{path} holds more than {MOST_MEMBERS} files; it is no ordinary book.")
            return _Package(_Members(archive, path), path).book(title)
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        if isinstance(error, TextError):
            raise
        raise TextError(f"{path} is no EPUB ({error}).") from error


class _Package:
    """The package document, and the files it names."""

    def __init__(self, members: _Members, book: Path) -> None:
        self._members, self._book = members, book
        container = parse_xml(members.read(_CONTAINER), _CONTAINER)
        self._path = next((e.get("full-path", "") for e in _named(container, "rootfile")), "")
        self._root = parse_xml(members.read(self._path), self._path)
        self._items = {e.get("id", ""): self._item(e) for e in _named(self._root, "item")}

    def book(self, title: str) -> Book:
        """All of it."""
        paths = self._reading_order()
        self._refuse_locked(paths)
        documents = [(path, read_html(self._members.read(path), path)) for path in paths]
        known = self._said("title") or title
        chapters = joined(_chapters(documents, list(self._contents()), known))
        return Book(known, self._said("creator"), chapters, self._cover())

    def _item(self, element: Any) -> _Item:
        kind, properties = element.get("media-type", ""), element.get("properties", "").split()
        return _Item(self._resolved(self._path, element.get("href", "")), kind, tuple(properties))

    def _reading_order(self) -> list[str]:
        """Paths of the documents that are read one after the other: not the table of contents, no repeated ones."""
        ids = [e.get("idref", "") for e in _named(self._root, "itemref") if e.get("linear") != "no"]
        items = [self._items[id] for id in dict.fromkeys(ids) if id in self._items]
        texts = [item.path for item in items if "html" in item.kind and "nav" not in item.properties]
        found = [path for path in texts if path in self._members.names]
        if not found:
            raise TextError(f"{self._book} holds nothing to read: its package names no document.")
        if len(found) > MOST_DOCUMENTS:
            raise TextError(f"{self._book} has more than {MOST_DOCUMENTS} documents; it is no ordinary book.")
        return found

    def _refuse_locked(self, paths: list[str]) -> None:
        if _ENCRYPTION not in self._members.names:
            return
        root = parse_xml(self._members.read(_ENCRYPTION), _ENCRYPTION)
        locked = {unquote(e.get("URI", "")) for e in _named(root, "CipherReference")}
        if not locked.isdisjoint(paths):  # fonts may be, and do not matter
            raise TextError(f"{self._book} is locked by digital rights management; Sokuon reads open files only.")

    def _said(self, name: str) -> str:
        texts = (text_of(element) for element in _named(self._root, name))
        return next((text for text in texts if text), "")

    def _cover(self) -> bytes | None:
        """JPEG or PNG; a cover that is something else, missing or huge is none."""
        named = [e.get("content", "") for e in _named(self._root, "meta") if e.get("name") == "cover"]
        items = [item for item in self._items.values() if "cover-image" in item.properties]
        items += [self._items[id] for id in named if id in self._items]
        for item in items:
            if item.path in self._members.names:
                try:
                    data = self._members.read(item.path, MOST_COVER_BYTES)
                except TextError:
                    continue
                if data.startswith(_PICTURES):
                    return data
        return None

    def _contents(self) -> Iterator[_Entry]:
        """Entries of the table of contents: EPUB 3's navigation, else EPUB 2's NCX, else none."""
        nav = next((item for item in self._items.values() if "nav" in item.properties), None)
        ncx = next((item for item in self._items.values() if "dtbncx" in item.kind), None)
        for item, entries in ((nav, _nav_entries), (ncx, _ncx_entries)):
            if item is None or item.path not in self._members.names:
                continue
            found = list(entries(parse_xml(self._members.read(item.path), item.path)))
            for title, href in found:
                target, anchor = urldefrag(href)
                yield _Entry(title, self._resolved(item.path, target) if target else item.path, unquote(anchor))
            if found:
                return

    def _resolved(self, base: str, href: str) -> str:
        """A reference as the name of a member; one that leaves the archive names none."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(urldefrag(href)[0])))


def _nav_entries(root: Any) -> Iterator[tuple[str, str]]:
    kinds = [(nav, nav.get("{http://www.idpf.org/2007/ops}type") or "") for nav in _named(root, "nav")]
    contents = next((nav for nav, kind in kinds if "toc" in kind.split()), None)
    for link in _named(contents, "a") if contents is not None else ():
        depth = sum(1 for outer in link.iterancestors() if local_name(outer) == "ol")
        if depth <= _DEEPEST and link.get("href"):
            yield text_of(link), link.get("href")


def _ncx_entries(root: Any) -> Iterator[tuple[str, str]]:
    for point in _named(root, "navPoint"):
        depth = 1 + sum(1 for outer in point.iterancestors() if local_name(outer) == "navpoint")
        label = next(iter(_named(point, "text")), None)
        content = next(iter(_named(point, "content")), None)
        if depth <= _DEEPEST and label is not None and content is not None:
            yield text_of(label), content.get("src", "")


def _named(root: Any, name: str) -> Iterator[Any]:
    """Elements of that local name, whatever their namespace."""
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag.rpartition("}")[2] == name:
            yield element


def _chapters(documents: list[tuple[str, Document]], contents: list[_Entry], title: str) -> Iterator[Chapter]:
    """Chapters begin where the table of contents says, or, without one, at each document that begins with a heading."""
    name, blocks = title, list[Block]()
    entries = defaultdict[str, list[_Entry]](list)
    for entry in contents:
        entries[entry.path].append(entry)
    for path, document in documents:
        starts = _starts(document, entries[path]) if contents else _start(document)
        ends = [*(start for start, _ in starts), len(document.blocks)]
        blocks += document.blocks[: ends[0]]
        for (start, own), end in zip(starts, ends[1:], strict=True):
            if blocks:
                yield Chapter(name, tuple(blocks))
            name, blocks = own, [_as_heading(block, own) for block in document.blocks[start:end]]
    if blocks:
        yield Chapter(name, tuple(blocks))


def _start(document: Document) -> list[tuple[int, str]]:
    """The heading that a document begins with."""
    first = next(((i, b) for i, b in enumerate(document.blocks) if b.kind != "break"), None)
    is_start = first is not None and first[1].kind == "heading"
    return [(first[0], without_markup(first[1].text))] if first is not None and is_start else []


def _starts(document: Document, entries: list[_Entry]) -> list[tuple[int, str]]:
    """Blocks of a document at which chapters begin, and what these are called."""
    places: dict[int, str] = {}
    for entry in entries:
        places.setdefault(document.anchors.get(entry.anchor, 0) if entry.anchor else 0, entry.title)
    return sorted(places.items())


def _as_heading(block: Block, title: str) -> Block:
    """A paragraph that says what the table of contents calls the chapter is its heading."""
    if block.kind == "paragraph" and "".join(without_markup(block.text).split()) == "".join(title.split()):
        return replace(heading(block.text, 1))
    return block
