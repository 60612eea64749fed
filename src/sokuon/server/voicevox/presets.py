"""Presets: named settings of a style, kept in a JSON file. Thread-safe."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from pydantic import TypeAdapter

from sokuon.errors import SokuonError
from sokuon.server.errors import RequestError
from sokuon.server.voicevox.models import Preset
from sokuon.storage.files import write_atomically

_LIST = TypeAdapter(list[Preset])
_MOST = 1000


class Presets:
    """The presets of a file, which need not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def all(self) -> list[Preset]:
        """In the order they were added. Raises SokuonError for a damaged file."""
        try:
            return _LIST.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise SokuonError(f"{self._path.name} cannot be read; correct it or delete it.") from error

    def find(self, number: int) -> Preset:
        """Raises RequestError (422)."""
        for preset in self.all():
            if preset.id == number:
                return preset
        raise RequestError(422, f"There is no preset {number}.")

    def add(self, preset: Preset) -> int:
        """Its id: the one it has, or the next where that is taken or negative."""
        with self._lock:
            known = self.all()
            if len(known) >= _MOST:
                raise RequestError(422, f"There are {_MOST} presets; delete some.")
            taken = {other.id for other in known}
            number = preset.id if preset.id >= 0 and preset.id not in taken else max(taken, default=-1) + 1
            self._save([*known, preset.model_copy(update={"id": number})])
            return number

    def update(self, preset: Preset) -> int:
        """Replace the preset of the same id. Raises RequestError (422)."""
        with self._lock:
            self.find(preset.id)
            self._save([preset if other.id == preset.id else other for other in self.all()])
            return preset.id

    def delete(self, number: int) -> None:
        """Raises RequestError (422)."""
        with self._lock:
            self.find(number)
            self._save([other for other in self.all() if other.id != number])

    def _save(self, presets: list[Preset]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        values = [preset.model_dump() for preset in presets]
        write_atomically(self._path, json.dumps(values, ensure_ascii=False, indent=1).encode())
