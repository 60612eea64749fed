"""The rules that OpenJTalk's accents lack, as a table. Each row: a word, what stands before it, what happens.

Sources: SS Sagisaka and Sato 1983 (classes of auxiliaries and particles, as OpenJTalk has them); NHK the appendix of
the NHK accent dictionary (1998, 2016) as its rules are described in papers; OBS seen in hand-labelled speech (JSUT
basic5000, jsut-label), where the sources leave both open. `text/README.md` has them with examples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto


class State(Enum):
    """What the phrase before the word must be."""

    ANY = auto()
    ACCENTED = auto()  # the pitch has fallen
    FLAT = auto()  # it has not: flat, or with the kernel on the last mora (渡った, 橋)
    LAST = auto()  # the kernel is on its last syllable, not its only one (男, 日本)


@dataclass(frozen=True)
class Rule:
    """One row. Empty conditions hold always."""

    words: frozenset[str]
    """Dictionary forms."""
    kind: str = ""
    """Start of `part of speech:group:group`."""
    form: str = ""
    """Start of the conjugated form."""
    after: frozenset[str] = frozenset()
    """Surfaces of the word before."""
    after_kind: str = ""
    before: frozenset[str] = frozenset()
    """Dictionary forms of the word after it."""
    before_kind: tuple[str, ...] = ()
    """Starts of the kind of the word after it."""
    before_form: str = ""
    """Start of the conjugated form of the word after it."""
    state: State = State.ANY
    begins: bool | None = None
    """True: an accent phrase begins here. False: it goes on."""
    accent: int | None = None
    """The word's own accent."""
    classes: str | None = None
    """Its accent classes (phrases.py)."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Dependent nouns keep their own accent after an accented predicate; after a flat one they stay in its phrase (NHK; SS).
_DEPENDENT_NOUNS = {
    "こと 事": 2,
    "とき 時": 2,
    "ため 為": 2,
    "もの 物 者": 2,
    "わけ 訳": 1,
    "ほう 方": 1,
}
# Verbs that help another by て keep their own accent after an accented one; いる does not (NHK; OBS).
_HELPERS = "もらう 貰う くれる 呉れる くる 来る いく 行く いただく 頂く いただける やる あげる みる おく 置く"
_NEGATED = "ない"

# A noun with the kernel on its last syllable loses it before の; numbers and these words keep it (NHK).
_THINGS = (
    "一つ 二つ 三つ 四つ 五つ 六つ 七つ 八つ 九つ ひとつ ふたつ みっつ よっつ いつつ むっつ ななつ やっつ ここのつ"
)
_KEEPING = "次 つぎ よそ " + _THINGS
_LOSING = ("名詞:一般", "名詞:固有名詞", "名詞:代名詞", "名詞:副詞可能", "名詞:サ変接続", "名詞:形容動詞語幹")
# Flat nouns that have a kernel on their last mora once something says which (NHK).
_MODIFIERS = ("動詞", "形容詞", "助動詞", "助詞:連体化", "連体詞")

RULES: tuple[Rule, ...] = (
    Rule(_words("の"), kind="助詞:連体化", after=_words(_KEEPING)),
    *(Rule(_words("の"), kind="助詞:連体化", after_kind=kind, state=State.LAST, classes="F5") for kind in _LOSING),
    *(Rule(_words("人"), kind="名詞:一般", after_kind=kind, accent=2) for kind in _MODIFIERS),
    *(
        Rule(_words(words), kind="名詞", after_kind=kind, state=State.ACCENTED, begins=True, accent=accent)
        for words, accent in _DEPENDENT_NOUNS.items()
        for kind in ("動詞", "助動詞", "形容詞", "助詞:接続助詞")
    ),
    *(
        Rule(_words(words), kind="名詞", after_kind="助動詞", state=State.FLAT, accent=accent, classes="C1")
        for words, accent in _DEPENDENT_NOUNS.items()
    ),
    # のよう, いるよう: the pitch falls after よ (NHK).
    Rule(_words("よう 様"), kind="名詞:非自立:助動詞語幹", state=State.FLAT, classes="F2@1"),
    Rule(_words("べし"), after_kind="動詞", state=State.ACCENTED, begins=True, accent=1),
    Rule(_words("ごとし 如し"), state=State.ACCENTED, begins=True, accent=1),
    # 来た, 来て have no kernel on the devoiced き, and しまう is flat in all its forms (NHK).
    *(
        Rule(
            _words(words),
            kind="動詞:非自立",
            form=form,
            after=_words("て で"),
            state=State.ACCENTED,
            begins=True,
            accent=0,
        )
        for words, form in (("くる 来る", "連用"), ("しまう 仕舞う", ""))
    ),
    Rule(_words(_HELPERS), kind="動詞:非自立", after=_words("て で"), state=State.ACCENTED, begins=True),
    Rule(_words("くださる 下さる"), kind="動詞:非自立", form="命令", after=_words("て で"), begins=True, accent=3),
    # ます and たい have a kernel of their own, and a phrase begins for it (OBS).
    Rule(
        _words(_HELPERS + " いる"), kind="動詞:非自立", after=_words("て で"), before=_words("ます たい"), begins=True
    ),
    Rule(_words("なる"), kind="動詞", form="連用", after_kind="形容詞", before=_words("ます"), begins=True),
    # 〜てはいけない, 〜なければならない: the verb keeps its accent (OBS).
    *(
        Rule(
            _words("なる いける"),
            kind="動詞",
            form=form,
            after=_words("は ば"),
            before=before,
            state=State.ACCENTED,
            begins=True,
        )
        for form, before in (("未然", _words("")), ("連用", _words("ます")))
    ),
    Rule(_words(_NEGATED), after=_words("は が も じゃ"), begins=True, accent=1),
    # 〜そうだ after an accented verb: the pitch falls after そ, no longer in the verb (NHK).
    Rule(_words("そう"), kind="名詞:接尾:助動詞語幹", after_kind="動詞", state=State.ACCENTED, classes="F4@1"),
    # 〜ねば after a flat verb: the pitch falls before ば, as in 行けば (NHK).
    Rule(_words("ぬ"), form="仮定", after_kind="動詞", state=State.FLAT, classes="F2@1"),
    # たい takes the kernel of an accented verb, too (NHK; SS have it for flat ones only).
    Rule(_words("たい"), kind="助動詞", after_kind="動詞", classes="F4@1"),
    # でしょう, だろう after a flat word: the pitch falls in ショー, ロー; しよう of する in ヨー (NHK).
    Rule(_words("です だ"), kind="助動詞", form="未然形", after=_words("た だ"), state=State.FLAT, classes="F4@2"),
    Rule(_words("です だ"), kind="助動詞", form="未然形", after_kind="名詞", state=State.FLAT, classes="F2@2"),
    Rule(_words("です だ"), kind="助動詞", form="未然形", after_kind="動詞", state=State.FLAT, classes="F2@2"),
    Rule(_words("う"), kind="助動詞", after=_words("しよ"), state=State.FLAT, classes="F2@0"),
    # Hearsay 〜そうだ goes on with its predicate (NHK); the dictionary takes it for a noun at times.
    *(
        Rule(_words(word), kind=kind, after_kind=after, state=state, begins=False, classes=classes)
        for word, kind in (("そう", "名詞:特殊:助動詞語幹"), ("そうだ", "名詞:サ変接続"))
        for after in ("動詞", "形容詞", "助動詞")
        for state, classes in ((State.FLAT, "F4@1"), (State.ACCENTED, "F1"))
    ),
    Rule(_words("より"), kind="助詞:格助詞", after_kind="動詞", state=State.FLAT, classes="F2@1"),
    # ほど leaves an accented word its kernel (NHK).
    Rule(_words("ほど"), kind="助詞", state=State.ACCENTED, classes="F1"),
    # Short forms of 〜ている, 〜てしまう, 〜ておく are said as these: the verb keeps its accent (NHK).
    Rule(_words("てる でる ちゃう じゃう とく どく"), kind="動詞:非自立", after_kind="動詞", classes="F1"),
    Rule(_words("た"), kind="助動詞", after=_words("て で"), state=State.FLAT, classes="F2@1"),
    # Adjectives in っぽい, and compound verbs in 続ける, 始める, 終わる, 終える: as all of their kind (NHK).
    Rule(_words("っぽい"), kind="形容詞:接尾", classes="F4@2"),
    *(
        Rule(_words(words), kind="動詞", form=form, after_kind="動詞", classes=classes)
        for words, form, classes in (
            ("続ける つづける 始める はじめる", "連用", "F4@2"),
            ("続ける つづける 始める はじめる", "", "F4@3"),
            ("終わる おわる", "", "F4@2"),
            ("終える おえる", "連用", "F4@1"),
            ("終える おえる", "", "F4@2"),
        )
    ),
    # Passives of flat verbs are flat, those of サ変 nouns keep the noun's accent (SS: F1, NHK).
    Rule(_words("れる られる"), kind="動詞:接尾", state=State.FLAT, classes="F1"),
    Rule(_words("れる"), kind="動詞:接尾", after=_words("さ"), classes="F1"),
    # 〜である after a flat word: the pitch falls after あ (NHK).
    Rule(_words("ある"), kind="助動詞", after=_words("で"), state=State.FLAT, classes="F2@1"),
    # 〜ている stays flat after a flat verb (NHK); OpenJTalk puts the kernel on its る.
    Rule(_words("いる"), kind="動詞:非自立", after=_words("て で"), state=State.FLAT, classes="F1"),
    # Flat 〜ない and flat adjectives before a particle or です: the pitch falls before い (NHK).
    *(
        Rule(
            _words("と が から ので のに けど けれど けれども の し です だ"),
            after=after,
            after_kind=kind,
            state=State.FLAT,
            classes="F2@-1",
        )
        for after, kind in ((_words("ない"), "助動詞"), (_words(""), "形容詞"))
    ),
    # 接続助詞 が after a flat predicate: the pitch falls before it (NHK).
    Rule(_words("が"), kind="助詞:接続助詞", state=State.FLAT, classes="F2@0"),
    # 億円, 兆円: the kernel is the number's (NHK).
    Rule(_words("円"), kind="名詞:接尾:助数詞", after=_words("億 兆"), classes="F4@-1"),
    # A count that is said without a particle after it is an adverb, and flat (NHK): 四回、.
    Rule(_words("回"), kind="名詞:接尾:助数詞", before_kind=("記号", "動詞"), classes="F5"),
    # というN: one phrase with a flat word, its own after an accented one (OBS).
    Rule(
        _words("いう 言う"),
        kind="動詞",
        form="基本形",
        after=_words("と"),
        state=State.FLAT,
        begins=False,
        classes="F1",
    ),
    # Nを+する: する begins a phrase, unlike in N+する (OBS).
    Rule(_words("する"), kind="動詞:自立", after=_words("を"), begins=True),
    # 〜のこと: こと keeps its accent after a flat word too (OBS).
    Rule(_words("こと 事"), kind="名詞", after_kind="助詞:連体化", begins=True, accent=2),
    # Nするべき, and Nしましょう after an accented noun: する begins a phrase (OBS).
    Rule(_words("する"), kind="動詞", after_kind="名詞", before=_words("べし"), begins=True),
    Rule(
        _words("する"),
        kind="動詞",
        after_kind="名詞",
        before=_words("ます"),
        before_form="未然ウ",
        state=State.ACCENTED,
        begins=True,
    ),
    # 〜なくなる is one phrase, unlike other verbs after 〜く (OBS).
    Rule(_words("なる"), kind="動詞", after=_words("なく"), begins=False),
    # 二大N, 四大N: one compound with the number (NHK).
    Rule(_words("大"), kind="接頭詞", after_kind="名詞:数", begins=False),
    # 〜分 makes a compound flat (NHK).
    Rule(_words("分"), kind="名詞:接尾", after_kind="名詞", classes="C4"),
    # 一つだけ: だけ takes the kernel of a number in 〜つ (OBS).
    Rule(_words("だけ"), kind="助詞", after=_words(_THINGS), classes="F4@2"),
    Rule(_words("です"), form="未然", state=State.ACCENTED, begins=True, accent=2),
)


def by_word(rules: Iterable[Rule]) -> dict[str, tuple[Rule, ...]]:
    """The rules of each dictionary form, in the table's order."""
    table: dict[str, tuple[Rule, ...]] = {}
    for rule in rules:
        for word in rule.words:
            table[word] = (*table.get(word, ()), rule)
    return table
