"""TOML files that people write."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sokuon.errors import OptionError

_MOST_BYTES = 4_000_000


def read_toml(file: Path) -> dict[str, Any]:
    """What a TOML file in UTF-8 holds. Raises OptionError."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES} bytes")
        values: dict[str, Any] = tomllib.loads(text.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise OptionError(f"{file} cannot be read as TOML ({error}); check the file.") from error
    return values
