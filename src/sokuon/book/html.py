"""XHTML and HTML → blocks (lxml). Nothing is fetched, no entity of a document's own is expanded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.entities import html5
from typing import Any

from sokuon.book.content import BREAK, Block, Kind
from sokuon.book.ruby import with_reading
from sokuon.errors import TextError, missing_extra

_SILENT = """
    head script style template svg math nav pre audio video iframe object canvas form button img rp rt rtc
"""
_SILENT_KINDS = """
    noteref footnote footnotes endnote endnotes rearnote rearnotes pagebreak toc landmarks
    doc-noteref doc-footnote doc-endnote doc-endnotes doc-pagebreak doc-toc
"""
_BLOCKS = """
    address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer header
    h1 h2 h3 h4 h5 h6 li main ol p section summary table tbody td tfoot th thead tr ul
"""
_SILENT_NAMES, _SILENT_PURPOSES, _BLOCK_NAMES = (frozenset(t.split()) for t in (_SILENT, _SILENT_KINDS, _BLOCKS))
_WIDE = "[{}\u3000-\u30ff\u3400-\u9fff\uff00-\uffef—―…‥“”‘’]"
_LOOSE = re.compile(rf"(?<={_WIDE}) (?={_WIDE})")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_NAMED = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]{1,31});")
_DECLARATIONS = re.compile(rb"(\s*(?:<\?xml[^>]*>\s*)?)<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_EPUB_TYPE = "{http://www.idpf.org/2007/ops}type"


@dataclass
class Document:
    """Blocks in their order, and where the elements with an id begin: id → index of a block (its length: the end)."""

    blocks: list[Block] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=dict)


def parse_xml(data: bytes, name: str) -> Any:
    """The root of an XML file; HTML's named characters need no declaration. Raises TextError."""
    etree = _etree()
    data = _NAMED.sub(_numeric, data)
    try:
        return etree.fromstring(data, etree.XMLParser(**_parser_options(), resolve_entities=False, load_dtd=False))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise TextError(f"{name} is no XML ({error}).") from error


def read_html(data: bytes, name: str) -> Document:
    """What an XHTML document says; where it is not well-formed, what a browser would make of it. Raises TextError."""
    try:
        root = parse_xml(data, name)
    except TextError:
        root = _lenient(data, name)
    walker = _Walker()
    walker.walk(root)
    walker.end()
    return walker.document


def _lenient(data: bytes, name: str) -> Any:
    """Undeclared encodings are UTF-8, as EPUB has it."""
    etree = _etree()
    try:
        data.decode()
        encoding = "utf-8"
    except UnicodeDecodeError:
        encoding = None
    if declared := _DECLARATIONS.match(data):
        data = declared[1] + data[declared.end() :]
    try:
        root = etree.fromstring(data, etree.HTMLParser(**_parser_options(), encoding=encoding))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise TextError(f"{name} is no HTML ({error}).") from error
    if root is None:
        raise TextError(f"{name} is no HTML: it is empty.")
    return root


def _parser_options() -> dict[str, bool]:
    return {"no_network": True, "huge_tree": False, "remove_comments": True, "remove_pis": True}


def _etree() -> Any:
    try:
        from lxml import etree
    except ImportError as error:
        raise missing_extra("EPUB and Markdown need", "lxml", "book") from error
    return etree


class _Walker:
    """Collects the text of inline elements until a block ends."""

    def __init__(self) -> None:
        self.document = Document()
        self._text: list[str] = []
        self._kind: Kind = "paragraph"
        self._level = 0

    def walk(self, element: Any) -> None:
        """An element and what is in it; not the text after it."""
        if not isinstance(element.tag, str):  # an entity, here
            self._text.append(_entity(element))
            return
        name = local_name(element)
        if anchor := element.get("id") or element.get("{http://www.w3.org/XML/1998/namespace}id"):
            if name in _BLOCK_NAMES:
                self.end()
            self.document.anchors.setdefault(anchor, len(self.document.blocks))
        if name in _SILENT_NAMES or _is_silent(element):
            return
        if name == "ruby":
            self._text.append(_ruby(element))
        elif name == "br":
            self._line_break()
        elif name == "hr":
            self.end()
            self.document.blocks.append(BREAK)
        elif name in _BLOCK_NAMES:
            self._block(element, name)
        else:
            self._inside(element)

    def end(self) -> None:
        """The paragraph is complete."""
        text = _LOOSE.sub("", _SPACE.sub(" ", "".join(self._text))).strip()
        self._text.clear()
        if text:
            self.document.blocks.append(Block(text, self._kind, self._level))

    def _inside(self, element: Any) -> None:
        self._text.append(element.text or "")
        for child in element:
            self.walk(child)
            self._text.append(child.tail or "")

    def _block(self, element: Any, name: str) -> None:
        self.end()
        outer = self._kind, self._level
        if len(name) == 2 and name[0] == "h" and name[1].isdigit():
            self._kind, self._level = "heading", int(name[1])
        before = len(self.document.blocks)
        self._inside(element)
        self.end()
        self._kind, self._level = outer
        if name == "p" and len(self.document.blocks) == before and not _holds_image(element):
            self.document.blocks.append(BREAK)  # an empty paragraph is a blank line

    def _line_break(self) -> None:
        if self._kind == "heading":
            self._text.append("\u3000")
        else:
            self.end()


def text_of(element: Any) -> str:
    """All text in an element, on one line."""
    return _SPACE.sub(" ", "".join(element.itertext())).strip()


def local_name(element: Any) -> str:
    """The name of an element without its namespace, in small letters."""
    return str(element.tag).rpartition("}")[2].lower()


def _is_silent(element: Any) -> bool:
    kinds = f"{element.get(_EPUB_TYPE) or element.get('epub:type') or ''} {element.get('role') or ''}".split()
    hidden = element.get("hidden") is not None or element.get("aria-hidden") == "true"
    return hidden or not _SILENT_PURPOSES.isdisjoint(kinds)


def _holds_image(element: Any) -> bool:
    return any(isinstance(inner.tag, str) and local_name(inner) in ("img", "svg", "image") for inner in element.iter())


def _numeric(match: re.Match[bytes]) -> bytes:
    text = html5.get(f"{match[1].decode()};", "")
    return "".join(f"&#{ord(char)};" for char in text).encode() if text else match[0]


def _entity(element: Any) -> str:
    return html5.get(f"{getattr(element, 'name', '')};", "")


def _ruby(element: Any) -> str:
    """<ruby>漢<rt>かん</rt>字<rt>じ</rt></ruby> is one word with one reading if each part has one."""
    pairs = [("".join(base), reading) for base, reading in _ruby_pairs(element)]
    if all(reading.strip() for _, reading in pairs):
        return with_reading(_SPACE.sub("", "".join(b for b, _ in pairs)), "".join(reading for _, reading in pairs))
    return "".join(with_reading(base, reading) for base, reading in pairs)


def _ruby_pairs(element: Any) -> list[tuple[list[str], str]]:
    bases: list[list[str]] = [[]]
    readings: list[str] = []
    for is_reading, text in _ruby_texts(element):
        if is_reading:
            readings.append(text)
            bases.append([])
        elif text.strip():
            bases[-1].append(text.strip())
    parts = [base for base in bases if base]
    if len(parts) < len(readings):  # <rb>漢</rb><rb>字</rb><rt>かん</rt><rt>じ</rt>
        return [([text for base in parts for text in base], "".join(readings))]
    return [(base, readings[i] if i < len(readings) else "") for i, base in enumerate(parts)]


def _ruby_texts(element: Any) -> Iterator[tuple[bool, str]]:
    """Text within <ruby>, in its order, and whether it is a reading."""
    yield False, element.text or ""
    for child in element:
        name = local_name(child) if isinstance(child.tag, str) else "entity"
        if name == "rt":
            yield True, "".join(child.itertext())
        elif name == "rtc":
            yield from ((True, text) for is_reading, text in _ruby_texts(child) if is_reading)
        elif name == "entity":
            yield False, _entity(child)
        elif name not in ("rp", "rt"):
            yield from _ruby_texts(child)
        yield False, child.tail or ""
