"""Numbers that OpenJTalk would not read as a person does; plain numbers with counters are left to it (3本, 10分)."""

from __future__ import annotations

import re

from sokuon.text.rules.rule import JAPANESE, NUMBER, SOFT, Rule, alternatives, apply, digit_rule, rule
from sokuon.text.rules.symbols import CURRENCY_SIGNS, roman_value
from sokuon.text.rules.web import digit_by_digit

_CURRENCIES = CURRENCY_SIGNS | {
    "US$": "米ドル",
    "A$": "オーストラリアドル",
    "NT$": "台湾ドル",
    "HK$": "香港ドル",
    "USD": "ドル",
    "JPY": "円",
    "EUR": "ユーロ",
    "GBP": "ポンド",
    "BTC": "ビットコイン",
    "CNY": "元",
    "KRW": "ウォン",
}
_SCALES = {"k": "千", "K": "千", "M": "ミリオン", "B": "ビリオン", "T": "トリリオン", "bn": "ビリオン"}
_CURRENCY = f"(?:{alternatives(_CURRENCIES)})"
_SCALE = r"(?:(万|億|兆|千|百万|[kKMBT](?![A-Za-z])|bn(?![A-Za-z]))円?)?"
_MYRIADS = ["", "万", "億", "兆", "京", "垓", "𥝱", "穣", "溝", "澗", "正", "載", "極"]
_MAX_DIGITS_OF_A_QUANTITY = 16
_COUNTED = r"円|人|個|年|件|回|倍|枚|本|台|歳|分|秒|日|時間|時|パーセント|メートル|グラム|キロ|度|点|ドル"
_KANJI_DIGITS = "〇一二三四五六七八九"


def kanji_number(digits: str) -> str:
    """Kanji numeral of any integer below 10^52: 1234 一千二百三十四 style without 一 before 十百千."""
    digits = digits.lstrip("0")
    groups = [digits[max(end - 4, 0) : end] for end in range(len(digits), 0, -4)]
    parts = [_group(int(group)) + _MYRIADS[power] for power, group in enumerate(groups) if int(group)]
    return "".join(reversed(parts)) or "零"


def _group(value: int) -> str:
    text = ""
    for unit, name in ((1000, "千"), (100, "百"), (10, "十")):
        count, value = divmod(value, unit)
        if count:
            text += ("" if count == 1 else _KANJI_DIGITS[count]) + name
    return text + (_KANJI_DIGITS[value] if value else "")


def _quantity(match: re.Match[str]) -> str:
    """Grouped digits are one number: 1,234,567."""
    digits = match.group().replace(",", "")
    return digits if len(digits) <= 12 or "." in digits else _long(digits)


def _long(digits: str) -> str:
    return kanji_number(digits) if len(digits) <= 4 * len(_MYRIADS) - 4 else digit_by_digit(digits)


def _currency(match: re.Match[str]) -> str:
    sign, number, scale = match.groups()
    return f"{number}{_SCALES.get(scale or '', scale or '')}{_CURRENCIES[sign]}"


def _currency_after(match: re.Match[str]) -> str:
    number, scale, sign = match.groups()
    return f"{number}{_SCALES.get(scale or '', scale or '')}{_CURRENCIES[sign]}"


def _digits(match: re.Match[str]) -> str:
    """Telephone and card numbers: digit by digit with a short break at each hyphen."""
    return SOFT.join(digit_by_digit(part) for part in re.split(r"[-()\s]+", match.group()) if part.strip("+"))


def _score(match: re.Match[str]) -> str:
    return f"{match[1]}対{match[2]}"


def _arithmetic(match: re.Match[str]) -> str:
    signs = {
        "+": "足す",
        "-": "引く",
        "−": "引く",
        "×": "かける",
        "*": "かける",
        "÷": "わる",
        "=": "イコール",
        "≒": "ニアリーイコール",
    }
    text = "".join(signs.get(char, char) for char in match.group() if not char.isspace())
    return text.replace("イコール引く", "イコールマイナス")


_SCORE_WORDS = r"(?=[^。、\d]{0,16}?(?:勝|敗|負け|破|下し|引き分|リード|スコア|逆転|制し|ドロー))"
_OPERAND = r"(?:\d+(?:\.\d+)?|\b[a-zA-Z]\b)"

MONEY: tuple[Rule, ...] = (
    digit_rule(r"〒?\s*(?<!\d)(\d{3})-(\d{4})(?![\d-])(?=\s*[一-鿿])|〒\s*(\d{3})-?(\d{4})", lambda m: _postal(m)),
    digit_rule(
        r"(?<![\d-])(?:\+81[- ]?\d{1,4}|0\d{1,4})[-(]\d{1,4}[-)]\d{3,4}(?![\d-])"
        r"|\(0\d{1,4}\) ?\d{1,4}-\d{4}(?![\d-])|(?<!\d)0[5789]0\d{8}(?!\d)",
        _digits,
    ),
    digit_rule(r"(?<![\d-])\d{4}[- ]\d{4}[- ]\d{4}[- ]\d{4}(?![\d-])", _digits),
    digit_rule(rf"({_CURRENCY})\s*({NUMBER}){_SCALE}(?!円)", _currency),
    digit_rule(rf"({NUMBER}){_SCALE}\s*({_CURRENCY})(?![A-Za-z])", _currency_after),
)
RULES: tuple[Rule, ...] = (
    digit_rule(r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?", _quantity),
    digit_rule(r"(?<![\d.])(\d+)と(\d+)[/⁄](\d+)(?![\d/])", r"\1と\3分の\2"),
    digit_rule(r"(?<![\d/.])(\d+)\s*[/⁄]\s*(\d+)(?![\d/])", r"\2分の\1"),
    digit_rule(r"(?<![\d:])(\d{1,3})\s*:\s*(\d{1,3})(?![\d:])", _score),
    digit_rule(rf"(?<![\d-])(\d{{1,3}})\s*[-−]\s*(\d{{1,3}})(?![\d-]){_SCORE_WORDS}", _score),
    rule(
        rf"(?<![\d.]){_OPERAND}(?:\s*[+×÷*=−-]\s*{_OPERAND})*\s*=\s*[+−-]?(?:{_OPERAND}(?:\s*[+×÷*−-]\s*{_OPERAND})*)?",
        _arithmetic,
        "=",
    ),
    digit_rule(r"\d+(?:\.\d+)?\s*(?:[×÷+*]\s*\d+(?:\.\d+)?)+", _arithmetic),
    digit_rule(r"(?<=\d)\s*[×xX]\s*(?=\d)", "かける"),
    digit_rule(r"(?<=[A-Za-z\d)])\^(\d+)", r"の\1乗"),
    digit_rule(r"(?<![\d月])([12]?\d|3[01])[~〜-](?=(?:[12]?\d|3[01])日(?!間))", r"\1日から"),
    digit_rule(r"(?<!\d)(1[0-2]|[1-9])(?:[~〜]|(?<=\d)-)(?=(?:1[0-2]|[1-9])月)", r"\1月から"),
    digit_rule(r"(?<![A-Za-z])[Pp]p?\.\s*(\d+)[-–~〜](\d+)", r"\1から\2ページ"),
    digit_rule(r"(?<![A-Za-z])[Pp]p?\.\s*(\d+)", r"\1ページ"),
    rule(r"((?<![A-Za-z])[a-z]|の\d+乗)\s*[-−]\s*(?=\d|[a-z](?![A-Za-z]))", r"\1マイナス", "-−"),
    # Ranges: with counters on the right (10-20人) or a wave dash
    rule(rf"(?<=[\d{JAPANESE[1:-1]}A-Za-z])\s*[~〜]\s*(?=[\d$¥A-Z])", "から", "~〜"),
    rule(r"(?<=[\d円時分日月年人個歳階])\s*[~〜]\s*(?=\s|$|[、。,.!?)）」』])", "から", "~〜"),
    digit_rule(
        rf"(?<![\d-])(\d+(?:\.\d+)?)\s*[-–−]\s*(\d+(?:\.\d+)?)(?=(?:{_COUNTED}|名|泊|週間|か月|ヶ月|カ月|巻|章|話|ページ|歳|度|月|行|件|世紀|年代|代|週|階|位))",
        r"\1から\2",
    ),
    digit_rule(r"(?<=[時分日月年円人個歳%度])\s*[-–−]\s*(?=\d)", "から"),
    digit_rule(r"(?<=[\d円人個回%度])\s*[→⇒]\s*(?=\d)", "から"),
    digit_rule(r"(?<![\d-])(\d{3})-(\d{4})(?![\d-])", lambda m: f"{digit_by_digit(m[1])}の{digit_by_digit(m[2])}"),
    # Addresses and numberings: 1-2-3, 図3-1
    digit_rule(
        r"(?<![\d-])(\d{1,4})(?:[-−‐](\d{1,4}))(?:[-−‐](\d{1,4}))?(?:[-−‐](\d{1,4}))?(?![\d-])",
        lambda m: "の".join(g for g in m.groups() if g),
    ),
    digit_rule(r"(?<=[\dA-Za-z])\s*[<＜]\s*(?=\d)", "小なり"),
    digit_rule(r"(?<=[\dA-Za-z])\s*[>＞]\s*(?=\d)", "大なり"),
    # Signs before numbers
    digit_rule(rf"(?<![\w)\]）」{JAPANESE[1:-1]}])[-−–](?=\d)", "マイナス"),
    digit_rule(r"(?<=[のはがをも、])[-−–](?=\d)", "マイナス"),
    digit_rule(rf"(?<={JAPANESE})[-−–](?=\d+(?:\.\d+)?(?:度|パーセント|点|円|ポイント))", "マイナス"),
    digit_rule(r"[▲△](?=\d)", "マイナス"),
    digit_rule(r"±(?=\d)", "プラスマイナス"),
    digit_rule(r"(?<![\d\w])\+(?=\d)", "プラス"),
    # Versions and dotted numbers
    digit_rule(r"(?<![A-Za-z\d])[vV](?:er(?:sion)?)?\.?\s*(?=\d)", "バージョン"),
    digit_rule(
        r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])",
        lambda m: "点".join(digit_by_digit(p) for p in m.group().split(".")),
    ),
    digit_rule(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])", lambda m: "点".join(str(int(p)) for p in m.group().split("."))),
    # Numbers of things
    digit_rule(r"打率0?\.(\d)(\d)(\d)(?!\d)", lambda m: "打率" + _batting_average(*m.groups())),
    digit_rule(r"(?<![\dA-Za-z.])\.(?=\d)", "0."),
    digit_rule(r"(?<=敗)(\d+)分(?!け)", r"\1分け"),
    digit_rule(r"(?<![A-Za-z])M(?=\d\.\d)", "マグニチュード"),
    digit_rule(r"(?<![A-Za-z\d])B(\d{1,2})F(?![A-Za-z\d])", r"地下\1階"),
    digit_rule(r"(?<![A-Za-z\d.,-])(\d{1,2})F(?![A-Za-z\d])", r"\1階"),
    digit_rule(r"(?:[Nn][Oo]\.|ナンバー)\s*1(?![\d.])", "ナンバーワン"),
    digit_rule(r"(?<![A-Za-z])[Nn][Oo]s?\.\s*(?=\d)", "ナンバー"),
    digit_rule(r"(?<![A-Za-z])[Vv][Oo][Ll]\.?\s*(?=\d)", "ボリューム"),
    digit_rule(r"(?<![A-Za-z])[Oo]p\.\s*(?=\d)", "オーパス"),
    digit_rule(r"(?<![A-Za-z])[Ll][Vv]\.?\s*(?=\d)", "レベル"),
    digit_rule(r"(?<![A-Za-z])[Ff]ig\.?\s*(?=\d)", "図"),
    digit_rule(r"(?<![A-Za-z])[Cc]h\.\s*(?=\d)", "チャプター"),
    rule(r"(?<=東大[文理])I{1,3}|(?<=[文理]科)I{1,3}", lambda m: _roman(m[0]), "I"),
    rule(r"第\s*([IVX]{1,5})(?=[章節部巻編条期世回話幕])", lambda m: f"第{_roman(m[1])}", "第"),
    rule(r"(?<=[ァ-ヺー])([IVX]{1,4})(?=世)", lambda m: _roman(m[1]), "世"),
    # Digits that are a name rather than an amount
    digit_rule(r"(?<![\d.])0+(?=[1-9]\d?[時分秒月日年度])", ""),
    digit_rule(r"(?<![\d.])0\d+(?![\d.])", lambda m: _leading_zero(m[0])),
    digit_rule(r"#(?=\d{4}(?!\d))", "シャープ"),
    digit_rule(r"(?<=シャープ)\d{4}", lambda m: digit_by_digit(m[0])),
    digit_rule(r"'(?=\d\d年)", ""),
    digit_rule(rf"(?<![\d.])\d{{{_MAX_DIGITS_OF_A_QUANTITY + 1},}}(?:\.\d+)?", lambda m: _endless(m[0])),
    digit_rule(rf"(?<![\d.])\d{{13,{_MAX_DIGITS_OF_A_QUANTITY}}}(?=(?:{_COUNTED}))", lambda m: _long(m[0])),
    digit_rule(r"(?<=\d)[^\S\n]+(?=\d)", SOFT),
    digit_rule(r"2人(?=組|乗り|用)", "ふたり"),
    digit_rule(r"(?<!\d)1(?=房|束|組の|粒|握り|玉)", "ひと"),
    digit_rule(r"(?<!\d)2(?=房|粒|握り)", "ふた"),
)


def _postal(match: re.Match[str]) -> str:
    first, second = match[1] or match[3], match[2] or match[4]
    name = f"郵便番号{SOFT}" if match.group().startswith("〒") else ""
    return f"{name}{digit_by_digit(first)}の{digit_by_digit(second)}{SOFT}"


def _roman(letters: str) -> str:
    return str(roman_value(letters) or letters)


def _batting_average(tenths: str, hundredths: str, thousandths: str) -> str:
    """.310 is 3割1分: zeros are not said."""
    parts = [
        f"{tenths}割",
        f"{hundredths}ぶ" if hundredths != "0" else "",
        f"{thousandths}厘" if thousandths != "0" else "",
    ]
    return "".join(parts)


def _leading_zero(digits: str) -> str:
    """007 is ゼロゼロナナ; a date's or clock's 05 has been read before."""
    return digit_by_digit(digits)


def _endless(number: str) -> str:
    """More digits than any amount has: one by one."""
    return digit_by_digit(number)


def read_money(text: str) -> str:
    """Telephone, postal and card numbers and money: what carries its own signs and must be read before units."""
    return apply(MONEY, text)


def read_numbers(text: str) -> str:
    """Fractions, ranges, arithmetic, signs, versions and numbers that are names."""
    return apply(RULES, text)
