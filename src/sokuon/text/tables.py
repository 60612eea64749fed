"""What the voices were trained on: symbols, tones, languages, and how kana become phones. Data only.

The order of `SYMBOLS` is the order of the trained embedding rows: never sort or extend it.
"""

from __future__ import annotations

PAD = "_"
PUNCTUATION = ("!", "?", "…", ",", ".", "'", "-")

_PHONES = """
AA E EE En N OO V a a: aa ae ah ai an ang ao aw ay b by c ch d dh dy e e: eh ei en eng er ey f g gy h hh hy i i0 i: ia
ian iang iao ie ih in ing iong ir iu iy j jh k ky l m my n ng ny o o: ong ou ow oy p py q r ry s sh t th ts ty u u: ua
uai uan uang uh ui un uo uw v van ve vn w x y z zh zy
"""
SYMBOLS: tuple[str, ...] = (PAD, *_PHONES.split(), *PUNCTUATION, "SP", "UNK")
SYMBOL_IDS: dict[str, int] = {symbol: number for number, symbol in enumerate(SYMBOLS)}

TONE_OFFSET = 6
"""Tone id of a Japanese low level; high is one more. Blank slots have tone id 0."""

LANGUAGE_ID = 1
"""Japanese. Blank slots have language id 0."""

VOWELS = ("a", "i", "u", "e", "o")

# Consonant -> kana for the vowels a i u e o; "." where Japanese has none, "/" between spellings of one mora.
_KANA_ROWS = {
    "": "ア/ァ イ/ヰ/ィ ウ/ゥ エ/ヱ/ェ オ/ヲ/ォ",
    "k": "カ/ヵ キ ク ケ/ヶ コ",
    "ky": "キャ . キュ キェ キョ",
    "g": "ガ ギ グ ゲ ゴ",
    "gy": "ギャ . ギュ ギェ ギョ",
    "s": "サ スィ ス セ ソ",
    "sh": "シャ シ シュ シェ ショ",
    "z": "ザ ズィ ズ/ヅ ゼ ゾ",
    "j": "ジャ ジ/ヂ ジュ ジェ ジョ",
    "t": "タ ティ トゥ テ ト",
    "ch": "チャ チ チュ チェ チョ",
    "ts": "ツァ ツィ ツ ツェ ツォ",
    "ty": "テャ . テュ . テョ",
    "d": "ダ ディ ドゥ デ ド",
    "dy": "デャ . デュ . デョ",
    "n": "ナ ニ ヌ ネ ノ",
    "ny": "ニャ . ニュ ニェ ニョ",
    "h": "ハ ヒ . ヘ ホ",
    "hy": "ヒャ . ヒュ ヒェ ヒョ",
    "f": "ファ フィ フ フェ フォ",
    "b": "バ ビ ブ ベ ボ",
    "by": "ビャ/ヴャ . ビュ/ヴュ ビェ ビョ/ヴョ",
    "p": "パ ピ プ ペ ポ",
    "py": "ピャ . ピュ ピェ ピョ",
    "m": "マ ミ ム メ モ",
    "my": "ミャ . ミュ ミェ ミョ",
    "y": "ヤ/ャ . ユ/ュ イェ ヨ/ョ",
    "r": "ラ リ ル レ ロ",
    "ry": "リャ . リュ リェ リョ",
    "w": "ワ/ヮ ウィ/ヸ . ウェ/ヹ ウォ/ヺ",
    "v": "ヴァ/ヷ ヴィ ヴ ヴェ ヴォ",
}
# クヮ and グヮ have no trained symbol: they are spoken as クワ and グワ.
_KANA_EXTRA: dict[str, tuple[str, ...]] = {
    "クヮ": ("k", "u", "w", "a"),
    "グヮ": ("g", "u", "w", "a"),
    "ン": ("N",),
    "ッ": ("q",),
}
LABEL_PHONES: dict[str, tuple[str, ...]] = {"cl": ("q",), "kw": ("k", "u", "w"), "gw": ("g", "u", "w")}
"""OpenJTalk's label phones that are named otherwise here."""


def _mora_table() -> dict[str, tuple[str, ...]]:
    table = dict(_KANA_EXTRA)
    for consonant, row in _KANA_ROWS.items():
        for vowel, spellings in zip(VOWELS, row.split(), strict=True):
            phones = (consonant, vowel) if consonant else (vowel,)
            table.update(dict.fromkeys((kana for kana in spellings.split("/") if kana != "."), phones))
    return table


MORAE: dict[str, tuple[str, ...]] = _mora_table()
"""Katakana of one mora (one or two characters) -> its phones."""

FOREIGN_MORAE: dict[str, tuple[str, ...]] = MORAE | {"フュ": ("hy", "u"), "デェ": ("dy", "e")}
"""With the morae of foreign names that the voices' texts cut in two (フ-ユ, デ-エ); フュ has no symbol of its own."""
