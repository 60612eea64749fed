"""Markdown (markdown-it-py) by way of its HTML; code is not read aloud."""

from __future__ import annotations

import re
from dataclasses import replace

from sokuon.book.content import Block, Book, chapters_of
from sokuon.book.html import read_html
from sokuon.book.ruby import with_ruby
from sokuon.errors import missing_extra
from sokuon.text.markup import without_markup

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<fields>.*?)\n(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
_FIELD = re.compile(r"^(?P<name>title|author):[ \t]*(?P<value>.+?)[ \t]*$", re.MULTILINE)


def read_markdown(text: str, title: str) -> Book:
    """A book; its title and author are those of its front matter, else the one heading above all others, else `title`.

    Raises MissingExtraError.
    """
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise missing_extra("Markdown needs", "markdown-it-py", "book") from error
    fields = {}
    if front := _FRONT_MATTER.match(text):
        fields = {match["name"]: match["value"].strip("\"'") for match in _FIELD.finditer(front["fields"])}
        text = text[front.end() :]
    html = MarkdownIt("commonmark").enable("table").render(text)
    blocks = [replace(block, text=with_ruby(block.text)) for block in read_html(_page(html), title).blocks]
    known = fields.get("title") or _title(blocks) or title
    return Book(known, fields.get("author", ""), chapters_of(blocks, known))


def _page(body: str) -> bytes:
    """No doctype and no XML: HTML that people write into Markdown is seldom well-formed."""
    return f"<html><body>{body}<br></body></html>".encode()


def _title(blocks: list[Block]) -> str:
    """The first block if it is the only heading of its level and none is above it."""
    levels = [block.level for block in blocks if block.kind == "heading"]
    if not levels or blocks[0].kind != "heading" or levels.count(min(levels)) > 1 or blocks[0].level > min(levels):
        return ""
    return without_markup(blocks[0].text)
