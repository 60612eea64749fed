"""What the server may be told, in one frozen value: defaults, TOML file, SOKUON_… variables, options, the last wins."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sokuon.errors import OptionError
from sokuon.storage.toml import read_toml

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


@dataclass(frozen=True)
class Settings:
    """Settings of `sokuon serve`. Raises OptionError for a value that cannot be."""

    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback should have a key."""
    port: int = 50021
    """VOICEVOX's port: its clients find it unasked."""
    api_key: str | None = None
    """Asked of every request where it is set, but for /health and the lists of voices."""
    threads: int | None = None
    """Processors to use; None: all that this process may use."""
    memory: int | None = None
    """Bytes of weights of loaded voices to stay under by unloading the least recently used; None: no bound.

    The BERT, which all share and which is mapped, the work of requests, and what the studio compares come on top.
    """
    origins: tuple[str, ...] = ()
    """Browser origins let in beside those of this machine; "*" lets all in."""
    hosts: tuple[str, ...] = ()
    """Names this server goes by beside those of loopback, where it listens on loopback only."""
    aliases: bool = True
    """Take VOICEVOX style ids below 1000, which no voice here has, as the first voice's first style."""
    places: tuple[str, ...] = ()
    """Voices to serve, as on the command line, which wins: folders, files, addresses; () is the built-in voice."""
    bert: str | None = None
    """Folder or address of the BERT of voices that come without one."""
    preload: tuple[str, ...] = ()
    """Voices to load at the start, besides the first."""
    voices: Mapping[str, str] = field(default_factory=dict)
    """OpenAI voice names (alloy, …) → voice/speaker/style."""
    wyoming_port: int | None = None
    """Port of the Wyoming protocol (Home Assistant); None: off."""
    text_characters: int = 4096
    """Longest text of one request."""
    body_bytes: int = 2 * 2**20
    """Longest request body."""
    queue: int = 32
    """Requests that may wait or run at once; more are told to come again."""
    request_s: float = 120.0
    """Seconds of computing time budget: a request that is not done by then is ended."""
    data: Path | None = None
    """Folder of presets; None: the user's data folder."""
    log_text: bool = False
    """Write the text of requests into the log (at debug level)."""

    def __post_init__(self) -> None:
        for name in ("port", "wyoming_port"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 65536:
                raise OptionError(f"{name} is {value}; a port is a number from 0 (any free one) to 65535.")
        for name in ("text_characters", "body_bytes", "queue", "request_s"):
            if not getattr(self, name) > 0 or not math.isfinite(getattr(self, name)):
                raise OptionError(f"{name} is {getattr(self, name)}; it must be more than 0.")
        if self.api_key is not None and not self.api_key.strip():
            raise OptionError("the API key is empty; leave it out, or give one.")


def byte_count(text: str) -> int:
    """ "3GB", "500 MiB" or a plain number → bytes. Raises OptionError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?)?b?\s*", text.lower())
    if match is None:
        raise OptionError(f"memory is {text!r}; write it as 3GB, 800MB or 2GiB.")
    return int(float(match[1]) * _UNITS[match[2] or ""])


def read_settings(file: Path | None, given: Mapping[str, Any]) -> Settings:
    """Settings from a TOML file, the environment, and `given` (None is not given), the later ones winning.

    Raises OptionError for unknown names and values that cannot be.
    """
    values = {**_from_file(file), **_from_environment(), **{k: v for k, v in given.items() if v not in (None, ())}}
    unknown = sorted(set(values) - {f.name for f in fields(Settings)})
    if unknown:
        raise OptionError(
            f"there is no setting {unknown[0]!r}; there are {', '.join(f.name for f in fields(Settings))}."
        )
    try:
        return Settings(**{name: _typed(name, value) for name, value in values.items()})
    except (TypeError, ValueError) as error:
        raise (
            error if isinstance(error, OptionError) else OptionError(f"a setting has a wrong value: {error}.")
        ) from error


def _from_file(file: Path | None) -> dict[str, Any]:
    return {} if file is None else read_toml(file)


def _from_environment() -> dict[str, Any]:
    names = {f"SOKUON_{f.name.upper()}": f.name for f in fields(Settings) if f.name not in ("voices", "bert")}
    return {name: os.environ[variable] for variable, name in names.items() if os.environ.get(variable)}


def _typed(name: str, value: Any) -> Any:
    """A string from the environment, or a TOML value, as the field's type."""
    if name == "memory" and isinstance(value, str):
        return byte_count(value)
    if name in ("origins", "hosts", "places", "preload"):
        return tuple(value.split(",")) if isinstance(value, str) else tuple(value)
    if name in ("port", "wyoming_port", "threads", "text_characters", "body_bytes", "queue"):
        return int(value)
    if name == "request_s":
        return float(value)
    if name in ("aliases", "log_text"):
        return value.lower() in ("1", "true", "yes", "on") if isinstance(value, str) else bool(value)
    return Path(value).expanduser() if name == "data" else value
