"""Aozora Bunko's notation: header, notes ［＃…］, characters that Shift-JIS lacks ※［＃…］, くの字点, ruby.

Source: the notation as aozora.gr.jp documents it for those who type texts. Notes about how the page looks are dropped;
those about what is said (headings, breaks, readings) are obeyed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sokuon.book.content import BREAK, Block, Book, chapters_of, heading
from sokuon.book.ruby import with_reading, with_ruby

MISSING = "〓"
"""A character that no code is known of, as printers have it; it is silent unless ruby gives its reading."""

_SIGNS = re.compile(r"^底本[：:]|［＃|^-{20,}$|※［＃", re.MULTILINE)
_RULE = re.compile(r"-{20,}")
_SOURCE = re.compile(r"底本[：:]")
_GAIJI = re.compile(r"※［＃(?P<note>[^［］]*(?:［[^［］]*］[^［］]*)*)］")
_UNICODE = re.compile(r"U\+([0-9A-Fa-f]{4,6})")
_JIS_X_0213 = re.compile(r"(?P<plane>[12])-(?P<row>\d{1,2})-(?P<cell>\d{1,2})")
_ACCENTED = re.compile("〔([^〔〕\n]*)〕")
_ACCENT = re.compile(r"([A-Za-z])([`'^:~&,/])|(ae|AE|oe|OE|s)&")
_ACCENTS = {"`": "\u0300", "'": "\u0301", "^": "\u0302", ":": "\u0308", "~": "\u0303", "&": "\u030a", ",": "\u0327"}
_LIGATURES = {"ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "s": "ß"}
_AGAIN = re.compile(r"(?P<before>[^\n、。「」『』（）！？…―／]{1,12})／(?P<voiced>[″”\"]?)＼")
_KANJI_WORD = re.compile(r"[一-鿿々]{1,2}[ぁ-ん]{0,2}$")
_KATAKANA_WORD = re.compile("[ァ-ヴー]+$")
_HIRAGANA_WORD = re.compile("[ぁ-んー]+$")
_PARTICLES = "をにはがもでとのへ"
_LEVELS = {"大": 1, "中": 2, "小": 3}
_HEADING = re.compile(r"［＃「[^］]*?」は(?:同行|窓)?([大中小])見出し］|［＃(?:同行|窓)?([大中小])見出し］")
_HEADINGS = re.compile(r"［＃ここから(?:同行|窓)?([大中小])見出し］")
_HEADINGS_END = re.compile(r"［＃ここで[^］]*見出し終わり］")
_LONGEST_BASE = 60
_DEEPEST_NOTE = 4  # notes within notes
_READING = re.compile(r"［＃「(?P<base>[^」]{1,60})」に「(?P<reading>[^」]{1,100})」のルビ］")
_NEW_PAGE = re.compile("［＃改(?:ページ|丁|見開き|段)］")
_NOTE = re.compile(r"［＃[^［］]*］")


@dataclass(frozen=True)
class _Layout:
    """Lines of a text: `front` are title and author."""

    front: tuple[str, ...]
    body: tuple[str, ...]


def is_aozora(text: str) -> bool:
    """Whether a text has notes, the rule of an explanation or the source that Aozora Bunko's texts end with."""
    return _SIGNS.search(text) is not None


def read_aozora(text: str, title: str) -> Book:
    """A book; `title` is what it is called if it does not say."""
    layout = _layout(_characters(text).split("\n"))
    front = [without for line in layout.front if (without := _without_notes(line))]
    blocks = [heading(with_ruby(line), 1) for line in front]
    known = front[0] if front else title
    chapters = chapters_of(_blocks(layout.body), known)
    if blocks and chapters:
        first = chapters[0]
        chapters = (type(first)(first.title, (*blocks, *first.blocks)), *chapters[1:])
    return Book(known, _author(front[1:]), chapters)


def _layout(lines: Sequence[str]) -> _Layout:
    """Without the explanation of the notation, and what follows the text: where it was printed, who typed it."""
    ends = [i for i, line in enumerate(lines) if _SOURCE.match(line)]
    lines = lines[: ends[-1]] if ends else lines
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    blank = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
    rules = [i for i, line in enumerate(lines[: blank + 40]) if _RULE.fullmatch(line.strip())]
    has_front = (len(rules) >= 2 or bool(ends)) and 2 <= blank - start <= 6
    front = tuple(lines[start:blank]) if has_front else ()
    body = blank if has_front else start
    return _Layout(front, tuple(lines[rules[1] + 1 :] if len(rules) >= 2 else lines[body:]))


def _author(lines: Sequence[str]) -> str:
    """The last line of the front that names no translator or editor."""
    return next((line for line in reversed(lines) if not re.search("[訳編]$", line)), "")


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    level = 0
    for line in lines:
        if opened := _HEADINGS.search(line):
            level = _LEVELS[opened[1]]
        if _NEW_PAGE.search(line) or not line.strip():
            yield BREAK
        marked = _HEADING.search(line)
        own = _LEVELS[marked[1] or marked[2]] if marked else level
        text = with_ruby(_without_notes(line))
        if text:
            yield heading(text, own) if own else Block(text)
        if _HEADINGS_END.search(line):
            level = 0


def _without_notes(line: str) -> str:
    """A line without notes; those that give a reading to what stands before them are obeyed."""
    pieces, before, end = list[str](), "", 0
    for match in _READING.finditer(line):
        before, base, end = before + line[end : match.start()], match["base"], match.end()
        if before.endswith(base):
            pieces += [before[: -len(base)], with_reading(base, match["reading"])]
            before = ""
        else:
            pieces.append(before[:-_LONGEST_BASE])
            before = before[-_LONGEST_BASE:]
    line = "".join([*pieces, before, line[end:]])
    for _ in range(_DEEPEST_NOTE):
        line = _NOTE.sub("", line)
    return line.strip()


def _characters(text: str) -> str:
    """Characters that are written in several: ※［＃…］, 〔cafe'〕, ／＼."""
    text = _GAIJI.sub(lambda match: _gaiji(match["note"]), text)
    text = _ACCENTED.sub(_accented, text)
    return _AGAIN.sub(_repeated, text)


def _gaiji(note: str) -> str:
    """The character of ※［＃「木＋世」、第3水準1-85-66］ or U+…; MISSING where the note has no code."""
    if match := _UNICODE.search(note):
        code = int(match[1], 16)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else MISSING
    if (match := _JIS_X_0213.search(note)) is None:
        return MISSING
    row, cell = 0xA0 + int(match["row"]), 0xA0 + int(match["cell"])
    try:
        return bytes([*((0x8F,) if match["plane"] == "2" else ()), row, cell]).decode("euc_jisx0213")
    except (UnicodeDecodeError, ValueError):
        return MISSING


def _accented(match: re.Match[str]) -> str:
    """〔e'te'〕 is été; brackets that hold no accent stay."""

    def letter(found: re.Match[str]) -> str:
        if found[3]:
            return _LIGATURES[found[3]]
        if found[2] == "/":
            return {"o": "ø", "O": "Ø"}.get(found[1], found[0])
        return unicodedata.normalize("NFC", found[1] + _ACCENTS[found[2]])

    inner = match[1]
    return _ACCENT.sub(letter, inner) if inner.isascii() and _ACCENT.search(inner) else match[0]


def _repeated(match: re.Match[str]) -> str:
    """いろ／＼ is いろいろ, しみ／″＼ is しみじみ: the word before, which nothing marks the beginning of."""
    before = match["before"]
    word = _word_before(before)
    again = unicodedata.normalize("NFC", word[0] + "\u3099") + word[1:] if match["voiced"] else word
    return before + (again if len(again) == len(word) else word)


def _word_before(text: str) -> str:
    """Kanji with at most two kana, a word of katakana, else two or three kana that do not begin with a particle."""
    if match := _KANJI_WORD.search(text) or _KATAKANA_WORD.search(text):
        return match[0]
    hiragana = _HIRAGANA_WORD.search(text)
    run = hiragana[0] if hiragana else text
    while len(run) > 2 and run[0] in _PARTICLES:
        run = run[1:]
    return run if len(run) == 3 else run[-2:]
