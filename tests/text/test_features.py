"""Features of words come back as they were, from less room, and MeCab's own eyes see what they look for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sokuon.text.openjtalk.features import PACKED, Features

ROWS = [
    ("ウミホオズキ", "名詞,一般,*,*,*,*,ウミホオズキ,ウミホオズキ,ウミホーズキ,3/6,C1"),
    ("あおり立てりゃ", "動詞,自立,*,*,一段,仮定縮約１,あおり立てる,アオリタテリャ,アオリタテリャ,5/6,C1"),
    ("山路", "名詞,固有名詞,人名,姓,*,*,山路,ヤマジ,ヤマジ,1/3,C1"),
    ("来い", "動詞,自立,*,*,カ変・来ル,命令ｉ,来る,コイ,コイ,1/2,*"),
    ("入れ物", "名詞,一般,*,*,*,*,入物,イレモノ:アト,イレモノ:アト,0/4:1/2,C1"),
    ("長" * 200, f"名詞,一般,*,*,*,*,{'長' * 199}い,ナガイ,ナガイ,2/3,C1"),
    ("言う", "動詞,自立,*,*,五段・ワ行促音便,基本形,言う,イウ,イウ’,0/2,*"),
]
STAYING = [
    ("三", "名詞,数,*,*,*,*,三,サン,サン,0/2,C3"),  # MeCab looks for numerals
    ("　", "記号,空白,*,*,*,*,　,、,、,*/*,*"),  # the binding for spaces
    ("Ａ", "名詞,一般,*,*,*,*,Ａ,A,A,1/1,C1"),  # no kana: ASCII would come back as kana
    ("ＡＢＣ", "名詞,一般,*,*,*,*,ABC,エービーシー,エービーシー,5/6,C1"),  # nor this
    ("何か", "フィラー,*,*,*,*,*,*"),  # an unknown word's has fewer fields
]


@pytest.fixture(scope="module")
def features() -> Features:
    return Features.of(feature for _, feature in ROWS + STAYING)


@pytest.mark.parametrize(("word", "feature"), ROWS)
def test_comes_back_from_less_room(features: Features, word: str, feature: str) -> None:
    packed = features.pack(word, feature)
    assert packed.startswith(PACKED)
    assert "," not in packed
    assert "\0" not in packed
    assert len(packed.encode()) < len(feature.encode()) / 2 or word not in feature
    assert features.unpack(word, packed) == feature
    assert features.unpack_morpheme(f"{word},{packed}") == f"{word},{feature}"


@pytest.mark.parametrize(("word", "feature"), STAYING)
def test_stays_as_it_is(features: Features, word: str, feature: str) -> None:
    assert features.pack(word, feature) == feature
    assert features.unpack(word, feature) == feature
    assert features.unpack_morpheme(f"{word},{feature}") == f"{word},{feature}"


def test_what_recurs_lies_beside_the_dictionary(features: Features, tmp_path: Path) -> None:
    features.save(tmp_path)
    again = Features.load(tmp_path)
    for word, feature in ROWS:
        assert again.unpack(word, features.pack(word, feature)) == feature
