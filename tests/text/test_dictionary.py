from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sokuon.errors import DictionaryError
from sokuon.text import DictionaryWord, FrontEnd, UserDictionary
from sokuon.text import dictionary as dictionary_module


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


def test_a_dictionary_that_follows_its_file_has_what_others_wrote(tmp_path: Path) -> None:
    path = tmp_path / "dictionary.json"
    other, alone, follower = UserDictionary(path), UserDictionary(path), UserDictionary(path, follow=True)
    reader = FrontEnd(follower)
    before = reader.phonemize("橋本屋")
    other.add(DictionaryWord("橋本屋", "カキクケコ", 1))
    assert reader.phonemize("橋本屋") != before
    assert [word.surface for word in follower.words()] == ["橋本屋"]
    assert alone.words() == ()  # a run of many lines keeps the words it began with
    path.write_text("{", encoding="utf-8")
    assert [word.surface for word in follower.words()] == ["橋本屋"]
    path.unlink()
    assert follower.words() == ()


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


def test_a_failed_write_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dictionary = UserDictionary(tmp_path / "dictionary.json")
    dictionary.add(DictionaryWord("橋", "ハシ", 2))

    def full(path: Path, _: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(dictionary_module, "write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        dictionary.add(DictionaryWord("箸", "ハシ", 1))
    with pytest.raises(OSError, match="No space"):
        dictionary.remove("橋")
    assert [word.surface for word in dictionary.words()] == ["橋"]


COMPILED_MEANWHILE = """
import os, sys, threading, time
from sokuon.text import DictionaryWord, FrontEnd, UserDictionary
from sokuon.text.openjtalk.binding import load_binding
binding = load_binding()
compiler = binding.mecab_dict_index
def slow(*arguments):  # if this process compiles, it takes long enough for the other thread
    time.sleep(0.1)
    compiler(*arguments)
binding.mecab_dict_index = slow
list(FrontEnd().sentences("あ。"))  # opens OpenJTalk: what follows is the dictionary alone
dictionary = UserDictionary()
over = threading.Event()
def compile():
    for _ in range(2):
        dictionary.add(DictionaryWord("月見町", "ゲッケンマチ"))
        list(FrontEnd(dictionary).sentences("月見町。"))
    over.set()
thread = threading.Thread(target=compile)
thread.start()
lines = 0
while not over.is_set():
    os.write(1, b"line\\n")
    lines += 1
thread.join()
print(lines, file=sys.stderr)
"""


def test_compiling_leaves_standard_output_alone(tmp_path: Path) -> None:
    """Every line that another thread prints meanwhile arrives, and nothing else."""
    with (tmp_path / "out").open("wb") as out:
        child = subprocess.run(
            [sys.executable, "-c", COMPILED_MEANWHILE],
            stdout=out,
            stderr=subprocess.PIPE,
            env=_environment(),
            timeout=120,
        )
    assert child.returncode == 0, child.stderr.decode()
    assert (tmp_path / "out").read_bytes() == b"line\n" * int(child.stderr.split()[-1])


def test_compiling_needs_no_standard_output() -> None:
    program = (
        "import os, sys; os.close(1); sys.stdout = None\n"
        "from sokuon.text import DictionaryWord, FrontEnd, UserDictionary\n"
        "dictionary = UserDictionary(); dictionary.add(DictionaryWord('月見町', 'ゲッケンマチ'))\n"
        "words = [w.reading for s in FrontEnd(dictionary).sentences('月見町。') for w in s.words]\n"
        "assert words[0] == 'ゲッケンマチ', words"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=_environment(), timeout=120)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize(
    "content",
    ['{"words":[1]}', '{"a":{"surface":1,"reading":"ア"}}', "[]", "1", '{"a":1}', '{"words":{"a":1}}', "[" * 100_000,
     '{"words":[{"surface":"a","reading":"ア","accent":"x"}]}', '{"words":[{"surface":null,"reading":"ア"}]}',
     '{"a":{"surface":"あ","pronunciation":"ア","accent_type":1e400}}', "\ud800", "{",
     '{"words":[{"surface":"あ","reading":"ア","word_type":[]}]}'],
)  # fmt: skip
def test_what_is_no_dictionary_is_said_without_names_of_our_own(tmp_path: Path, content: str) -> None:
    (tmp_path / "d.json").write_text(content, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(DictionaryError, match="give a JSON file of Sokuon") as told:
        UserDictionary().import_file(tmp_path / "d.json")
    assert not re.search(r"Attribute|TypeError|object|NoneType|Traceback", str(told.value))


def test_a_dictionary_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="cannot be read"):
        UserDictionary().import_file(tmp_path / "none.json")
