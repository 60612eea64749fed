"""Words that OpenJTalk's dictionary is known to misread in ordinary texts: written so that it reads them right."""

from __future__ import annotations

from sokuon.text.rules import Rule, alternatives, apply, rule

_READINGS = {
    "鬼滅の刃": "キメツのヤイバ",
    "呪術廻戦": "ジュジュツカイセン",
    "新垣結衣": "アラガキユイ",
    "米津玄師": "ヨネヅケンシ",
    "髭男dism": "ヒゲダンディズム",
    "重複": "チョウフク",
    "百聞は一見": "ひゃくぶんはいっけん",
    "人気のない道": "ひとけのない道",
    "人気のない場所": "ひとけのない場所",
    "人気のない路地": "ひとけのない路地",
    "最中を食べ": "もなかを食べ",
    "間髪を入れず": "かんはつを入れず",
    "間髪入れず": "かんはつ入れず",
    "二・二六": "にーにーろく",
    "五・一五": "ごーいちごー",
    "4分音符": "しぶおんぷ",
    "4分休符": "しぶきゅうふ",
    "W杯": "ワールドカップ",
}

RULES: tuple[Rule, ...] = (
    rule(alternatives(_READINGS), lambda match: _READINGS[match.group()]),
    rule("鶏(?=もも|むね|ムネ|モモ|肉|ささみ|ガラ|がら|皮|そぼろ|の唐揚|の照り|の水炊|団子|だんご|唐揚|天)", "とり"),
    rule(r"(?<=\d)着目(?=[はがのでにを、。]|$)", "着め"),
    rule("(?<=国産)牛|(?<=黒毛和)牛", "ぎゅう"),
    rule(r"(?<![A-Za-z])(AB|A|B|O)型(?![番式])", r"\1がた"),
    rule(r"(?<=[A-Za-z] )II(?![A-Za-z])", "ツー"),
    rule(r"(?<=[A-Za-z] )III(?![A-Za-z])", "スリー"),
    rule(r"(?<=\d)分(?=[音休]符)", "ぶ"),
    rule(r"(?<=月)中(?=[にはの、。]|$)", "ちゅう"),
    rule(r"(?<=\d)等星", "とうせい"),
    rule(r"(?<=\d)乗根", "じょうこん"),
    rule(r"(?<!\d)7色(?!素)", "なないろ"),
    rule(r"(?<=\d)拍子", "びょうし"),
    rule(r"(?<![一-鿿])表(?=\d)", "ひょう"),
    rule(r"第(\d)Q(?![A-Za-z])", r"第\1クォーター"),
    rule(r"(?<![A-Za-z])[Tt]hank you(?![A-Za-z])", "サンキュー"),
)


def correct(text: str) -> str:
    """Known misreadings written out."""
    return apply(RULES, text)
