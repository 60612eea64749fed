"""Words that OpenJTalk's dictionary is known to misread in ordinary texts: written so that it reads them right."""

from __future__ import annotations

from sokuon.text.rules import Rule, apply, rule

RULES: tuple[Rule, ...] = (
    rule("鶏(?=もも|むね|ムネ|モモ|肉|ささみ|ガラ|がら|皮|そぼろ|の唐揚|の照り|の水炊|団子|だんご|唐揚|天)", "とり"),
    rule(r"(?<=\d)着目(?=[はがのでにを、。]|$)", "着め"),
    rule("百聞は一見", "ひゃくぶんはいっけん"),
    rule("二・二六", "にーにーろく"),
    rule("五・一五", "ごーいちごー"),
    rule("髭男dism", "ヒゲダンディズム"),
    rule(r"第(\d)Q(?![A-Za-z])", r"第\1クォーター"),
    rule(r"(?<![A-Za-z])[Tt]hank you(?![A-Za-z])", "サンキュー"),
    rule("W杯", "ワールドカップ"),
)


def correct(text: str) -> str:
    """Known misreadings written out."""
    return apply(RULES, text)
