"""Web addresses, mail addresses and file names, as one spells them out to somebody."""

from __future__ import annotations

import re

from sokuon.text.english import EnglishReader, spell
from sokuon.text.rules.rule import alternatives

_URL = re.compile(
    r"(?:https?|ftp)://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*[A-Za-z0-9/_-]|(?<![\w.@])www\.[A-Za-z0-9._~/-]*[A-Za-z0-9/]"
)
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_DOMAIN = re.compile(
    r"(?<![\w.@/-])(?:[A-Za-z0-9-]+\.)+"
    r"(?:com|net|org|jp|io|ai|dev|app|tv|me|info|edu|gov|co|uk|de|fr|cn|kr|tokyo|xyz|site|online|shop|cloud)"
    r"(?![A-Za-z0-9])(?:/[A-Za-z0-9._~/-]*[A-Za-z0-9/])?"
)
_EXTENSIONS = (
    "py js ts jsx tsx json csv txt md html htm css xml yaml yml toml ini cfg log pdf doc docx xls xlsx "
    "ppt pptx png jpg jpeg gif svg bmp webp mp3 mp4 wav flac avi mov zip gz tar exe dll bat sh c cpp h rs "
    "go java rb php sql ipynb onnx safetensors bin iso apk db lock "
)
_FILE = re.compile(
    rf"(?<![\w.@/])[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.(?:{alternatives(_EXTENSIONS.split())})(?![A-Za-z0-9])"
)
_PIECE = re.compile(r"[A-Za-z]+|\d+|.")
_SIGNS = {
    ".": "ドット",
    "/": "スラッシュ",
    "-": "ハイフン",
    "_": "アンダーバー",
    "@": "アットマーク",
    "~": "チルダ",
    ":": "コロン",
    "+": "プラス",
    "%": "パーセント",
    "=": "イコール",
    "&": "アンド",
    "#": "シャープ",
}
_LABELS = {
    "com": "コム",
    "net": "ネット",
    "org": "オーグ",
    "jp": "ジェーピー",
    "co": "シーオー",
    "ac": "エーシー",
    "go": "ジーオー",
    "ne": "エヌイー",
    "or": "オーアール",
    "io": "アイオー",
    "ai": "エーアイ",
    "dev": "デブ",
    "app": "アップ",
    "tv": "ティーブイ",
    "me": "ミー",
    "info": "インフォ",
    "edu": "イーディーユー",
    "gov": "ガブ",
    "www": "ダブリュー ダブリュー ダブリュー ",
    "uk": "ユーケー",
    "tokyo": "トウキョウ",
    "py": "パイ",
    "js": "ジェーエス",
    "ts": "ティーエス",
    "txt": "テキスト",
    "exe": "エグゼ",
    "jpg": "ジェイペグ",
    "jpeg": "ジェイペグ",
    "gif": "ジフ",
    "zip": "ジップ",
    "log": "ログ",
    "bat": "バット",
    "java": "ジャバ",
    "json": "ジェイソン",
    "toml": "トムル",
    "yaml": "ヤムル",
    "yml": "ヤムル",
    "tar": "ター",
    "bin": "ビン",
    "lock": "ロック",
    "wav": "ワブ",
    "ini": "イニ",
    "onnx": "オニキス",
    "index": "インデックス",
    "mail": "メール",
}
_DIGITS = ["ゼロ", "イチ", "ニー", "サン", "ヨン", "ゴー", "ロク", "ナナ", "ハチ", "キュー"]


def digit_by_digit(digits: str) -> str:
    """Katakana of each digit, as telephone numbers are read: 2 and 5 drawn out. Other characters are dropped."""
    return "".join(_DIGITS[int(digit)] for digit in digits if digit in "0123456789")


def read_addresses(text: str, english: EnglishReader) -> str:
    """Spell out addresses and file names; names that only look like one (Node.js) stay."""

    def spell(match: re.Match[str]) -> str:
        if english.known(match.group()):
            return match.group()
        address = re.sub(r"^(?:https?|ftp)://", "", match.group())
        address = re.split(r"[?#]", address)[0].rstrip("/")
        return f" {''.join(_read_piece(piece, english) for piece in _PIECE.findall(address))} "

    for pattern in (_URL, _MAIL, _DOMAIN, _FILE):
        text = pattern.sub(spell, text)
    return text


def _read_piece(piece: str, english: EnglishReader) -> str:
    if piece.isdigit():
        return digit_by_digit(piece) if piece.startswith("0") or len(piece) > 4 else f" {piece} "
    known = _LABELS.get(piece.lower()) or _SIGNS.get(piece)
    if known is not None:
        return known
    return spell(piece) if len(piece) == 1 and piece.isalpha() else english.word(piece) if piece.isalpha() else ""
