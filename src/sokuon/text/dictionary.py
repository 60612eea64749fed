"""The user dictionary: words whose reading and accent the user decides."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class UserDictionary:
    """Surface -> reading. Grows with the rest of this module."""

    words: dict[str, str] = field(default_factory=dict)
