"""Units and counters written in Latin letters, after a number."""

from __future__ import annotations

import re

from sokuon.text.rules.rule import NUMBER, Rule, alternatives, apply, digit_rule, rule

_PREFIXES = {"k": "キロ", "M": "メガ", "G": "ギガ", "T": "テラ", "m": "ミリ", "μ": "マイクロ", "n": "ナノ"}
_PREFIXED = {
    "Hz": "ヘルツ",
    "W": "ワット",
    "Wh": "ワットアワー",
    "V": "ボルト",
    "A": "アンペア",
    "Pa": "パスカル",
    "J": "ジュール",
    "cal": "カロリー",
    "bps": "ビーピーエス",
    "B": "バイト",
    "iB": "バイト",
    "g": "グラム",
    "m": "メートル",
    "l": "リットル",
    "L": "リットル",
    "s": "秒",
    "sec": "秒",
    "Ω": "オーム",
    "F": "ファラド",
    "mol": "モル",
    "bit": "ビット",
    "N": "ニュートン",
    "Sv": "シーベルト",
    "Bq": "ベクレル",
    "eV": "エレクトロンボルト",
    "t": "トン",
    "pixel": "ピクセル",
    "px": "ピクセル",
    "Ah": "アンペアアワー",
}
_PLAIN = {
    "cm": "センチメートル",
    "dl": "デシリットル",
    "dL": "デシリットル",
    "cc": "シーシー",
    "cl": "センチリットル",
    "ha": "ヘクタール",
    "KB": "キロバイト",
    "Kb": "キロビット",
    "kb": "キロビット",
    "Mb": "メガビット",
    "Gb": "ギガビット",
    "PB": "ペタバイト",
    "KHz": "キロヘルツ",
    "hPa": "ヘクトパスカル",
    "dB": "デシベル",
    "rpm": "アールピーエム",
    "fps": "エフピーエス",
    "dpi": "ディーピーアイ",
    "ppm": "ピーピーエム",
    "ppi": "ピーピーアイ",
    "kbps": "キロビーピーエス",
    "min": "分",
    "mins": "分",
    "hr": "時間",
    "hrs": "時間",
    "hours": "時間",
    "sec": "秒",
    "secs": "秒",
    "h": "時間",
    "inch": "インチ",
    "in": "インチ",
    "ft": "フィート",
    "feet": "フィート",
    "yd": "ヤード",
    "mile": "マイル",
    "miles": "マイル",
    "mph": "マイル毎時",
    "lb": "ポンド",
    "lbs": "ポンド",
    "oz": "オンス",
    "lx": "ルクス",
    "lm": "ルーメン",
    "cd": "カンデラ",
    "pt": "ポイント",
    "pts": "ポイント",
    "px": "ピクセル",
    "kt": "ノット",
    "Hz": "ヘルツ",
    "bit": "ビット",
    "bits": "ビット",
    "byte": "バイト",
    "bytes": "バイト",
    "°C": "度",
    "℃": "度",
    "°": "度",
    "bps": "ビーピーエス",
    "g": "グラム",
    "m": "メートル",
    "L": "リットル",
    "l": "リットル",
    "W": "ワット",
    "V": "ボルト",
    "A": "アンペア",
    "t": "トン",
    "s": "秒",
    "J": "ジュール",
    "Pa": "パスカル",
    "N": "ニュートン",
    "B": "バイト",
    "cal": "カロリー",
    "mol": "モル",
    "Sv": "シーベルト",
    "Bq": "ベクレル",
    "Ω": "オーム",
    "eV": "エレクトロンボルト",
    "Wh": "ワットアワー",
    "km2": "平方キロメートル",
    "m2": "平方メートル",
    "cm2": "平方センチメートル",
    "mm2": "平方ミリメートル",
    "m3": "立方メートル",
    "cm3": "立方センチメートル",
    "km3": "立方キロメートル",
    "mm3": "立方ミリメートル",
    "dm": "デシメートル",
    "kgf": "キログラム重",
    "GHz": "ギガヘルツ",
    "dBm": "ディービーエム",
    "mAh": "ミリアンペアアワー",
    "pH": "ピーエイチ",
    "Mpx": "メガピクセル",
    "MP": "メガピクセル",
    "W/m2": "ワット毎平方メートル",
    "m/s2": "メートル毎秒毎秒",
    "m/s": "メートル毎秒",
    "min/km": "分パーキロメートル",
}
UNITS: dict[str, str] = {
    prefix + unit: prefix_reading + reading
    for prefix, prefix_reading in _PREFIXES.items()
    for unit, reading in _PREFIXED.items()
    if prefix + unit not in ("mt", "kt", "TA", "Tt", "nt")
} | _PLAIN
_PER = {
    "h": "毎時",
    "hr": "毎時",
    "s": "毎秒",
    "sec": "毎秒",
    "min": "毎分",
    "日": "パー日",
    "人": "パー人",
    "day": "毎日",
}
_UNIT = f"(?:{alternatives(UNITS)})"
_UNMISTAKABLE = ("KB", "MB", "GB", "TB", "Hz", "kHz", "MHz", "GHz", "mm", "cm", "kg", "mg", "ml", "mL", "bit")
_NOT_A_WORD = r"(?![A-Za-z])"


def _unit(match: re.Match[str]) -> str:
    """A unit, or a ratio of two: km/h, mg/dL."""
    number, unit, below = match.groups()
    reading = UNITS[unit]
    if below:
        reading += _PER.get(below) or f"パー{UNITS[below]}"
    return f"{number}{reading}".replace("毎", " 毎")


RULES: tuple[Rule, ...] = (
    digit_rule(rf"({NUMBER})\s*(?:°F|℉)", r"華氏\1度"),
    digit_rule(rf"(時速\s*{NUMBER}\s*(?:km|キロ|キロメートル|mile|m))/h", r"\1"),
    digit_rule(rf"(秒速\s*{NUMBER}\s*(?:k?m|キロ|キロメートル))/s", r"\1"),
    digit_rule(r"(?<=[A-Za-z] )(\d{1,2})s(?![A-Za-z])", r"\1エス"),  # iPhone 6s
    digit_rule(rf"(?<![A-Za-z\d.])({NUMBER})\s*({_UNIT}){_NOT_A_WORD}(?:/({_UNIT}|day){_NOT_A_WORD})?", _unit),
    digit_rule(rf"([\d][万億兆千百])\s*({_UNIT}){_NOT_A_WORD}(?:/({_UNIT}){_NOT_A_WORD})?", _unit),
    digit_rule(r"(?<=度)(\d+)[′']", r"\1分"),
    digit_rule(rf"({NUMBER})\s*[%％]", r"\1パーセント"),
    digit_rule(rf"({NUMBER})\s*‰", r"\1パーミル"),
    digit_rule(rf"(?<=[A-Z])({NUMBER})({alternatives(_UNMISTAKABLE)}){_NOT_A_WORD}", lambda m: m[1] + UNITS[m[2]]),
    rule(r"(?<=メートル)(走|泳|級|超)", lambda m: {"走": "そう", "泳": "えい"}.get(m[1], m[1]), "走泳級超"),
    rule(r"(?<=円|個|人|件|回|本|枚|台)/(?=kg|g|個|人|本|月|日|年|回|時間|h\b|分)", "パー", "/"),
    rule(r"(?<=パー)(kg|g|h)\b", lambda m: UNITS[m[1]], "パ"),
)


def read_units(text: str) -> str:
    """Units after numbers, percent and degrees in words."""
    return apply(RULES, text)
