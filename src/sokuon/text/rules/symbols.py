"""Signs that stand for words: before width folding (which would spoil some of them) and after all other rules."""

from __future__ import annotations

import re
import unicodedata

from sokuon.text.rules.rule import JAPANESE, RARE, SOFT, Rule, alternatives, apply, digit_rule, heads, rule

_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_ROMAN_SIGNS = "[\u2160-\u216f\u2170-\u217f]+"

# Variant kanji that neither NFKC nor OpenJTalk's dictionary folds to the common form.
_VARIANTS = {
    "𠮷": "吉",
    "髙": "高",
    "﨑": "崎",
    "栁": "柳",
    "德": "徳",
    "濵": "浜",
    "濱": "浜",
    "邊": "辺",
    "邉": "辺",
    "齋": "斎",
    "齊": "斉",
    "𣘺": "橋",
    "塚": "塚",
    "隆": "隆",
    "𡈽": "土",
    "𠮟": "叱",
    "𩸽": "ホッケ",
    "﨟": "臈",
    "嵜": "崎",
    "嶋": "島",
    "冨": "富",
    "凜": "凛",
    "瀨": "瀬",
    "渕": "淵",
    "舘": "館",
    "㐂": "喜",
    "鄧": "鄧",
    "𦙾": "脛",
    "𥔎": "崎",
    "硏": "研",
    "繫": "繋",
    "屛": "屏",
    "幷": "并",
    "倂": "併",
    "𠀋": "丈",
    "〻": "々",
    "〆": "〆",
}

_WORDS = {
    "㈱": "株式会社",
    "㈲": "有限会社",
    "㍿": "株式会社",
    "㈳": "社団法人",
    "㈶": "財団法人",
    "㈻": "学校法人",
    "㊗": "祝",
    "㊙": "マル秘",
    "㊑": "株",
    "㈹": "代表",
    "℡": "電話",
    "☎": "電話",
    "№": "ナンバー",
    "㏍": "株式会社",
    "㎡": "平方メートル",
    "㎢": "平方キロメートル",
    "㎠": "平方センチメートル",
    "㎟": "平方ミリメートル",
    "㎥": "立方メートル",
    "㎤": "立方センチメートル",
    "㎦": "立方キロメートル",
    "㎣": "立方ミリメートル",
    "㏄": "cc",
    "㎰": "ピコ秒",
    "㎱": "ナノ秒",
    "㎲": "マイクロ秒",
    "㎳": "ミリ秒",
    "㏊": "ヘクタール",
    "㏈": "dB",
    "℉": "℉",
    "ℓ": "l",
    "Å": "オングストローム",
    "Ω": "Ω",
    "µ": "μ",
    "¼": "4分の1",
    "½": "2分の1",
    "¾": "4分の3",
    "⅓": "3分の1",
    "⅔": "3分の2",
    "⅕": "5分の1",
    "⅖": "5分の2",
    "⅗": "5分の3",
    "⅘": "5分の4",
    "⅙": "6分の1",
    "⅚": "6分の5",
    "⅐": "7分の1",
    "⅛": "8分の1",
    "⅜": "8分の3",
    "⅝": "8分の5",
    "⅞": "8分の7",
    "⅑": "9分の1",
    "⅒": "10分の1",
    "❗": "!",
    "❕": "!",
    "❓": "?",
    "❔": "?",
    "™": "",
    "®": "",
    "©": "",
    "℠": "",
}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def _roman(match: re.Match[str]) -> str:
    """Roman numeral signs as digits: Ⅳ 4, ⅩⅡ 12; a row that is no number (ⅠⅡⅢ) as one number each."""
    letters = unicodedata.normalize("NFKC", match.group()).upper()
    value = roman_value(letters)
    if value:
        return str(value)
    return SOFT.join(str(roman_value(unicodedata.normalize("NFKC", sign).upper())) for sign in match.group())


def roman_value(letters: str) -> int:
    """Value of a Roman numeral written by the rules; 0 if it is none."""
    values = [_ROMAN_DIGITS[letter] for letter in letters]
    total = sum(-v if v < following else v for v, following in zip(values, [*values[1:], 0], strict=True))
    return total if 0 < total < 4000 and _to_roman(total) == letters else 0


def _to_roman(number: int) -> str:
    steps = {1000: "M", 900: "CM", 500: "D", 400: "CD", 100: "C", 90: "XC", 50: "L", 40: "XL", 10: "X", 9: "IX"}
    steps.update({5: "V", 4: "IV", 1: "I"})
    text = ""
    for value, letters in steps.items():
        count, number = divmod(number, value)
        text += letters * count
    return text


def _circled(match: re.Match[str]) -> str:
    """① as マルイチ, 1 with its circle; a list's next item is kept apart from the one before it."""
    before = match.string[match.start() - 1 : match.start()]
    gap = SOFT if "ぁ" <= before <= "ん" and before != "の" else ""
    return gap + SOFT.join(f"マル{int(unicodedata.numeric(sign))}" for sign in match.group())


def _power(match: re.Match[str]) -> str:
    exponent = match.group().translate(_SUPERSCRIPTS)
    return f"の{exponent}乗" if not exponent.startswith("-") else f"のマイナス{exponent[1:]}乗"


BEFORE_FOLDING: tuple[Rule, ...] = (
    rule("(?<=[\U0001f000-\U0001faff])\u200d[♀♂⚕⚖✈❤]", "", "\u200d"),
    rule(r"[\ufe00-\ufe0f\u20e3\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad\U000e0100-\U000e01ef]", "", (RARE,)),
    rule(alternatives(_VARIANTS), lambda m: _VARIANTS[m.group()], heads(_VARIANTS)),
    digit_rule(r"(?<=\d)(?=[¼½¾⅐-⅞])", "と"),
    rule(r"(?<=[ckm]m)²|(?<=\dm)²|(?<=\d m)²", "2", "²"),
    rule(r"(?<=[ckm]m)³|(?<=\dm)³|(?<=\d m)³", "3", "³"),
    rule(r"[(（]株[)）]", "株式会社", "株"),
    rule(r"[(（]有[)）]", "有限会社", "有"),
    rule("[⁰¹²³⁴-⁹⁻]+", _power, (RARE,)),
    rule("[①-⑳㉑-㉟㊱-㊿⓪❶-❿⓫-⓴⓵-⓾➀-➉➊-➓]+", _circled, (RARE,)),
    rule(_ROMAN_SIGNS, _roman, (RARE,)),
    rule(alternatives(_WORDS), lambda m: _WORDS[m.group()], heads(_WORDS)),
)

CURRENCY_SIGNS = {
    "¥": "円",
    "$": "ドル",
    "€": "ユーロ",
    "£": "ポンド",
    "₩": "ウォン",
    "₿": "ビットコイン",
    "₹": "ルピー",
    "₽": "ルーブル",
    "฿": "バーツ",
    "¢": "セント",
}

# Signs still left after the number, date and name rules.
_SPOKEN = {
    "%": "パーセント",
    "‰": "パーミル",
    "°C": "度",
    "°F": "度",
    "°": "度",
    "℉": "度",
    "&": "アンド",
    "@": "アット",
    "+": "プラス",
    "=": "イコール",
    "±": "プラスマイナス",
    "∓": "マイナスプラス",
    "×": "カケル",
    "÷": "わる",
    "≠": "ノットイコール",
    "≒": "ニアリーイコール",
    "≈": "ニアリーイコール",
    "≡": "合同",
    "≦": "小なりイコール",
    "≤": "小なりイコール",
    "≧": "大なりイコール",
    "≥": "大なりイコール",
    "∞": "無限大",
    "√": "ルート",
    "∑": "シグマ",
    "∫": "インテグラル",
    "∴": "ゆえに",
    "∵": "なぜならば",
    "∈": "属する",
    "∩": "かつ",
    "∪": "または",
    "∂": "ラウンド",
    "∇": "ナブラ",
    "§": "セクション",
    **CURRENCY_SIGNS,
    "〒": "郵便番号",
    "〼": "ます",
    "♂": "オス",
    "♀": "メス",
    "♭": "フラット",
    "♯": "シャープ",
    "Ω": "オーム",
    "Å": "オングストローム",
    "∅": "空集合",
    "∠": "角",
    "⊥": "垂直",
}
_GREEK_NAMES = (
    "アルファ ベータ ガンマ デルタ イプシロン ゼータ イータ シータ イオタ カッパ ラムダ ミュー ニュー クサイ "
    "オミクロン パイ ロー シグマ タウ ウプシロン ファイ カイ プサイ オメガ"
)
_GREEK = dict(zip("αβγδεζηθικλμνξοπρστυφχψω", _GREEK_NAMES.split(), strict=True))
_SHAPES = {
    "○": "マル",
    "◯": "マル",
    "〇": "マル",
    "×": "バツ",
    "✕": "バツ",
    "△": "サンカク",
    "□": "シカク",
    "◎": "ニジュウマル",
}
_SHAPE_SIGNS = "○◯×✕△□◎"


def _shapes(match: re.Match[str]) -> str:
    return "".join(_SHAPES[sign] for sign in match.group())


AFTER: tuple[Rule, ...] = (
    rule(r"^\s*[・•◦‣⁃]\s*", "", "・•◦‣⁃"),
    # Placeholders of names and marks in tables (○○さん, △△社, ○×): a shape beside kanji, kana or another shape.
    rule(f"(?<![\\d ])[{_SHAPE_SIGNS}]{{2,}}|〇{{2,}}(?=[さ様君氏ちく株社])", _shapes, f"{_SHAPE_SIGNS}〇"),
    rule(rf"([{_SHAPE_SIGNS}])\1+(?={JAPANESE})", _shapes, _SHAPE_SIGNS),
    rule(rf"(?<={JAPANESE})[○◯△□◎](?={JAPANESE})|^[○◯](?=[月日年])", _shapes, _SHAPE_SIGNS),
    rule(r"(?<=[\d月])[○◯](?=[日])|[×✕](?=日)", _shapes, _SHAPE_SIGNS),
    rule(r"[○◯◎●◉◆◇■□▲△▼▽★☆※♪♫♬♡♥❤✓✔✅❌•▪▶◀☞→⇒➡←↑↓⇔↔|¦]+", SOFT, ("|", RARE)),
    digit_rule(r"#(?=\d)", "ナンバー"),
    rule(rf"#(?=\w*{JAPANESE}|[A-Za-z])", "ハッシュタグ", "#"),
    rule(r"(?<=[A-Za-z\d])#(?![A-Za-z])", "シャープ", "#"),
    rule(r"(?<![\d ])(?<![^A-Za-z][A-Za-z])\s*[×✕]\s*(?![\d ])(?![A-Za-z](?![A-Za-z]))", SOFT, "×✕"),
    rule(alternatives(_SPOKEN), lambda m: _SPOKEN[m.group()], heads(_SPOKEN)),
    rule(f"[{''.join(_GREEK)}{''.join(_GREEK).upper()}ς]", lambda m: _GREEK.get(m.group().lower(), "シグマ"), (RARE,)),
    rule(r"(?<=\S)/(?=\S)", SOFT, "/"),
    digit_rule(r"(?<=\d)[:;_|\\*<>{}\[\]\"'`^()~]+(?=\d)", SOFT),
    rule("[\U0001f000-\U0001faff\u2600-\u27bf]+(?=[をがはにのへとでもや])", "", (RARE,)),
    rule("[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u231a-\u23ff\u25a0-\u25ff]+", SOFT, (RARE,)),
    rule("〆(?=切)", "締", "〆"),
    rule("〆", "しめ", "〆"),
)


def before_folding(text: str) -> str:
    """Signs whose meaning the width folding would destroy: circled and Roman numerals, ½, ㎡, ², ㈱, variant kanji."""
    return apply(BEFORE_FOLDING, text)


def after(text: str) -> str:
    """The signs that the other rules have left."""
    return apply(AFTER, text)
