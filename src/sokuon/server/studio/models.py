"""Bodies of the studio's routes. Unlike the other APIs', they are ours: an unknown key is an error."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sokuon.options import OptionChanges, SynthesisOptions
from sokuon.server.errors import RequestError
from sokuon.server.voicevox.moras import phones_of

MOST_CHARACTERS = 200_000  # of a text that is only cut into sentences; the body's bound holds, too
Seconds = Annotated[float, Field(allow_inf_nan=False, ge=0, le=10)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Texts(_Body):
    """Parts of a story, each of which begins a sentence."""

    texts: Annotated[list[Annotated[str, Field(max_length=MOST_CHARACTERS)]], Field(max_length=20_000)]


class GivenMora(_Body):
    """Katakana or a punctuation mark, 1 for high, and seconds of each of its phones where they are given."""

    text: Annotated[str, Field(min_length=1, max_length=8)]
    tone: Annotated[int, Field(ge=0, le=1)]
    seconds: Annotated[list[Seconds], Field(max_length=3)] | None = None


class GivenPhrase(_Body):
    """An accent phrase."""

    moras: Annotated[list[GivenMora], Field(min_length=1, max_length=500)]


class Line(_Body):
    """One sentence as it is to be spoken."""

    text: Annotated[str, Field(max_length=2000)]
    voice: str = Field("", description="voice/speaker/style; empty: the first.", max_length=500)
    phrases: Annotated[list[GivenPhrase], Field(max_length=500)] | None = Field(
        None, description="Spoken instead of what the text would give."
    )
    pause: Annotated[float, Field(allow_inf_nan=False, ge=0, le=60)] | None = Field(
        None, description="Seconds of silence after it; null: as the voice would pause before `next`."
    )
    next: Annotated[str, Field(max_length=2000)] | None = None
    style_weight: Annotated[float, Field(allow_inf_nan=False, ge=-20, le=20)] = 1.0
    speed: Annotated[float, Field(allow_inf_nan=False, ge=0.25, le=4)] = 1.0
    sdp_ratio: Annotated[float, Field(allow_inf_nan=False, ge=0, le=1)] = 0.2
    noise: Annotated[float, Field(allow_inf_nan=False, ge=0, le=2)] = 0.6
    noise_w: Annotated[float, Field(allow_inf_nan=False, ge=0, le=2)] = 0.8
    pitch: Annotated[float, Field(allow_inf_nan=False, ge=0.5, le=2)] = 1.0
    intonation: Annotated[float, Field(allow_inf_nan=False, ge=0, le=4)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    precision: Literal["fp32", "q8", "q4"] | None = Field(
        None, description="Of the voice's weights, to compare by ear; /studio/about lists them; null: the server's."
    )

    def options(self) -> SynthesisOptions:
        """The engine's options. Raises RequestError for a mora that cannot be spoken."""
        own = SynthesisOptions(
            style_weight=self.style_weight, speed=self.speed, sdp_ratio=self.sdp_ratio, noise=self.noise,
            noise_w=self.noise_w, pitch=self.pitch, intonation=self.intonation, seed=self.seed,
        )  # fmt: skip
        return own if self.phrases is None else own.changed(**_given(self.phrases))


class File(_Body):
    """Lines as one sound file."""

    lines: Annotated[list[Line], Field(min_length=1, max_length=5000)]
    format: Literal["wav", "flac", "mp3", "opus"] = "wav"


def _given(phrases: list[GivenPhrase]) -> OptionChanges:
    symbols, tones = ["_"], [0]
    seconds: list[float | None] = [None]
    for mora in (mora for phrase in phrases for mora in phrase.moras):
        phones = phones_of(mora.text, "", symbols[-1])
        if not phones:
            raise RequestError(422, f"{mora.text!r} is no mora; a reading is written in katakana.", "phrases")
        if mora.seconds is not None and len(mora.seconds) != len(phones):
            raise RequestError(422, f"{mora.text!r} has {len(phones)} phones, and {len(mora.seconds)} lengths.")
        symbols += phones
        tones += [mora.tone] * len(phones)
        seconds += mora.seconds or [None] * len(phones)
    return OptionChanges(phonemes=(*symbols, "_"), tones=(*tones, 0), durations=(*seconds, None))
