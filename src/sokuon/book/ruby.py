"""Readings printed beside the text: ruby as Aozora Bunko and web novels write it, as the engine's markup."""

from __future__ import annotations

import re

from sokuon.text.kana import is_pronunciation, to_katakana

_LONGEST = (60, 100)  # characters of surface and reading that the markup takes
_KANJI = "一-鿿㐀-䶿豈-﫿々〆〇仝ヶ〓\U00020000-\U0003ffff"
_RUN = f"[{_KANJI}]{{1,60}}|[ァ-ヴーヽヾ]{{1,60}}|[A-Za-zＡ-Ｚａ-ｚÀ-ɏΑ-ωА-я0-9０-９'’-]{{1,60}}"
_RUBY = re.compile(rf"(?:[｜|](?P<marked>[^｜|《》{{}}\n]{{1,60}})|(?P<run>{_RUN}))《(?P<reading>[^《》\n]{{1,100}})》")
_EMPHASIS = re.compile("《《([^《》\n]+)》》")


def with_ruby(text: str) -> str:
    """漢字《かんじ》 and ｜漢字かな《かんじかな》 as {…|…}; 《《…》》 is emphasis, another 《…》 stays a bracket."""
    return _RUBY.sub(_marked, _EMPHASIS.sub(r"\1", text))


def with_reading(base: str, reading: str) -> str:
    """{base|reading}, or `base` alone where the ruby is no reading: emphasis dots, a translation."""
    kana = to_katakana(re.sub(r"[\s・]", "", reading))
    possible = is_pronunciation(kana) and re.search(r"[{}|\n「」『』]", base) is None
    if not (possible and 0 < len(base) <= _LONGEST[0] and len(kana) <= _LONGEST[1]):
        return base
    return f"{{{base}|{kana}}}"


def _marked(match: re.Match[str]) -> str:
    return with_reading(match["marked"] or match["run"], match["reading"])
