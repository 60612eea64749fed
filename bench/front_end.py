"""What the front end's accents and readings cost: time a sentence with `accents="standard"` over "openjtalk".

    python bench/front_end.py TEXTS.tsv [--rounds 5]        (name, tab, text; everyday.tsv by default)

The two take turns, round by round; the medians of the rounds are printed, and as JSON in the last line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Literal

from sokuon.text import FrontEnd


def milliseconds(front_end: FrontEnd, texts: list[str]) -> float:
    """Mean time of one text."""
    start = time.perf_counter()
    for text in texts:
        list(front_end.sentences(text))
    return 1000 * (time.perf_counter() - start) / len(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, nargs="?", default=Path(__file__).with_name("everyday.tsv"))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    texts = [line.split("\t")[1] for line in args.texts.read_text(encoding="utf-8").splitlines() if line]
    kinds: tuple[Literal["openjtalk", "standard"], ...] = ("openjtalk", "standard")
    front_ends = {kind: FrontEnd(accents=kind) for kind in kinds}
    for front_end in front_ends.values():
        milliseconds(front_end, texts)  # opens the dictionary
    rounds = [{kind: milliseconds(front_ends[kind], texts) for kind in kinds} for _ in range(args.rounds)]
    result = {kind: round(statistics.median(r[kind] for r in rounds), 4) for kind in kinds}
    ratio = statistics.median(r["standard"] / r["openjtalk"] for r in rounds)
    characters = sum(map(len, texts)) / len(texts)
    print(f"{len(texts)} texts of {characters:.0f} characters: {result} ms each, ratio {ratio:.3f}")
    print(json.dumps({**result, "ratio": round(ratio, 4), "characters": round(characters, 1)}))


if __name__ == "__main__":
    main()
