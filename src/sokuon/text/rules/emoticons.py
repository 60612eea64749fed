"""Faces, laughter and other things of chat. Faces and emoji are silent: they colour the tone, nobody reads them out."""

from __future__ import annotations

from sokuon.text.rules.rule import JAPANESE, SOFT, Rule, apply, digit_rule, rule

_FACE_PARTS = (
    r"\^_;:\-\*'`\"´｀・ω∀д□▽◇Д益皿口Oo0TtQq\.,<>≧≦＞＜°º˘¯￣—~〜∇艸≡=＝＿\|｜/／\\＼ﾟ゜！!?？ "
    r"ノﾉσシｼヽヾ‘’｡。эεз∩∪⌒♪★☆彡ミwуyvV⊂⊃┌┐♡♥✧◕‿＾；∠"
)
_EYES = r"[\^＾´｀`TtQqXx><≧≦；;・°º￣¯✧◕o0O\-＞＜ﾟ゜⌒´∀˘]"

RULES: tuple[Rule, ...] = (
    rule(r"[\(（]\s*(?:笑|爆笑|失笑|微笑|苦笑)\s*[\)）]", lambda m: SOFT + m.group()[1:-1].strip() + SOFT, "笑"),
    rule(r"[\(（](泣|涙|汗|怒|嘘|謎|爆|焦|照|悲|喜|殴|死)[\)）]", SOFT, "(（"),
    digit_rule(r"m9[(（]\S{1,6}[)）]", SOFT),
    # (^_^) ( ´∀`) m(_ _)m \(^o^)/ (T_T): brackets around signs only, with two eyes in them
    rule(
        rf"[mｍo┌ヽヾ＼\\∠\(]?[\(（](?=[^\)）]*{_EYES})[{_FACE_PARTS}人；]{{2,14}}[\)）][mｍoノﾉ/／┘b;彡;；♪☆★ゞゝ]*",
        SOFT,
        "(（",
    ),
    rule(r"m\(_ ?_\)m|\(\^\^[;；]?(?![)\w])|[\(（][_＿ ]+[\)）]", SOFT, "(（"),
    rule(
        r"(?<![A-Za-z\d])(?:[:;=8][\-^o]?[\)\(DPp]|[xX]D|\^\^[;；]?|\^_\^[;；]?|T_T|>_<|-_-;?|o_o|orz|OTL|<3)(?![A-Za-z\d])",
        SOFT,
        ":;=8D^_rO<",
    ),
    rule(rf"(?<={JAPANESE})[wｗ]{{2,}}(?![A-Za-z])|^[wｗ]{{3,}}(?![A-Za-z.])", "ワラワラ", "wｗ"),
    rule(rf"(?<={JAPANESE})[wｗ](?![A-Za-z\d])", "ワラ", "wｗ"),
    rule(r"(?<=[!?！？。])[wｗ]{2,}(?![A-Za-z])", "ワラワラ", "wｗ"),
    rule(r"(?<=[ぁ-ゖァ-ヺｦ-ﾟ])[━─]{2,}", "ー", "━─"),
    rule(r"[━─]{3,}", SOFT, "━─"),
    rule(r"草{2,}", "クサ", "草"),
    digit_rule(rf"(?<![\d.,])8{{5,}}(?![\d.,%]|{JAPANESE})", "パチパチパチ"),
)


def read_emoticons(text: str) -> str:
    """Drop faces, speak laughter."""
    return apply(RULES, text)
