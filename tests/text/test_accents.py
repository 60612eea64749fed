"""Each rule of `sokuon.text.accents` on a sentence of its own, against OpenJTalk's accents."""

from __future__ import annotations

import pytest

from sokuon.errors import OptionError
from sokuon.text import FrontEnd
from sokuon.text.accents.phrases import Unit, combine
from sokuon.text.morae import split_morae

_STANDARD, _OPENJTALK = FrontEnd(), FrontEnd(accents="openjtalk")

# sentence, accents as a listener expects them, OpenJTalk's: phrases apart, ＼ where the pitch falls
_CASES = [
    ("昨日見たことがある。", "キノ＼ー ミ＼タ コト＼ガ ア＼ル", "キノ＼ー ミ＼タコトガ ア＼ル"),
    ("帰ったときに話す。", "カ＼エッタ トキ＼ニ ハナ＼ス", "カ＼エッタトキニ ハナ＼ス"),
    ("食べればためになる。", "タベ＼レバ タメ＼ニ ナ＼ル", "タベ＼レバタメニ ナ＼ル"),
    ("とても強い者が勝つ。", "トテモ ツヨ＼イ モノ＼ガ カ＼ツ", "トテモ ツヨイモノガ カ＼ツ"),
    ("帰ったわけではない。", "カ＼エッタ ワ＼ケデワ ナ＼イ", "カ＼エッタワケデワナイ"),
    ("歩いたほうが早い。", "アル＼イタ ホ＼ーガ ハヤ＼イ", "アル＼イタホーガ ハヤ＼イ"),
    ("調べるべきだ。", "シラベ＼ル ベ＼キダ", "シラベ＼ルベキダ"),
    ("書いたごとく話す。", "カ＼イタ ゴ＼トク ハナ＼ス", "カ＼イタゴトク ハナ＼ス"),
    ("手伝ってもらう。", "テツダ＼ッテ モラウ", "テツダ＼ッテモラウ"),
    ("食べてくれた。", "タ＼ベテ クレタ＼", "タ＼ベテクレタ"),
    ("片付けておく。", "カタズ＼ケテ オク", "カタズ＼ケテオク"),
    ("走ってきたよ。", "ハシ＼ッテ キタ＼ヨ", "ハシ＼ッテキタヨ"),
    ("走っていった。", "ハシ＼ッテ イッタ＼", "ハシ＼ッテイッタ"),
    ("読んでください。", "ヨ＼ンデ クダサ＼イ", "ヨ＼ンデクダサイ"),
    ("歌ってください。", "ウタッテ クダサ＼イ", "ウタッテクダサ＼イ"),
    ("食べてはいけない。", "タ＼ベテワ イケナイ", "タ＼ベテワイケナイ"),
    ("急がなければならない。", "イソガ＼ナケレバ ナラ＼ナイ", "イソガ＼ナケレバナラナイ"),
    ("荷物が検査された。", "ニ＼モツガ ケ＼ンササレタ", "ニ＼モツガ ケンササレタ＼"),
    ("賞が与えられた。", "ショ＼ーガ アタエラレタ＼", "ショ＼ーガ アタエラ＼レタ"),
    ("ここは安全である。", "ココワ アンゼンデア＼ル", "ココワ アンゼンデアル"),
    ("歌っているように見える。", "ウタッテイルヨ＼ーニ ミエ＼ル", "ウタッテイル＼ヨーニ ミエ＼ル"),
    ("友達のように話す。", "トモダチノヨ＼ーニ ハナ＼ス", "トモダチノヨーニ ハナ＼ス"),
    ("歌うが踊らない。", "ウタウ＼ガ オドラナイ", "ウタウガ オドラナイ"),
    ("行かないと困る。", "イカナ＼イト コマ＼ル", "イカナイト コマ＼ル"),
    ("行かないから困る。", "イカナ＼イカラ コマ＼ル", "イカナイ＼カラ コマ＼ル"),
    ("三億円を使う。", "サンオ＼クエンヲ ツカウ", "サンオク＼エンヲ ツカウ"),
    ("週に四回、走る。", "シュ＼ーニ ヨンカイ ハシ＼ル", "シュ＼ーニ ヨンカ＼イ ハシ＼ル"),
    ("犬という動物。", "イヌ＼ト ユー ドーブツ", "イヌ＼ト イウ ドーブツ"),
    ("雨という天気。", "ア＼メト ユー テ＼ンキ", "ア＼メト イウ テ＼ンキ"),
    ("掃除をする。", "ソージヲ スル", "ソージヲスル"),
    ("あなたのことを思う。", "アナ＼タノ コト＼ヲ オモ＼ウ", "アナ＼タノコトヲ オモ＼ウ"),
    ("本を読んでいます。", "ホ＼ンヲ ヨ＼ンデ イマ＼ス", "ホ＼ンヲ ヨ＼ンデイマス"),
    ("帰ったでしょう。", "カ＼エッタ デショ＼ー", "カ＼エッタデショー"),
    ("何も食べない。", "ナニモ タベ＼ナイ", "ナ＼ニモ タベ＼ナイ"),
    ("どこにも行かない。", "ドコニモ イカナイ", "ド＼コニモ イカナイ"),
    ("何の心配もない。", "ナンノ シンパイモ ナ＼イ", "ナ＼ンノ シンパイモ ナ＼イ"),
    ("花の色が変わる。", "ハナノ イロ＼ガ カワル", "ハナ＼ノ イロ＼ガ カワル"),
    ("日本の海は広い。", "ニホンノ ウ＼ミワ ヒロ＼イ", "ニホ＼ンノ ウ＼ミワ ヒロ＼イ"),
    ("背の高い人が来る。", "セ＼ノ タカ＼イ ヒト＼ガ ク＼ル", "セ＼ノ タカ＼イ ヒトガ ク＼ル"),
    ("あの人と話す。", "アノ ヒト＼ト ハナ＼ス", "アノ ヒトト ハナ＼ス"),
    ("枝が折れそうだ。", "エダガ オレソ＼ーダ", "エダガ オ＼レソーダ"),
    ("落としてしまったので困る。", "オト＼シテ シマッタ＼ノデ コマ＼ル", "オト＼シテシマッタノデ コマ＼ル"),
    ("急がなければなりません。", "イソガ＼ナケレバ ナリマセ＼ン", "イソガ＼ナケレバナリマセン"),
    ("帰ろうじゃないか。", "カエロ＼ージャ ナ＼イカ", "カエロ＼ージャナイカ"),
    ("買わねばならない。", "カワネ＼バ ナラ＼ナイ", "カワ＼ネバナラナイ"),
    ("歌っていました。", "ウタッテ イマ＼シタ", "ウタッテイマ＼シタ"),
    ("洗ってもらいたい。", "アラッテ モライタ＼イ", "アラッテモライタ＼イ"),
    ("寒くなりました。", "サ＼ムク ナリマ＼シタ", "サム＼クナリマシタ"),
    ("楽しく歌う。", "タノ＼シク ウタウ", "タノシ＼ク ウタウ"),
    ("書いていただけませんか。", "カ＼イテ イタダケマセ＼ンカ", "カ＼イテイタダケマセンカ"),
    ("案内しましょう。", "アンナ＼イ シマショ＼ー", "アンナ＼イシマショー"),
    ("感謝するべきだ。", "カ＼ンシャ スルベ＼キダ", "カ＼ンシャスルベキダ"),
    ("見えなくなった。", "ミエ＼ナクナッタ", "ミエ＼ナク ナ＼ッタ"),
    ("二大政党が争う。", "ニダイセ＼ートーガ アラソ＼ウ", "ニ＼ ダイセ＼ートーガ アラソ＼ウ"),
    ("三人分の食事。", "サンニンブンノ ショクジ", "サンニ＼ンブンノ ショクジ"),
    ("三つだけ選ぶ。", "ミッツダケ＼ エラ＼ブ", "ミッツ＼ダケ エラ＼ブ"),
    ("学生一人一人と話す。", "ガクセー ヒトリヒト＼リト ハナ＼ス", "ガクセー ヒト＼リ ヒト＼リト ハナ＼ス"),
    ("雇用不安が広がる。", "コヨーフ＼アンガ ヒロガル", "コヨー フアンガ ヒロガル"),
    ("本を読みたい。", "ホ＼ンヲ ヨミタ＼イ", "ホ＼ンヲ ヨ＼ミタイ"),
    ("手紙を書きたかった。", "テガミヲ カキタ＼カッタ", "テガミヲ カ＼キタカッタ"),
    ("海が見たい。", "ウ＼ミガ ミタ＼イ", "ウ＼ミガ ミ＼タイ"),
    ("学校でしょう。", "ガッコーデショ＼ー", "ガッコーデ＼ショー"),
    ("姉が洗うだろう。", "アネガ アラウダロ＼ー", "アネガ アラウダ＼ロー"),
    ("姉が洗っただろう。", "アネガ アラッタダロ＼ー", "アネガ アラッタ＼ダロー"),
    ("姉は洗わないでしょう。", "アネワ アラワナ＼イデショー", "アネワ アラワナイ＼デショー"),
    ("掃除をしよう。", "ソージヲ シヨ＼ー", "ソージヲシヨ＼ー"),
    ("窓が開くそうだ。", "マ＼ドガ アクソ＼ーダ", "マ＼ドガ ヒラ＼ク ソーダ"),
    ("雪が降るそうです。", "ユキ＼ガ フ＼ルソーデス", "ユキ＼ガ フ＼ル ソーデ＼ス"),
    ("水が甘いそうだ。", "ミズガ アマイソ＼ーダ", "ミズガ アマイ ソーダ"),
    ("歌うより踊る。", "ウタウヨ＼リ オドル", "ウタウヨリ オドル"),
    ("飲むほど酔う。", "ノ＼ムホド ヨ＼ウ", "ノムホド ヨ＼ウ"),
    ("彼ほど歌う。", "カ＼レホド ウタウ", "カレホド ウタウ"),
    ("本を読んでる。", "ホ＼ンヲ ヨ＼ンデル", "ホ＼ンヲ ヨンデ＼ル"),
    ("道を歩いてた。", "ミチヲ アル＼イテタ", "ミチヲ アルイテ＼タ"),
    ("歌を歌ってた。", "ウタ＼ヲ ウタッテタ＼", "ウタ＼ヲ ウタッテ＼タ"),
    ("水を飲んじゃった。", "ミズヲ ノ＼ンジャッタ", "ミズヲ ノンジャ＼ッタ"),
    ("鞄を置いとく。", "カバンヲ オイトク", "カバンヲ オイト＼ク"),
    ("子供っぽい。", "コドモッポ＼イ", "コドモッポイ"),
    ("本を読み続ける。", "ホ＼ンヲ ヨミツズケ＼ル", "ホ＼ンヲ ヨミツズケル"),
    ("歌い続けた。", "ウタイツズ＼ケタ", "ウタイツズケタ＼"),
    ("本を読み始める。", "ホ＼ンヲ ヨミハジメ＼ル", "ホ＼ンヲ ヨミハジメル"),
    ("飯を食べ終わる。", "メシ＼ヲ タベオワ＼ル", "メシ＼ヲ タベオワル"),
    ("飯を食べ終えた。", "メシ＼ヲ タベオ＼エタ", "メシ＼ヲ タベオエタ＼"),
    ("道が暗いから困る。", "ミチガ クラ＼イカラ コマ＼ル", "ミチガ クライ＼カラ コマ＼ル"),
    ("道が暗いです。", "ミチガ クラ＼イデス", "ミチガ クライ＼デス"),
    ("味が甘いが食べる。", "アジガ アマ＼イガ タベ＼ル", "アジガ アマイガ タベ＼ル"),
]


def accents(front_end: FrontEnd, text: str) -> str:
    """Phrases of the text, apart by spaces, with ＼ after the mora where the pitch falls."""
    phrases: list[tuple[int, str]] = []
    for sentence in front_end.sentences(text):
        for word in sentence.words:
            if word.reading in ",.?!":
                continue
            if word.starts_phrase or not phrases:
                phrases.append((word.accent, word.reading))
            else:
                phrases[-1] = (phrases[-1][0], phrases[-1][1] + word.reading)
    return " ".join(_marked(*phrase) for phrase in phrases)


def _marked(accent: int, reading: str) -> str:
    morae = split_morae(reading)
    return "".join(morae[:accent]) + ("＼" if accent else "") + "".join(morae[accent:])


@pytest.mark.parametrize(("text", "standard", "openjtalk"), _CASES, ids=[case[0] for case in _CASES])
def test_rule(text: str, standard: str, openjtalk: str) -> None:
    assert (accents(_STANDARD, text), accents(_OPENJTALK, text)) == (standard, openjtalk)


@pytest.mark.parametrize(
    "text",
    [
        "これは何ですか。",
        "何もかも食べた。",
        "箸と橋と端。",
        "東京都知事が話す。",
        "歌って踊る。",
        "学校に行く。",
        "次の駅。",
        "二つの駅。",
        "コーヒーの缶。",
        "本の表紙。",
        "人が歩く。",
        "苦労します。",
        "座っていただけだ。",
        "味気なく思う。",
        "男だろう。",
        "白いから目立つ。",
        "それはそうだ。",
        "桜ほど。",
    ],
)
def test_what_no_rule_names_stays_as_openjtalk_has_it(text: str) -> None:
    assert accents(_STANDARD, text) == accents(_OPENJTALK, text)


def test_a_forced_accent_stays() -> None:
    assert accents(_STANDARD, "{橋|ハシ|1}を見たことがある。") == "ハ＼シヲ ミ＼タ コト＼ガ ア＼ル"


def test_a_comma_is_no_digit() -> None:
    """With the full-width comma that the dictionary knows as a digit, 人 after it is read as a counter."""
    words = [word.reading for sentence in _STANDARD.sentences("見ようと、人が並ぶ。") for word in sentence.words]
    assert words == ["ミヨ", "ー", "ト", ",", "ヒト", "ガ", "ナラブ", "."]


def test_foreign_morae_are_one_mora() -> None:
    (standard,), (openjtalk,) = (tuple(f.sentences("フューとデェ")) for f in (_STANDARD, _OPENJTALK))
    assert standard.phonemes.symbols == ("_", *["hy", "u", "u", "t", "o", "dy", "e"], "_")
    assert openjtalk.phonemes.symbols == ("_", *["f", "u", "y", "u", "u", "t", "o", "d", "e", "e"], "_")


def test_unknown_accents_are_refused() -> None:
    with pytest.raises(OptionError, match="accents is 'tokyo': it must be one of standard, openjtalk"):
        FrontEnd(accents="tokyo")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "accent"),
    [
        ("F1", 2), ("F2@1", 2), ("F3@1", 4), ("F4@1", 4), ("F5", 0), ("F6@1,2", 5), ("C1", 4), ("C2", 4), ("C3", 3),
        ("C4", 0), ("C5", 2), ("P1", 4), ("P2", 4), ("P6", 0), ("P14", 4), ("動詞%F4@0/名詞%F4@1", 4), ("*", 2),
    ],
)  # fmt: skip
def test_classes(rule: str, accent: int) -> None:
    """A noun of three morae with its kernel on the second, and a word of two with its own on the first."""
    noun, after = ({"mora_size": n, "pos": "名詞"} for n in (3, 2))
    assert combine([Unit(noun, 2, True, "C1"), Unit(after, 1, False, rule)]) == accent


@pytest.mark.parametrize("front_end", [_STANDARD, _OPENJTALK])
def test_no_text_breaks_the_rules(front_end: FrontEnd) -> None:
    for text in (
        "",
        "、、、",
        "ないないない",
        "て",
        "ことこと",
        "何も",
        "何のも",
        "ー、人",
        "億円",
        "。" * 50,
        "は" * 100,
    ):
        front_end.phonemize(text)
