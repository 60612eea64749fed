"""Ruby that says what the voice would read anyway is left out: the accent is then the dictionary's, not a flat one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sokuon.text import FrontEnd, Sentence
from sokuon.text.alignment import source_pieces

_GIVEN = re.compile(r"\{(?P<base>[^{}|\n]+)\|(?P<reading>[ァ-ヴー]+)\}")
_MOST_WORDS = 6


def without_needless(text: str, front_end: FrontEnd) -> str:
    """A text in the engine's markup, line by line without the readings that its words have without them."""
    return "\n".join(_line(line, front_end) if _GIVEN.search(line) else line for line in text.split("\n"))


def _line(line: str, front_end: FrontEnd) -> str:
    own = _readings(_GIVEN.sub(r"\g<base>", line), front_end)
    pieces: list[str] = []
    copied = place = 0  # in the line, and where that is in the line without readings
    for match in _GIVEN.finditer(line):
        place += match.start() - copied
        end = place + len(match["base"])
        pieces += [
            line[copied : match.start()],
            match["base"] if own.get((place, end)) == match["reading"] else match[0],
        ]
        copied, place = match.end(), end
    return "".join((*pieces, line[copied:]))


def _readings(line: str, front_end: FrontEnd) -> dict[tuple[int, int], str]:
    """Where words, and neighbours together, lie in a line: (begin, end) → their reading. Short runs only."""
    found: dict[tuple[int, int], str] = {}
    begin = 0
    for sentence in front_end.sentences(line):
        begin = line.find(sentence.source, begin)
        if begin < 0:
            break
        parts = [(begin + start, begin + end, reading) for start, end, reading in _parts(sentence)]
        for i, (start, _, _) in enumerate(parts):
            for j in range(i, min(i + _MOST_WORDS, len(parts))):
                found[start, parts[j][1]] = "".join(reading for _, _, reading in parts[i : j + 1])
        begin += len(sentence.source)
    return found


def _parts(sentence: Sentence) -> Iterator[tuple[int, int, str]]:
    """Pieces of a sentence's source that became words: begin, end and reading."""
    surfaces = [word.surface for word in sentence.words]
    place = first = character = 0
    for text, begin, end in source_pieces(sentence.source, surfaces):
        reading = ""
        while first < len(surfaces) and character < end:
            reading += sentence.words[first].reading if character >= begin else ""
            character += len(surfaces[first])
            first += 1
        yield place, place + len(text), reading
        place += len(text)
