"""A voice at another precision than the server's, to be compared by ear. Of one voice at a time: they cost memory."""

from __future__ import annotations

import threading
from pathlib import Path

from sokuon.errors import OptionError
from sokuon.loading import Opener
from sokuon.native.library import give_memory_back
from sokuon.networks.runtime import Runtime
from sokuon.server.catalogue import Catalogue, Listed
from sokuon.speaking import LoadedVoice

OWN = "q8"  # of the BERT, where the server has the choice


def opener_of(precision: str, threads: int) -> Opener:
    """Opens voices at a precision; at fp32 flow and decoder have whole weights, too."""
    return Opener(Runtime(threads, weights="fp32" if precision == "fp32" else "q16"), precision)


class Precisions:
    """Thread-safe. Loaded are those of the voice that was asked for last, beside what the catalogue holds."""

    def __init__(self, catalogue: Catalogue, threads: int, bert: Path | None = None) -> None:
        self._catalogue, self._threads, self._bert = catalogue, threads, bert
        self._lock = threading.Lock()
        self._voice: Listed | None = None
        self._others: dict[str, LoadedVoice] = {}

    def of(self, key: str) -> dict[str, bool]:
        """Precisions a voice can be heard at, the finest first, and whether each is loaded.

        Raises UnknownVoiceError, VoiceError.
        """
        voice = self._catalogue.find(key)
        others = self._others if self._voice == voice else {}
        own = self._own(key)
        names = Opener.precisions(voice.folder, self._bert)
        return {name: self._catalogue.is_loaded(key) if name == own else name in others for name in names}

    def load(self, key: str, precision: str) -> LoadedVoice:
        """The voice at a precision, converted now if need be: up to minutes for the first time at full size.

        Raises UnknownVoiceError, VoiceError, or OptionError where it cannot be had.
        """
        voice = self._catalogue.find(key)
        if precision == self._own(key):
            return self._catalogue.load(key)
        with self._lock:
            self._keep_only(voice)
            if precision not in self._others:
                self._others[precision] = self._opened(voice, precision)
            return self._others[precision]

    def _keep_only(self, voice: Listed) -> None:
        if self._voice != voice:
            self._voice, self._others = voice, {}
            give_memory_back()

    def _opened(self, voice: Listed, precision: str) -> LoadedVoice:
        known = Opener.precisions(voice.folder, self._bert)
        if precision not in known:
            raise OptionError(
                f"voice {voice.key} cannot be heard at {precision}: its BERT is converted already, to "
                f"{', '.join(known)}; serve it with the BERT as it was published."
            )
        opener = opener_of(precision, self._threads)  # keeps the BERT no longer than the voice
        return self._catalogue.open(voice, lambda folder: opener.voice(folder, self._bert))

    def _own(self, key: str) -> str:
        """The precision at which the server speaks; it is known once the voice is loaded."""
        return self._catalogue.load(key).bert.manifest.precision
