# ruff: noqa: E501 (wide characters count twice)
"""Random texts and growing ones: read, or refused with a sentence of ours, in time that grows with the length.

python tests/fuzz/test_texts.py COUNT SEED     any number of random texts, by hand
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest

from sokuon.errors import SokuonError
from sokuon.text import FrontEnd

MARKUP = [
    *"{}|[]",
    "[pause 1s]",
    "[pause 999999.999s]",
    "[pause ٣s]",
    "{a|ア}",
    "{a|ア|99}",
    "{漢字|カンジ|0}",
    "{{",
    "{|ア}",
]
NUMBERS = [*"0123456789.,-+/:%¥$€²½①Ⅳ〇零一十百千万億京垓", "1/0", "1e308", "99時99分", "31/13/2026", "1.2.3.4", "0x1F"]
WEB = [
    "https://a.b/?c=d&e",
    "u@example.com",
    "#tag",
    "@me",
    "://",
    "a.b.c",
    "C:\\x",
    "v1.2.3",
    "Wi-Fi",
    "don't",
    "U.S.A.",
]
FACES = [
    "(^^)",
    "(´・ω・`)",
    "m(_ _)m",
    "orz",
    "www",
    "ｗｗｗ",
    "(笑)",
    "ヽ(´ー｀)ノ",
    "👨\u200d👩\u200d👧",
    "🇯🇵",
    "👍🏽",
]
MARKS = [
    *"ーっッん々〆ゝヾ〜…‥・「」()。、!?！？\n\r\t \u3000\u00a0\u2028ヴゎヷｱﾞ゛\u3099何",
    "ー" * 20,
    "か\u3099",
    "𠮷",
    "葛\U000e0100",
]
KINDS: list[tuple[float, Callable[[random.Random], str]]] = [
    (8, lambda r: chr(r.randrange(0x110000))),
    (4, lambda r: chr(r.randrange(0xD800, 0xE000))),
    (5, lambda r: chr(r.randrange(0xA0))),
    (7, lambda r: r.choice(MARKUP)),
    (10, lambda r: r.choice(NUMBERS)),
    (6, lambda r: r.choice(WEB)),
    (6, lambda r: r.choice(FACES)),
    (9, lambda r: r.choice(MARKS)),
    (17, lambda r: chr(r.randrange(0x3041, 0x30FF))),
    (15, lambda r: chr(r.randrange(0x4E00, 0x9FFF))),
    (13, lambda r: "".join(chr(r.randrange(0x61, 0x7B)) for _ in range(r.randrange(1, 12)))),
]
WEIGHTS, MAKERS = zip(*KINDS, strict=True)
SECONDS = 5.0  # of processor for a text of some 200 pieces; it takes 0.05 s


def random_text(seed: str) -> str:
    """Pieces of all kinds, or one piece again and again."""
    r = random.Random(seed)
    pieces = r.choice([1, 1, 2, 3, 5, 8, 12, 20] + ([200] if r.random() < 0.15 else []))
    if r.random() < 0.15:
        return r.choices(MAKERS, WEIGHTS)[0](r) * pieces * r.choice([1, 1, 10])
    return "".join(maker(r) for maker in r.choices(MAKERS, WEIGHTS, k=pieces))


def read(front_end: FrontEnd, text: str) -> str:
    """What became of a text; anything but sentences or an error of ours passes as it is."""
    begin = time.process_time()
    outcome = "read"
    try:
        for sentence in front_end.sentences(text):
            sentence.phonemes.slots()
    except SokuonError as error:
        outcome = type(error).__name__ if len(str(error)) < 500 else f"{type(error).__name__} with a long message"
    assert time.process_time() - begin < SECONDS
    return outcome


@pytest.fixture(scope="module")
def front_end() -> FrontEnd:
    return FrontEnd()


@pytest.mark.parametrize("part", range(5))
def test_random_texts_are_read(front_end: FrontEnd, part: int) -> None:
    assert {read(front_end, random_text(f"1-{part}-{i}")) for i in range(100)} == {"read"}


UNITS = [
    *"あ漢ッー何々一千aA90{ !?。、…(「w@#-/〜½①㍿ﷺ한ж\0\ud800\u200d\ue000\ufeff\n", "hello ", "HelloWorld", "1,", "1.", "1/", "1:", "1-",
    "1年1月", "1万1億", "1+1=", "{a|", "{a|ア}", "[pause ", "[pause 1s]", "{a|b|c|d}", "か\u3099", "あ\n", "a?", "(^", "(´・ω", "草ｗ", "a/", "a.",
    "?a=", "a@", "a-", "a'", "1%", "1km/h", "¥1", "IVXLC", "ﾊﾟ", "1.2.3.4", "QMgKxSfb", "今日は良い天気ですが明日も晴れるので",
]  # fmt: skip


@pytest.mark.parametrize("unit", range(len(UNITS)))
def test_time_grows_with_the_length(front_end: FrontEnd, unit: int) -> None:
    """Four times the text takes four times as long, seven to allow for noise; what takes 50 ms is no matter.

    The least of three, as caches and the other half of a core are shared with whoever runs beside.
    """
    few, many = (min(seconds_of_reading(front_end, UNITS[unit], n) for _ in range(3)) for n in (250, 1000))
    assert many < 7 * max(few, 0.05), (UNITS[unit], few, many)


def seconds_of_reading(front_end: FrontEnd, unit: str, characters: int) -> float:
    begin = time.process_time()
    for _ in front_end.sentences(unit * (characters // len(unit))):
        pass
    return time.process_time() - begin


def main(count: int, seed: str) -> None:
    front_end, outcomes = FrontEnd(), Counter[str]()
    for i in range(count):
        text = random_text(f"{seed}-{i}")
        try:
            outcomes[read(front_end, text)] += 1
        except BaseException as error:
            outcomes[f"WRONG {type(error).__name__}"] += 1
            print(f"{seed}-{i}", ascii(text[:80]), type(error).__name__, error, flush=True)
            if isinstance(error, KeyboardInterrupt):
                break
    print(sum(outcomes.values()), "texts:", dict(outcomes))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
