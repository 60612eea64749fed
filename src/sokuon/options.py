"""How to speak: one frozen value with ranges and units, checked in one place, carried from the face to the graphs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from numbers import Integral, Rational, Real
from typing import TYPE_CHECKING, TypedDict

from sokuon.errors import OptionError, shown

if TYPE_CHECKING:
    from typing_extensions import Unpack

_RANGES = {
    "style_weight": (-20.0, 20.0),
    "speed": (0.1, 10.0),
    "sdp_ratio": (0.0, 1.0),
    "noise": (0.0, 2.0),
    "noise_w": (0.0, 2.0),
    "pitch": (0.25, 4.0),
    "intonation": (0.0, 4.0),
    "pause": (0.0, 60.0),
    "assist_text_weight": (0.0, 1.0),
}
_LONGEST_PHONE_S = 60.0
_MOST_ITEMS = 10_000
_LONGEST_ASSIST = 1000  # characters: it is read as one sentence
_LARGEST_SEED = 2**128 - 1


@dataclass(frozen=True)
class SynthesisOptions:
    """Everything that changes how a text sounds: who speaks, how, and what instead of the text's own reading.

    Hashable. Raises OptionError for a value out of its range.
    """

    # who
    voice: str | None = None
    """Name of a loaded voice; None is the first."""
    speaker: str | int | None = None
    """Speaker of the voice, by name or number; None is the first."""
    style: str | None = None
    """Style of the voice by name; None is its neutral style."""
    # how
    style_weight: float = 1.0
    """0 is neutral, 1 the style as recorded, more exaggerates it (-20…20)."""
    speed: float = 1.0
    """2.0 is twice as fast (0.1…10)."""
    sdp_ratio: float = 0.2
    """Share of the stochastic duration predictor: 0 is even, 1 is lively rhythm (0…1)."""
    noise: float = 0.6
    """Temperature of the sound (0…2)."""
    noise_w: float = 0.8
    """Temperature of the stochastic durations (0…2)."""
    pitch: float = 1.0
    """Factor on the mean pitch, by WORLD (0.25…4). Needs the extra `sokuon[pitch]` unless 1."""
    intonation: float = 1.0
    """Factor on the pitch's movement around its mean, by WORLD (0…4). Needs `sokuon[pitch]` unless 1."""
    pause: float | None = None
    """Seconds of silence between sentences (0…60); None predicts each from the voice."""
    seed: int | None = 0
    """The same seed gives the same samples; None draws a new one for each call."""
    normalize: bool = False
    """Scale the loudest sample to full scale (`speak` only)."""
    assist_text: str | None = None
    """A text whose mood colours the speech: its mean BERT feature is mixed into those of what is spoken."""
    assist_text_weight: float = 1.0
    """Share of the assist text's mean feature (0…1)."""
    # what
    phonemes: Sequence[str] | None = None
    """Phonemes to speak instead of the text's own, outer "_" included; with `tones`, and one sentence of text."""
    tones: Sequence[int] | None = None
    """A level, 0 or 1, for each phoneme; the text must be one sentence."""
    durations: Sequence[float | None] | None = None
    """Seconds that each phoneme lasts (0…60), whatever `speed` is; a None is as the voice has it; one sentence."""

    def __post_init__(self) -> None:
        for name in ("voice", "style", "assist_text"):
            if not isinstance(getattr(self, name), str | None):
                raise OptionError(f"{name} is {shown(getattr(self, name))}; it must be a text.")
        if len(self.assist_text or "") > _LONGEST_ASSIST:
            raise OptionError(f"assist_text is {shown(self.assist_text)}; {_LONGEST_ASSIST} characters are the most.")
        for name in ("phonemes", "tones", "durations"):
            object.__setattr__(self, name, _items(name, getattr(self, name)))
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name == "pause":
                continue
            if not _is_number(value):
                raise OptionError(f"{name} is {shown(value)}; it must be a number from {low:g} to {high:g}.")
            if not low <= value <= high:
                value_shown = shown(value).removesuffix(".0")
                raise OptionError(f"{name} is {value_shown}; it must lie between {low:g} and {high:g}.")
            object.__setattr__(self, name, float(value))
        if not isinstance(self.normalize, bool):
            raise OptionError(f"normalize is {shown(self.normalize)}; it must be True or False.")
        if self.seed is not None and not (_is_whole(self.seed) and 0 <= self.seed <= _LARGEST_SEED):
            raise OptionError(
                f"seed is {shown(self.seed)}; it must be a whole number from 0 up, of 128 bits at most, or None."
            )
        if not (self.speaker is None or isinstance(self.speaker, str) or _is_whole(self.speaker)):
            raise OptionError(f"speaker is {shown(self.speaker)}; it must be a name or a whole number.")
        for symbol in self.phonemes or ():
            if not isinstance(symbol, str):
                raise OptionError(f"a phoneme is {shown(symbol)}; it must be a symbol that `sokuon phonemes` prints.")
        for tone in self.tones or ():
            if not _is_whole(tone):
                raise OptionError(f"a tone is {shown(tone)}; it must be 0 (low) or 1 (high).")
        for seconds in self.durations or ():
            if seconds is not None and not (_is_number(seconds) and 0 <= seconds <= _LONGEST_PHONE_S):
                raise OptionError(
                    f"a duration is {shown(seconds)}; it must be seconds from 0 to {_LONGEST_PHONE_S:g}, or None."
                )
        if self.phonemes is not None and self.tones is None:
            raise OptionError("phonemes are given without tones; give one tone, 0 or 1, for each phoneme.")

    @property
    def reshapes_pitch(self) -> bool:
        """True where WORLD has work to do."""
        return self.pitch != 1.0 or self.intonation != 1.0

    def changed(self, **changes: Unpack[OptionChanges]) -> SynthesisOptions:
        """A copy with some fields changed; unknown names raise OptionError."""
        unknown = sorted(set(changes) - set(self.__dataclass_fields__))
        if unknown:
            known = ", ".join(self.__dataclass_fields__)
            raise OptionError(f"there is no option {shown(unknown[0])}; the options are {known}.")
        return replace(self, **changes)


class OptionChanges(TypedDict, total=False):
    """The fields of SynthesisOptions as keywords, so that editors complete them and checkers check them."""

    voice: str | None
    speaker: str | int | None
    style: str | None
    style_weight: float
    speed: float
    sdp_ratio: float
    noise: float
    noise_w: float
    pitch: float
    intonation: float
    pause: float | None
    seed: int | None
    normalize: bool
    assist_text: str | None
    assist_text_weight: float
    phonemes: Sequence[str] | None
    tones: Sequence[int] | None
    durations: Sequence[float | None] | None


def written_phonemes(text: str) -> list[str]:
    """ "k o N" as phonemes; a comma, too, is one."""
    return text.replace(",", " , ").split()


def written_tones(text: str) -> list[int]:
    """ "0 1 1" or "011" as levels. Raises OptionError."""
    tones = [char for char in text if not char.isspace() and char != ","]
    if not set(tones) <= {"0", "1"}:
        raise OptionError(f"tones are {shown(text)}; give 0 or 1 for each phoneme.")
    return [int(tone) for tone in tones]


def _items(name: str, value: object) -> tuple[object, ...] | None:
    """A sequence as a tuple, so that options are values."""
    if value is None:
        return None
    try:
        items = tuple(islice(value, _MOST_ITEMS + 1))  # type: ignore[call-overload]
    except TypeError:
        raise OptionError(f"{name} is {shown(value)}; it must be a list.") from None
    if len(items) > _MOST_ITEMS:
        raise OptionError(f"{name} has more than {_MOST_ITEMS} items, more than a sentence can have.")
    return items


def _is_number(value: object) -> bool:
    """True for finite numbers, NumPy's too, not for bool; whole numbers beyond all floats are finite."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return isinstance(value, Rational) or math.isfinite(value)


def _is_whole(value: object) -> bool:
    """True for int and NumPy's integers, not for bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)
