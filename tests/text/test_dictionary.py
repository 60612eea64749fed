from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from sokuon.errors import DictionaryError
from sokuon.text import DictionaryWord, FrontEnd, UserDictionary


def _said(front_end: FrontEnd, text: str) -> str:
    return "".join(word.reading for sentence in front_end.sentences(text) for word in sentence.words)


def test_a_word_is_read_as_given_with_its_accent() -> None:
    dictionary = UserDictionary()
    front_end = FrontEnd(dictionary)
    assert _said(front_end, "担々麺を食べる") == "タンタンメンヲタベル"
    dictionary.add(DictionaryWord("担々麺", "ダンダンメン", accent=3))
    assert _said(front_end, "担々麺を食べる") == "ダンダンメンヲタベル"
    tones = front_end.phonemize("担々麺").tones
    assert tones == (0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0)
    dictionary.remove("担々麺")
    assert _said(front_end, "担々麺を食べる") == "タンタンメンヲタベル"


def test_two_front_ends_do_not_disturb_each_other() -> None:
    first, second = UserDictionary(), UserDictionary()
    first.add(DictionaryWord("月見町", "ツキミチョウ"))
    second.add(DictionaryWord("月見町", "ゲッケンマチ"))
    front_ends = [FrontEnd(first), FrontEnd(second), FrontEnd()]
    said = [_said(front_end, "月見町です") for _ in range(2) for front_end in front_ends]
    assert said[:3] == said[3:]
    assert said[0] == "ツキミチョウデス"
    assert said[1] == "ゲッケンマチデス"
    assert said[2] not in said[:2]


@pytest.mark.parametrize("text", ["C++で書く", "Ｃ＋＋で書く"])
def test_latin_words_and_signs_are_safe_from_the_rules(text: str) -> None:
    dictionary = UserDictionary()
    dictionary.add(DictionaryWord("C++", "シープラプラ"))
    assert _said(FrontEnd(dictionary), text) == "シープラプラデカク"


def test_a_latin_word_is_not_found_inside_a_longer_one() -> None:
    dictionary = UserDictionary()
    dictionary.add(DictionaryWord("Git", "ジット"))
    assert _said(FrontEnd(dictionary), "GitHubとGit") == "ギットハブトジット"


@pytest.mark.parametrize(
    "fields",
    [
        {"surface": "", "reading": "ア"},
        {"surface": "雨\x00", "reading": "アメ"},
        {"surface": "雨", "reading": "ame"},
        {"surface": "雨", "reading": "アァァ"},
        {"surface": "雨", "reading": "アメ", "accent": 3},
        {"surface": "雨", "reading": "アメ", "accent": -1},
        {"surface": "雨", "reading": "アメ", "priority": 11},
        {"surface": "雨", "reading": "アメ", "word_type": "NOUN"},
    ],
)
def test_a_bad_word_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(DictionaryError, match="dictionary word"):
        DictionaryWord(**fields)  # type: ignore[arg-type]


def test_words_persist_and_are_shared(tmp_path: Path) -> None:
    path = tmp_path / "new" / "dictionary.json"
    first, second = UserDictionary(path), UserDictionary(path)
    first.add(DictionaryWord("橋", "はし", 2))
    second.add(DictionaryWord("箸", "はし", 1))
    assert [word.surface for word in UserDictionary(path).words()] == ["橋", "箸"]
    assert [entry.name for entry in path.parent.iterdir()] == ["dictionary.json"]


def test_threads_lose_no_words(tmp_path: Path) -> None:
    dictionary = UserDictionary(tmp_path / "dictionary.json")
    names = ["甲", "乙", "丙", "丁", "戊", "己", "庚", "辛"]
    threads = [threading.Thread(target=dictionary.add, args=(DictionaryWord(name, "ア"),)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {word.surface for word in UserDictionary(tmp_path / "dictionary.json").words()} == set(names)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dictionary.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(DictionaryError, match="no dictionary"):
        UserDictionary(path)
    path.write_text("[1]", encoding="utf-8")
    with pytest.raises(DictionaryError, match="no dictionary"):
        UserDictionary(path)


def test_a_missing_word_cannot_be_removed() -> None:
    with pytest.raises(DictionaryError, match="no word"):
        UserDictionary().remove("無")


_FOREIGN = {
    "voicevox": {
        "surface": "ＶＯＩＣＥＶＯＸ",
        "pronunciation": "ボイスボックス",
        "accent_type": 4,
        "word_type": "PROPER_NOUN",
        "priority": 7,
    },
    "sbv2": {
        "surface": "担々麺",
        "pronunciation": "タンタンメン",
        "accent_type": 3,
        "cost": 8609,
        "part_of_speech": "名詞",
        "part_of_speech_detail_1": "固有名詞",
        "mora_count": 6,
    },
}


def test_other_programs_dictionaries_are_imported(tmp_path: Path) -> None:
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(_FOREIGN), encoding="utf-8")
    dictionary = UserDictionary()
    assert dictionary.import_file(path) == 2
    assert dictionary.words() == (
        DictionaryWord("VOICEVOX", "ボイスボックス", 4, "PROPER_NOUN", 7),
        DictionaryWord("担々麺", "タンタンメン", 3, "PROPER_NOUN", 5),
    )


def test_export_and_import_are_inverse(tmp_path: Path) -> None:
    first, second = UserDictionary(), UserDictionary()
    first.add(DictionaryWord("橋", "ハシ", 2, "COMMON_NOUN", 3), DictionaryWord("C++", "シープラ"))
    first.export_file(tmp_path / "words.json")
    second.import_file(tmp_path / "words.json")
    assert second.words() == first.words()
