"""Which consonants a listener gets wrong: by class, and the one that opens a sentence apart.

Takes what `bench/intelligibility.py score --phones FILE.json` wrote, one file a seed and a set of texts. The phones
said and heard are aligned by edit distance; a consonant is wrong where another phone, or none, stands against it.
Phones heard beside those that were said count for no class.

    python bench/consonants.py NAME=FILE.json,FILE.json ... [NAME=FILE.json ...]

Prints a table in Markdown and, last, JSON.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from shared import table

CLASSES = {
    "voiceless plosives": ("p", "py", "t", "ty", "k", "ky"),
    "voiced plosives": ("b", "by", "d", "dy", "g", "gy"),
    "voiceless fricatives": ("s", "sh", "h", "hy", "f"),
    "voiced fricatives and affricates": ("z", "j", "v"),
    "voiceless affricates": ("ts", "ch"),
    "nasals": ("m", "my", "n", "ny"),
    "flaps": ("r", "ry"),
    "glides": ("w", "y"),
}
CLASS_OF = {phone: name for name, phones in CLASSES.items() for phone in phones}
INITIAL = "first of a sentence"


def aligned(said: Sequence[str], heard: Sequence[str]) -> list[tuple[str, str | None]]:
    """Each phone said with the one heard in its place, None where there is none: a shortest edit path."""
    costs = [list(range(len(heard) + 1))]
    for i, phone in enumerate(said, 1):
        row = [i]
        for j, other in enumerate(heard, 1):
            row.append(min(costs[i - 1][j] + 1, row[j - 1] + 1, costs[i - 1][j - 1] + (phone != other)))
        costs.append(row)
    pairs: list[tuple[str, str | None]] = []
    i, j = len(said), len(heard)
    while i:
        if j and costs[i][j] == costs[i - 1][j - 1] + (said[i - 1] != heard[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((said[i], heard[j]))
        elif costs[i][j] == costs[i - 1][j] + 1:
            i -= 1
            pairs.append((said[i], None))
        else:
            j -= 1
    return pairs[::-1]


def count(sentences: Iterable[tuple[Sequence[str], Sequence[str]]]) -> tuple[Counter[str], Counter[str]]:
    """(consonants said, of them wrong) for each class, in all places and first of a sentence."""
    spoken, wrong = Counter[str](), Counter[str]()
    for said, heard in sentences:
        for place, (phone, other) in enumerate(aligned(said, heard)):
            if phone not in CLASS_OF:
                continue
            names = [CLASS_OF[phone]]
            if place == 0:
                names += [INITIAL, f"{INITIAL}: {CLASS_OF[phone]}"]
            spoken.update(names)
            wrong.update(names if other != phone else [])
    return spoken, wrong


def read(paths: Sequence[Path]) -> list[tuple[Sequence[str], Sequence[str]]]:
    """(said, heard) of every sentence of every file."""
    return [(said, heard) for path in paths for said, heard in json.loads(path.read_text(encoding="utf-8")).values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", nargs="+", help="NAME=FILE.json,FILE.json ...")
    args = parser.parse_args()
    pairs = [pair.partition("=") for pair in args.voices]
    counts = {name: count(read([Path(p) for p in files.split(",")])) for name, _, files in pairs}
    rows = [*CLASSES, INITIAL, *(f"{INITIAL}: {name}" for name in CLASSES)]
    shares = {name: {r: (wrong[r], spoken[r]) for r in rows if spoken[r]} for name, (spoken, wrong) in counts.items()}
    body = [(r, *(_share(shares[n].get(r)) for n in shares)) for r in rows if any(r in s for s in shares.values())]
    print(table(("wrong of those said", *shares), body))
    print(json.dumps(shares))


def _share(found: tuple[int, int] | None) -> str:
    return "" if found is None else f"{found[0]} of {found[1]}, {100 * found[0] / found[1]:.1f} %"


if __name__ == "__main__":
    main()
