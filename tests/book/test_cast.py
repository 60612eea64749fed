"""Cast files, and who says what."""

from __future__ import annotations

from pathlib import Path

import pytest

from sokuon.book.cast import Cast, Manner, read_cast
from sokuon.book.plain import read_plain
from sokuon.book.script import passages
from sokuon.errors import OptionError
from sokuon.options import SynthesisOptions

SAYS, TARO = Manner(changes=(("style", "Happy"),)), Manner(changes=(("speed", 1.5),))
CAST = Cast(dialogue=SAYS, names={"太郎": TARO})


def spoken(text: str, cast: Cast = CAST) -> list[tuple[str, Manner]]:
    return [(passage.text, passage.manner) for passage in passages(read_plain(text, "").chapters[0], cast)]


def test_a_cast_file(tmp_path: Path) -> None:
    file = tmp_path / "cast.toml"
    file.write_text(
        '[narration]\nspeed = 1\n[dialogue]\nvoice = "voices/a"\n[names."太郎"]\nvoice = "hf://a/b"\nstyle = "Happy"\n'
    )
    cast = read_cast(file)
    assert cast.narration.changes == (("speed", 1),)
    assert cast.dialogue == Manner(voice=str(tmp_path / "voices" / "a"))
    assert cast.names == {"太郎": Manner("hf://a/b", changes=(("style", "Happy"),))}
    assert len(cast.manners) == 3
    assert cast.names["太郎"].options(SynthesisOptions(seed=3), "x") == SynthesisOptions(
        seed=3, voice="x", style="Happy"
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[narrator]", "narrator"),
        ("dialogue = 3", "no table"),
        ("names = 3", "names"),
        ("[names]\n'太郎' = 3", "no table"),
        ("[dialogue]\nspeed = 99", "between 0.1 and 10"),
        ("[dialogue]\nspeed = 'x'", "speed"),
        ("[dialogue]\nvoice = 3", "voice is 3"),
        ("[dialogue]\ntext = ''", "text"),
        ("[", "TOML"),
        ("a = " + "[" * 20_000, "TOML"),
    ],
)
def test_mistakes_in_a_cast_file(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "cast.toml"
    file.write_text(text)
    with pytest.raises(OptionError, match=word) as raised:
        read_cast(file)
    assert str(file) in str(raised.value)


def test_without_a_cast_a_chapter_is_one_passage() -> None:
    text = "第1話\n　「あ」と言う。\n　い。\n\n　う。"
    assert spoken(text, Cast()) == [("第1話[pause 1s]\n「あ」と言う。\n\nい。[pause 1.5s]\nう。[pause 1.5s]", Manner())]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("「あ」", [("「あ」", SAYS)]),
        ("彼は「行く」と言った。", [("彼は", Manner()), ("「行く」", SAYS), ("と言った。", Manner())]),
        ("「あ」彼は笑う。「い。」", [("「あ」", SAYS), ("彼は笑う。", Manner()), ("「い。」", SAYS)]),
        ("彼は「自由」という言葉を「好む」。", [("彼は「自由」という言葉を「好む」。", Manner())]),
        ("「外「内」外」と", [("「外「内」外」", SAYS), ("と", Manner())]),
        ("「閉じない", [("「閉じない", SAYS)]),
        ("太郎「やあ」", [("「やあ」", TARO)]),
        ("太郎：「やあ」と笑う", [("「やあ」", TARO), ("と笑う", Manner())]),
        ("｜太郎《たろう》「やあ」", [("「やあ」", TARO)]),
        ("花子「やあ。」", [("花子", Manner()), ("「やあ。」", SAYS)]),
    ],
)
def test_who_says_what(text: str, pieces: list[tuple[str, Manner]]) -> None:
    assert [(part.partition("[pause")[0], manner) for part, manner in spoken(text)] == pieces


def test_pauses_between_manners() -> None:
    assert spoken("「あ」と言う。\n「い」\n「う」\n\n「え」\nお。") == [
        ("「あ」[pause 0.3s]", SAYS),
        ("と言う。[pause 0.7s]", Manner()),
        ("「い」\n\n「う」[pause 1.5s]\n「え」[pause 0.7s]", SAYS),
        ("お。[pause 1.5s]", Manner()),
    ]
