"""Files → books: what is read, what is not, and what is refused."""

from __future__ import annotations

import contextlib
import signal
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from books import AOZORA, OPF, A, epub, page, png

from sokuon.book.aozora import read_aozora
from sokuon.book.content import BREAK, PART_CHARACTERS, Block, Book
from sokuon.book.plain import read_plain
from sokuon.book.reading import read_book
from sokuon.book.ruby import with_reading, with_ruby
from sokuon.errors import TextError


def texts(book: Book) -> list[list[str]]:
    """What each chapter says."""
    return [[block.text for block in chapter.blocks] for chapter in book.chapters]


@pytest.mark.parametrize(
    ("written", "marked"),
    [
        ("吾輩《わがはい》は猫", "{吾輩|ワガハイ}は猫"),
        ("この一番｜獰悪《どうあく》な", "この一番{獰悪|ドウアク}な"),
        ("｜お茶の水《おちゃのみず》", "{お茶の水|オチャノミズ}"),
        ("ここはロンドン《倫敦》", "ここはロンドン"),
        ("理想《イデア》", "{理想|イデア}"),
        ("それを｜強く《・・》言う", "それを強く言う"),
        ("《《強く》》言う", "強く言う"),
        ("出た。《ステータス》だ", "出た。《ステータス》だ"),
        ("である《ステータス》", "である《ステータス》"),
    ],
)
def test_ruby(written: str, marked: str) -> None:
    assert with_ruby(written) == marked


def test_a_reading_that_the_markup_does_not_take_is_left_out() -> None:
    assert with_reading("長" * 61, "なが") == "長" * 61
    assert with_reading("{a", "えー") == "{a"
    assert with_reading("東 京", "とう きょう") == "{東 京|トウキョウ}"


def test_aozora_in_shift_jis(tmp_path: Path) -> None:
    file = tmp_path / "neko.txt"
    file.write_bytes(AOZORA.replace("\n", "\r\n").encode("cp932"))
    book = read_book(file)
    assert (book.title, book.author) == ("吾輩は猫である", "夏目漱石")
    assert [chapter.title for chapter in book.chapters] == ["一", "二"]
    assert texts(book) == [
        [
            "吾輩は猫である",
            "夏目漱石",
            "一",
            "{吾輩|ワガハイ}は猫である。一番{獰悪|ドウアク}な種族。",
            "{挘|ネジ}る。噯と麴と{〓|ナゾ}だ。",
            "「強く言う」",
        ],
        ["二", "{青空文庫|アオゾラブンコ}です。", "", "別の場面。"],
    ]
    assert [block.kind for block in book.chapters[1].blocks] == ["heading", "paragraph", "break", "paragraph"]


def test_aozora_archives_are_read_as_they_come(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "789_ruby.zip", "w") as archive:
        archive.writestr("neko.txt", AOZORA.encode("cp932"))
        archive.writestr("fig1.png", png())
    assert read_book(tmp_path / "789_ruby.zip").title == "吾輩は猫である"


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("いろ／＼な花", "いろいろな花"),
        ("しみ／″＼と思う", "しみじみと思う"),
        ("顔をしみ／″＼見た", "顔をしみじみ見た"),
        ("ぽつり／＼と降る", "ぽつりぽつりと降る"),
        ("代る／＼", "代る代る"),
        ("次第／＼に", "次第次第に"),
        ("ガラ／＼と", "ガラガラと"),
        ("〔Cafe'〕と〔普通〕", "Caféと〔普通〕"),
        ("※［＃「魚＋師のつくり」、第4水準2-93-37］", "魳"),
        ("前［＃「前」の左に「まえ」のルビ］後", "前後"),
        ("※［＃感嘆符二つ、1-8-75］", "‼"),
    ],
)
def test_characters_that_aozora_writes_in_several(written: str, spoken: str) -> None:
    assert texts(read_aozora(f"［＃改ページ］\n{written}", "題"))[0] == [spoken]


def test_headings_over_several_lines() -> None:
    lines = (
        "［＃大見出し］甲［＃大見出し終わり］",
        "あ。",
        "［＃ここから大見出し］",
        "乙",
        "［＃ここで大見出し終わり］",
        "い。",
    )
    book = read_aozora("\n".join(lines), "")
    assert [chapter.title for chapter in book.chapters] == ["甲", "乙"]


def test_plain_text() -> None:
    text = "第一部　旅\n\n第1話　朝\n　おはよう。\n　いい天気だ。\n\n　別の場面。\n"
    text += "第2話　夜\n　＊　＊　＊\n　「……」\n　◇\n　おやすみ。\n"
    book = read_plain(text, "本")
    assert [chapter.title for chapter in book.chapters] == ["第一部　旅　第1話　朝", "第2話　夜"]
    first, second = (chapter.blocks for chapter in book.chapters)
    assert first[2:] == (Block("おはよう。"), Block("いい天気だ。"), BREAK, Block("別の場面。"))
    assert second[1:] == (Block("「……」"), BREAK, Block("おやすみ。"))


def test_blank_lines_between_all_paragraphs_part_no_scenes() -> None:
    assert BREAK not in read_plain("あ。\n\nい。\n\nう。\n", "本").chapters[0].blocks
    assert BREAK in read_plain("あ。\n\nい。\n\nう。\n\n\n\nえ。", "本").chapters[0].blocks


def test_a_book_without_chapters_is_cut_into_parts() -> None:
    paragraph = "あ" * 999 + "。"
    book = read_plain("\n".join([paragraph] * 45), "本")
    assert [chapter.title for chapter in book.chapters] == ["本 1", "本 2", "本 3"]
    assert book.characters == 45_000
    assert max(chapter.characters for chapter in book.chapters) == PART_CHARACTERS


def test_markdown(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    file = tmp_path / "a.md"
    file.write_text(
        "---\nauthor: 山田花子\n---\n# 題\n\n## 一\n\n"
        "一行目で\nつづく*強い*文。 <ruby>東京<rt>とうきょう</rt></ruby>へ。\n\n"
        "***\n\n- 犬\n- 猫《ねこ》\n\n```\ncode()\n```\n\n## 二 x\n\n| a | b |\n|---|---|\n| 甲 | 乙 |\n\n[名](http://a.b)\n"
    )
    book = read_book(file)
    assert (book.title, book.author) == ("題", "山田花子")
    assert [chapter.title for chapter in book.chapters] == ["題　一", "二 x"]
    assert texts(book) == [
        ["題", "一", "一行目でつづく強い文。{東京|トウキョウ}へ。", "", "犬", "{猫|ネコ}"],
        ["二 x", "a", "b", "甲", "乙", "名"],
    ]


def test_epub(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    book = read_book(epub(tmp_path / "a.epub"))
    assert (book.title, book.author, book.cover) == ("春の本", "山田花子", png())
    assert [chapter.title for chapter in book.chapters] == ["一　朝", "二　昼", "三　夜"]
    assert texts(book) == [
        ["一　朝", "{吾輩|ワガハイ}は{猫|ネコ}である。", "", "「はい」", "と言った。", "朝の続き。"],
        ["二　昼", "{漢字|カンジ}を読む。"],
        ["三　夜", "おやすみ。"],
    ]
    assert book.chapters[1].blocks[0].kind == "heading"


def test_an_epub_2_and_one_without_contents(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    opf = OPF.replace('properties="nav"', "").replace("nav.xhtml", "toc.ncx").replace(
        'toc.ncx" media-type="application/xhtml+xml"', 'toc.ncx" media-type="application/x-dtbncx+xml"'
    )  # fmt: skip
    point = '<navPoint><navLabel><text>{}</text></navLabel><content src="text/{}"/></navPoint>'
    ncx = f"<ncx><navMap>{point.format('朝', 'a.xhtml')}{point.format('夜', 'b.xhtml#night')}</navMap></ncx>"
    changed = {"OEBPS/book.opf": opf, "OEBPS/toc.ncx": ncx, "OEBPS/nav.xhtml": None}
    assert [c.title for c in read_book(epub(tmp_path / "2.epub", changed)).chapters] == ["朝", "夜"]
    found = read_book(epub(tmp_path / "0.epub", changed | {"OEBPS/toc.ncx": None}))
    assert [c.title for c in found.chapters] == ["一　朝"]  # the second document begins with no heading


def test_html_that_is_no_xml(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    broken = "<html><body><p>あ&nbsp;い<br>う<p>え & お</body>"
    assert texts(read_book(epub(tmp_path / "a.epub", {"OEBPS/text/a.xhtml": broken})))[0][:3] == [
        "あ\xa0い",
        "う",
        "え & お",
    ]


ENTITIES = (
    '<!DOCTYPE html [<!ENTITY a "あああああああああ"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">'
    '<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;"><!ENTITY f SYSTEM "file:///etc/hostname">]>'
)


def test_entities_of_a_document_are_not_expanded(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    hostile = page("<p>前&e;&f;&nbsp;後</p>", ENTITIES)
    book = read_book(epub(tmp_path / "a.epub", {"OEBPS/text/a.xhtml": hostile}))
    assert texts(book)[0][0] == "前\xa0後"
    bomb = ENTITIES.replace("]>", "".join(f'<!ENTITY {a} "{f"&{b};" * 10}">' for a, b in pairwise("lkjihge")) + "]>")
    hostile = page('<p title="&l;">前&l;後</p>', bomb)
    book = read_book(epub(tmp_path / "b.epub", {"OEBPS/text/a.xhtml": hostile}))
    assert "あ" not in texts(book)[0][0]
    assert texts(book)[0][0].startswith("前")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"META-INF/container.xml": None}, "container.xml"),
        ({"META-INF/container.xml": "<a"}, "no XML"),
        ({"OEBPS/book.opf": None}, "book.opf"),
        ({"OEBPS/book.opf": OPF.replace("text/", "../../../etc/")}, "names no document"),
        ({"OEBPS/text/a.xhtml": b"\0" * 70_000_000}, "64 MB"),
        ({"OEBPS/text/a.xhtml": A.encode() + b" " * 40_000_000, "OEBPS/text/b.xhtml": b" " * 40_000_000}, "64 MB"),
        ({"META-INF/encryption.xml": '<e><CipherReference URI="OEBPS/text/a.xhtml"/></e>'}, "digital rights"),
        ({"OEBPS/text/a.xhtml": page("<p></p>"), "OEBPS/text/b.xhtml": page("<img/>")}, "nothing to say"),
    ],
)
def test_hostile_and_broken_epubs_end_in_one_sentence(
    tmp_path: Path, changes: dict[str, str | bytes | None], word: str
) -> None:
    pytest.importorskip("lxml")
    with pytest.raises(TextError, match=word) as raised:
        read_book(epub(tmp_path / "a.epub", changes))
    assert "\n" not in str(raised.value)


def test_deep_nesting_ends(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    deep = page("<div>" * 100_000 + "深い" + "</div>" * 100_000)
    book = read_book(epub(tmp_path / "a.epub", {"OEBPS/text/a.xhtml": deep}))
    assert texts(book)[-1] == ["三　夜", "おやすみ。"]


def test_damaged_bytes_in_an_archive(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    file = epub(tmp_path / "a.epub")
    whole = file.read_bytes()
    for place in range(0, len(whole), 97):
        data = bytearray(whole)
        data[place] ^= 0xFF
        file.write_bytes(data)
        with contextlib.suppress(TextError):  # one sentence, or a book whose damage does not matter
            read_book(file)


def test_files_that_are_no_books(tmp_path: Path) -> None:
    (tmp_path / "a.epub").write_bytes(b"PK\3\4 no archive")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xfd\0\1")
    (tmp_path / "c.txt").write_text(" \n \n")
    with pytest.raises(TextError, match=r"is no EPUB|lxml"):
        read_book(tmp_path / "a.epub")
    for name, word in (("b.txt", "text"), ("c.txt", "nothing to say"), ("d.txt", "not a file")):
        with pytest.raises(TextError, match=word):
            read_book(tmp_path / name)


@pytest.mark.parametrize(
    "part", ["一", "々", "ー", "a", "第一章\n", "IV\n\n", "あ［＃「あ」に「い」のルビ］", "［＃", "「あ」"]
)
@pytest.mark.parametrize("read", [read_aozora, read_plain])
def test_no_text_takes_more_than_its_length(read: Callable[[str, str], Book], part: str) -> None:
    """A text of 300,000 kanji took minutes, since each of them might begin a word with ruby."""

    def too_long(*_: object) -> None:
        raise AssertionError("the reader does not come to an end")

    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, 60)  # of this process's own time
    try:
        read(part * (300_000 // len(part)), "")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_a_note_gives_a_reading_to_what_stands_before_it() -> None:
    text = "旅行［＃「行」に傍点］［＃「旅行」に「たび」のルビ］と路［＃「路」に「みち」のルビ］へ"
    assert read_aozora(text, "").chapters[0].blocks == (Block("旅行と{路|ミチ}へ"),)
