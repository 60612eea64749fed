"""Who speaks what: a cast file in TOML with tables [narration], [dialogue] and [names.NAME], all of them optional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sokuon.errors import OptionError, shown
from sokuon.options import SynthesisOptions
from sokuon.storage.toml import read_toml

_TABLES = ("narration", "dialogue", "names")
_PLACES = ("voice", "model", "bert")
_CHANGES = (
    "speaker",
    "style",
    "style_weight",
    "speed",
    "sdp_ratio",
    "noise",
    "noise_w",
    "pitch",
    "intonation",
    "pause",
)


@dataclass(frozen=True)
class Manner:
    """How one part is spoken: by another voice (a place, as `--voice` takes it), and with other options."""

    voice: str | None = None
    model: str | None = None
    bert: str | None = None
    changes: tuple[tuple[str, Any], ...] = ()

    def options(self, usual: SynthesisOptions, voice: str | None) -> SynthesisOptions:
        """The usual options with those of this part; `voice` is the name its voice was loaded under."""
        return usual.changed(voice=voice, **dict(self.changes))


@dataclass(frozen=True)
class Cast:
    """Manners of the narrator, of 「…」, and of 「…」 after a name."""

    narration: Manner = Manner()
    dialogue: Manner | None = None
    names: Mapping[str, Manner] = field(default_factory=dict)

    @property
    def manners(self) -> tuple[Manner, ...]:
        """All of them, the narrator's first."""
        return tuple(dict.fromkeys((self.narration, self.dialogue or self.narration, *self.names.values())))


def read_cast(file: Path) -> Cast:
    """The cast of a TOML file; voices in it are relative to it. Raises OptionError."""
    tables = read_toml(file)
    _check_keys(tables, _TABLES, f"{file} has a table")
    names = tables.get("names", {})
    if not isinstance(names, dict):
        raise OptionError(f'{file}: names is {shown(names)}; it must be tables such as [names."太郎"].')
    dialogue = tables.get("dialogue")
    return Cast(
        _manner(tables.get("narration", {}), "narration", file),
        None if dialogue is None else _manner(dialogue, "dialogue", file),
        {name: _manner(values, f"names.{name}", file) for name, values in names.items()},
    )


def _manner(values: Any, table: str, file: Path) -> Manner:
    where = f"{file}, [{table}]"
    if not isinstance(values, dict):
        raise OptionError(f"{where}: {shown(values)} is no table; write [{table}] and settings under it.")
    _check_keys(values, (*_PLACES, *_CHANGES), f"{where} has a setting")
    for name in _PLACES:
        if not isinstance(values.get(name, ""), str):
            raise OptionError(f"{where}: {name} is {shown(values[name])}; it must be a text.")
    changes = {name: value for name, value in values.items() if name in _CHANGES}
    try:
        SynthesisOptions().changed(**changes)
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from error
    voice, bert = (_beside(values.get(name), file) for name in ("voice", "bert"))
    return Manner(voice, values.get("model"), bert, tuple(sorted(changes.items())))


def _beside(place: str | None, file: Path) -> str | None:
    """A path of a cast file as seen from here; addresses and absolute paths stay."""
    return place if place is None or "://" in place else str(file.parent / Path(place).expanduser())


def _check_keys(values: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    for name in values:
        if name not in known:
            raise OptionError(f"{what} {shown(name)}; there are {', '.join(known)}.")
