"""Bodies of the VOICEVOX API. Unknown keys are ignored: clients add their own."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(allow_inf_nan=False, ge=0, le=10)]
Scale = Annotated[float, Field(allow_inf_nan=False, ge=0, le=100)]
StyleId = Annotated[int, Field(ge=-(2**31), lt=2**31)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Mora(_Body):
    """Lengths in seconds."""

    text: Annotated[str, Field(max_length=16)]
    consonant: Annotated[str, Field(max_length=8)] | None = None
    consonant_length: Seconds | None = None
    vowel: Annotated[str, Field(max_length=8)]
    vowel_length: Seconds
    pitch: Finite


class AccentPhrase(_Body):
    """`accent`: the pitch falls after this mora, counted from 1."""

    moras: Annotated[list[Mora], Field(max_length=5000)]
    accent: int
    pause_mora: Mora | None = None
    is_interrogative: bool = False


class AudioQuery(_Body):
    """What /audio_query gives and /synthesis takes."""

    accent_phrases: Annotated[list[AccentPhrase], Field(max_length=5000)]
    speedScale: Annotated[float, Field(allow_inf_nan=False, gt=0, le=100)]
    intonationScale: Scale
    tempoDynamicsScale: Scale = 1.0
    pitchScale: Annotated[float, Field(allow_inf_nan=False, ge=-10, le=10)]
    volumeScale: Scale
    prePhonemeLength: Seconds
    postPhonemeLength: Seconds
    pauseLength: Seconds | None = None
    pauseLengthScale: Scale = 1.0
    outputSamplingRate: Annotated[int, Field(ge=8000, le=96000)]
    outputStereo: bool
    kana: str | None = None

    @property
    def pace(self) -> float:
        """The speed at which it is spoken: `speedScale`, as far as a voice can follow it."""
        return min(max(self.speedScale, 0.1), 10.0)


class Preset(_Body):
    """Named settings of a style."""

    id: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    name: Annotated[str, Field(max_length=200)]
    speaker_uuid: Annotated[str, Field(max_length=100)]
    style_id: StyleId
    speedScale: Annotated[float, Field(allow_inf_nan=False, gt=0, le=100)]
    intonationScale: Scale
    tempoDynamicsScale: Scale = 1.0
    pitchScale: Annotated[float, Field(allow_inf_nan=False, ge=-10, le=10)]
    volumeScale: Scale
    prePhonemeLength: Seconds
    postPhonemeLength: Seconds
    pauseLength: Seconds | None = None
    pauseLengthScale: Scale = 1.0


class Word(_Body):
    """A word of the user dictionary as it is imported."""

    surface: Annotated[str, Field(max_length=200)]
    pronunciation: str | list[str]
    accent_type: int | list[int]
    priority: Annotated[int, Field(ge=0, le=10)] = 5
    part_of_speech: str = ""
    part_of_speech_detail_1: str = ""
    word_type: str | None = None
