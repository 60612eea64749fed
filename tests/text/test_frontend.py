from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sokuon.errors import TextError
from sokuon.text import FrontEnd

_FRONT_END = FrontEnd()
_ODD = st.sampled_from(
    list("ーッャァンヴゝゞ々〻〇、。！？…0123456789.,/-~%×=¥\x00\ud800\ue000\ue001\ue002\U0001f600𠮷゙゚（）")
)


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters() | _ODD, max_size=60))
def test_any_unicode_can_be_spoken(text: str) -> None:
    for sentence in _FRONT_END.sentences(text):
        sentence.phonemes.slots()
    _FRONT_END.phonemize(text)


@settings(max_examples=80, deadline=None)
@given(st.text("あいうえおかさたなんっゃー今日雨本3。、", max_size=40))
def test_nothing_of_japanese_text_is_lost(text: str) -> None:
    assert "".join(s.source for s in _FRONT_END.sentences(text)) == text


def test_c_level_warnings_are_not_provoked(capfd: pytest.CaptureFixture[str]) -> None:
    for text in ("！ッヽヾョ", "？RF", "ーー", "、？ヮ", "々", "ヽ", "『』", "。", "xx", "ゞゞ", "？！ー", "́"):
        _FRONT_END.phonemize(text)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("digits", [10, 17, 53, 1000])
def test_huge_numbers(digits: int) -> None:
    for text in ("9" * digits, "9" * digits + "円", ",".join(["999"] * (digits // 3)), "0." + "1" * digits):
        assert list(_FRONT_END.sentences(text))


@pytest.mark.parametrize("character", "あアー漢aA1。、！(～")
def test_endless_runs(character: str) -> None:
    assert all(len(s.phonemes.symbols) < 4000 for s in _FRONT_END.sentences(character * 1000))


def test_a_text_of_100_000_characters_starts_at_once() -> None:
    text = "今日は雨が降っているので、家で本を読みます。" * 4600
    assert len(text) > 100_000
    next(_FRONT_END.sentences("用意"))
    start = time.thread_time()
    first = next(_FRONT_END.sentences(text))
    assert first.source == "今日は雨が降っているので、家で本を読みます。"
    assert time.thread_time() - start < 0.5  # marking up the whole text, once; sentences come one by one


@pytest.mark.parametrize("unit", ["今日は雨、", "あ", "1", "aB", "①", "=", "{雨|アメ}"])
def test_one_sentence_may_have_any_length(unit: str) -> None:
    phonemes = _FRONT_END.phonemize(unit * 800)
    assert len(phonemes.symbols) > 800


def test_threads_share_a_front_end() -> None:
    texts = [f"今日は{number}本の{kind}を買った。" for number in range(1, 9) for kind in ("鉛筆", "ペン")]
    expected = [_FRONT_END.phonemize(text) for text in texts]
    shared = FrontEnd()
    made: dict[int, object] = {}

    def work(part: int) -> None:
        for index in range(part, len(texts), 4):
            made[index] = shared.phonemize(texts[index])

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [made[index] for index in range(len(texts))] == expected


def test_letters_the_voices_have_no_phoneme_for() -> None:
    assert " ".join(_FRONT_END.phonemize("クヮルテット").symbols) == "_ k u w a r u t e q t o _"


def test_rare_kanji_are_written_as_read() -> None:
    phonemes = _FRONT_END.phonemize("𩸽を焼く")
    assert phonemes.text == "ホッケを焼く"


@pytest.mark.parametrize("text", [None, 1, b"x", ["x"]])
def test_what_is_no_text_is_said(text: object) -> None:
    with pytest.raises(TextError, match="it must be a string"):
        next(FrontEnd().sentences(text))  # type: ignore[arg-type]
