"""Dates and clock times in digits."""

from __future__ import annotations

import re

from sokuon.text.rules.rule import SOFT, Rule, alternatives, apply, digit_rule, rule

_YEAR = r"(?<![\d./-])((?:1[5-9]|20|21)\d\d)"
_MONTH = r"(0?[1-9]|1[0-2])"
_DAY = r"(0?[1-9]|[12]\d|3[01])"
_NO_MORE = r"(?![\d/])(?![.-]\d)"
_ERAS = {"R": "令和", "H": "平成", "S": "昭和", "T": "大正", "M": "明治"}
# What makes 3/5 a day, and what makes it a fraction.
_DAY_WORDS = (
    "から まで より 頃 ごろ 以降 以前 締 〆 発売 公開 開催 開始 配信 放送 付 現在 時点 生まれ 分 号 午前 午後 夜 朝 昼"
)
_AFTER_DAY = (
    rf"(?=\s*(?:[\(（][月火水木金土日祝]|{alternatives(_DAY_WORDS.split())}|[~〜\-]\s*\d{{1,2}}/|\d{{1,2}}[:時]))"
)
_PORTIONS = "確率 割合 量 大きさ サイズ 長さ 高さ 面積 時間 力 人 値段 価格 距離 スケール"
_CHANGES = "切 カット 減 縮 分け なっ なり なる し 割"
_MEASURES = "以上 以下 ほど 程度 くらい ぐらい カップ 個 杯 倍 回 本 量 サイズ スケール を超 未満 ずつ 拍 スプーン"
_AFTER_FRACTION = (
    rf"(?=\s*(?:の(?:{alternatives(_PORTIONS.split())})|に(?:{alternatives(_CHANGES.split())})"
    rf"|{alternatives(_MEASURES.split())}))"
)


def _number(digits: str) -> str:
    return str(int(digits))


def _full_date(match: re.Match[str]) -> str:
    year, month, day = match.groups()
    return f"{year}年{_number(month)}月{_number(day)}日"


def _short_date(match: re.Match[str]) -> str:
    month, day = match.groups()
    return f"{_number(month)}月{_number(day)}日"


def _month_day_or_fraction(match: re.Match[str]) -> str:
    """12/25 is a day, 1/2 a half: a proper fraction with a small or round denominator is no day."""
    first, second = int(match[1]), int(match[2])
    is_day = 1 <= first <= 12 and 1 <= second <= 31
    is_fraction = first < second and second in (2, 3, 4, 5, 6, 8, 10)
    return f"{first}月{second}日" if is_day and not is_fraction else match.group()


def _era_date(match: re.Match[str]) -> str:
    era, year, month, day = match.groups()
    return f"{_ERAS[era]}{_number(year)}年{_number(month)}月{_number(day)}日"


def _clock(match: re.Match[str]) -> str:
    hour, minute, second = match.groups()
    text = f"{_number(hour)}時"
    if int(minute) or int(second or 0):
        text += f"{_number(minute)}分"
    return text + (f"{_number(second)}秒" if second and int(second) else "")


_CLOCK = r"(?<![\d.,])(?<!\d:)([01]?\d|2\d|30):([0-5]\d)(?::([0-5]\d))?(?![\d:])"

RULES: tuple[Rule, ...] = (
    digit_rule(rf"{_YEAR}/{_MONTH}/{_DAY}{_NO_MORE}", _full_date),
    digit_rule(rf"{_YEAR}-{_MONTH}-{_DAY}(?:T(?=\d))?(?![\d/-])", _full_date),
    digit_rule(rf"{_YEAR}\.{_MONTH}\.{_DAY}(?![\d.])", _full_date),
    digit_rule(rf"{_YEAR}/{_MONTH}{_NO_MORE}", lambda m: f"{m[1]}年{_number(m[2])}月"),
    digit_rule(rf"(?<![A-Za-z])([RHSTM])(\d{{1,2}})[./]{_MONTH}[./]{_DAY}(?![\d.])", _era_date),
    digit_rule(r"(?<![A-Za-z])([RHS])(\d{1,2})(?=年)", lambda m: f"{_ERAS[m[1]]}{_number(m[2])}"),
    digit_rule(rf"(?<![\d/.]){_MONTH}/{_DAY}{_NO_MORE}{_AFTER_DAY}", _short_date),
    digit_rule(rf"(?<=[~〜\-]){_MONTH}/{_DAY}{_NO_MORE}", _short_date),
    digit_rule(rf"(?<![\d/.])(\d+)/(\d+){_NO_MORE}{_AFTER_FRACTION}", lambda m: f"{_number(m[2])}分の{_number(m[1])}"),
    digit_rule(rf"(?<![\d/.])(\d{{1,2}})/(\d{{1,2}}){_NO_MORE}(?=\s*[にはもの])", lambda m: _day_if_possible(m)),
    digit_rule(rf"(?<![\d/.A-Za-z])(\d{{1,2}})/(\d{{1,2}}){_NO_MORE}(?!\s*[=+×÷*A-Za-z])", _month_day_or_fraction),
    digit_rule(r"(?<![\d月])1日(?=\s*[(（][月火水木金土日祝]|付|発売|より)|(?<=[毎今来先同]月)1日", "ついたち"),
    rule(r"(?<=[日ち])\s*[\(（]([月火水木金土日])(?:曜日?)?(?:[・･,、/]\s*祝日?)?[\)）]", rf"\1曜日{SOFT}", ")）"),
    rule(r"(?<![一-鿿])([月火水木金土日])\s*[~〜\-–]\s*([月火水木金土日])(?![一-鿿])", r"\1曜から\2曜", "~〜-–"),
    digit_rule(r"\b(?:AM|am|a\.m\.)\s*(?=\d{1,2}(?:[:時]|\b(?!\.)))", "午前"),
    digit_rule(r"\b(?:PM|pm|p\.m\.)\s*(?=\d{1,2}(?:[:時]|\b(?!\.)))", "午後"),
    digit_rule(rf"{_CLOCK}\s*(?:AM|am|a\.m\.)", lambda m: "午前" + _clock(m)),
    digit_rule(rf"{_CLOCK}\s*(?:PM|pm|p\.m\.)", lambda m: "午後" + _clock(m)),
    digit_rule(r"(?<![\d.])(\d{1,2})\s*(?:AM|am|a\.m\.)(?![A-Za-z])", r"午前\1時"),
    digit_rule(r"(?<![\d.])(\d{1,2})\s*(?:PM|pm|p\.m\.)(?![A-Za-z])", r"午後\1時"),
    digit_rule(_CLOCK, _clock),
    digit_rule(r"(?<![\d.A-Za-z])(\d+)h(\d+)m(?![A-Za-z])", r"\1時間\2分"),
    digit_rule(r"(?<![\d.])0+時(?!間)", "零時"),
    digit_rule(r"(?<=月)0(?=[1-9]日)|(?<=年)0(?=[1-9]月)", ""),
    digit_rule(r"'(\d0)s\b", r"\1年代"),
    digit_rule(r"\b((?:19|20)\d0)s\b", r"\1年代"),
)


def _day_if_possible(match: re.Match[str]) -> str:
    """3/5に, 3/5は, 3/5の …: a day if the numbers allow it and it is no common half or quarter."""
    first, second = int(match[1]), int(match[2])
    common = (first, second) in {(1, 2), (1, 3), (2, 3), (1, 4), (3, 4), (1, 10)}
    if 1 <= first <= 12 and 1 <= second <= 31 and not common:
        return f"{first}月{second}日"
    return match.group()


def read_dates(text: str) -> str:
    """Dates and times with separators become 年月日 and 時分秒."""
    return apply(RULES, text)
