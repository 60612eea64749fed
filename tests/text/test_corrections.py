"""Set phrases whose digits or kanji are read otherwise than counters are."""

from __future__ import annotations

import pytest
from readings import sounds

from sokuon.text import FrontEnd
from sokuon.text.morae import word_phones

_FRONT_END = FrontEnd()
READINGS = {
    "50音順": "ゴジュウオンジュン",
    "50音順に並べる": "ゴジュウオンジュンニナラベル",
    "５０音図": "ゴジュウオンズ",
    "五十音順": "ゴジュウオンジュン",
    "五十音": "ゴジュウオン",
    "23区": "ニジュウサンク",
    "3日坊主": "ミッカボウズ",
    "一人一人": "ヒトリヒトリ",
    "1人1人": "ヒトリヒトリ",
    "二十歳": "ハタチ",
    "2人3脚": "ニニンサンキャク",
    "1石2鳥": "イッセキニチョウ",
    "10人10色": "ジュウニントイロ",
    "10年1昔": "ジュウネンヒトムカシ",
    "4捨5入": "シシャゴニュウ",
    "1000羽鶴": "センバズル",
    "12支": "ジュウニシ",
    "4天王": "シテンノウ",
    "7福神": "シチフクジン",
    "赤穂47士": "アコウシジュウシチシ",
    "1番星": "イチバンボシ",
    "1年中": "イチネンジュウ",
    "1晩中": "ヒトバンジュウ",
    "1昼夜": "イッチュウヤ",
    "1休み": "ヒトヤスミ",
    "1目惚れ": "ヒトメボレ",
    "2枚舌": "ニマイジタ",
    "2刀流": "ニトウリュウ",
    "2股": "フタマタ",
    "3つ星": "ミツボシ",
    "4つ葉": "ヨツバ",
    "4畳半": "ヨジョウハン",
    "7味唐辛子": "シチミトウガラシ",
    "四字熟語": "ヨジジュクゴ",
    "五七五": "ゴシチゴ",
    "五七五七七": "ゴシチゴシチシチ",
    "二十四節気": "ニジュウシセッキ",
    "七十二候": "シチジュウニコウ",
    "三三七拍子": "サンサンナナビョウシ",
    "二人暮らし": "フタリグラシ",
    "四十肩": "シジュウカタ",
    "6つ子": "ムツゴ",
    "五つ星": "イツツボシ",
    "七三分け": "シチサンワケ",
    "百八つ": "ヒャクヤッツ",
    "六畳一間": "ロクジョウヒトマ",
    "一本道": "イッポンミチ",
    "1本道": "イッポンミチ",
}
NO_PHRASES = {  # the same characters inside something else
    "150音": "ヒャクゴジュウオト",
    "11年中": "ジュウイチネンチュウ",
    "第12支店": "ダイジュウニシテン",
    "1.50音": "イッテンゴーゼロオト",
    "A,重複": "エーチョウフク",
    "一本道路": "イッポンドウロ",
}


@pytest.mark.parametrize(("text", "reading"), (READINGS | NO_PHRASES).items())
def test_set_phrase(text: str, reading: str) -> None:
    spoken = [symbol for sentence in _FRONT_END.sentences(text) for symbol in sentence.phonemes.symbols]
    assert sounds(spoken) == sounds(phone for word in word_phones([reading]) for phone in word)
