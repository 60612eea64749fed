"""The kana notation of VOICEVOX, as of AquesTalk: / between phrases, ' after the accented mora (spec http-api 2.6)."""

from __future__ import annotations

from sokuon.server.voicevox.models import AccentPhrase, Mora
from sokuon.text.morae import split_morae
from sokuon.text.tables import MORAE, VOWELS

_LONGEST = 300


class KanaError(ValueError):
    """A text is not in the notation: `name` and `arguments` as the API gives them."""

    def __init__(self, message: str, name: str, **arguments: str) -> None:
        super().__init__(message)
        self.name, self.arguments = name, arguments


def parse(text: str) -> list[AccentPhrase]:
    """Phrases of a text in kana notation. Raises KanaError."""
    if not text:
        raise KanaError("a phrase is empty", "EMPTY_PHRASE", position="1")
    phrases: list[AccentPhrase] = []
    begin = 0
    for place in range(len(text) + 1):
        letter = text[place] if place < len(text) else ""
        if letter not in ("/", "、", ""):
            continue
        phrases.append(_phrase(text[begin:place], len(phrases) + 1, letter == "、"))
        begin = place + 1
    return phrases


def _phrase(text: str, position: int, pause: bool) -> AccentPhrase:
    if not text:
        raise KanaError("a phrase is empty", "EMPTY_PHRASE", position=str(position))
    asks = text.endswith("？")
    text = text.removesuffix("？")
    if "？" in text:
        raise KanaError("a question mark stands inside a phrase", "INTERROGATION_MARK_NOT_AT_END", text=text)
    morae, accent, devoiced = list[Mora](), None, False
    for piece in split_morae(text):
        if len(morae) > _LONGEST:
            raise KanaError("a phrase has no end", "INFINITE_LOOP", text=text)
        if piece == "'":
            if not morae:
                raise KanaError("a phrase begins with an accent", "ACCENT_TOP", text=text)
            if accent is not None:
                raise KanaError("a phrase has two accents", "ACCENT_TWICE", text=text)
            accent = len(morae)
        elif piece == "_" and not devoiced:
            devoiced = True
        else:
            morae.append(_mora(piece, devoiced, morae[-1].vowel if morae else "", text))
            devoiced = False
    if accent is None:
        raise KanaError("a phrase has no accent", "ACCENT_NOTFOUND", text=text)
    silence = Mora(text="、", vowel="pau", vowel_length=0.0, pitch=0.0) if pause else None
    return AccentPhrase(moras=morae, accent=accent, pause_mora=silence, is_interrogative=asks)


def _mora(kana: str, devoiced: bool, before: str, text: str) -> Mora:
    phones = (before.lower(),) if kana == "ー" and before else MORAE.get(kana, ())
    if not phones or len(phones) > 2:
        raise KanaError("something is no mora", "UNKNOWN_TEXT", text=text)
    vowel = {"q": "cl"}.get(phones[-1], phones[-1])
    return Mora(
        text=kana,
        consonant=phones[0] if len(phones) > 1 else None,
        consonant_length=0.0 if len(phones) > 1 else None,
        vowel=vowel.upper() if devoiced and vowel in VOWELS else vowel,
        vowel_length=0.0,
        pitch=0.0,
    )
