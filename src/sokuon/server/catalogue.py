"""Which voices there are, by every name a client may use, and which of them are loaded.

Folders are listed at once and loaded on first use; beyond a memory bound the least recently used voice goes. Request
text never becomes part of a path: voices are found by the names of a scan.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sokuon.errors import OptionError, SokuonError
from sokuon.formats.about import About, SpeakerAbout, read_about
from sokuon.native.library import give_memory_back
from sokuon.speaking import LoadedVoice
from sokuon.voices.builtin import BUILTIN
from sokuon.voices.listing import VoiceSummary, summaries

_NAMESPACE = uuid.UUID("0c4b2f0e-7d3c-5c0e-9a55-5ab0e0a75e11")  # ours; never change it: saved style ids follow from it
_NOT_ITS_OWN = (".onnx", ".lock", ".tmp")
MOST_STYLES = 32  # of a speaker, by the layout of a style id
_log = logging.getLogger("sokuon.server")


@dataclass(frozen=True)
class Style:
    """A style of a speaker; `id` is its VOICEVOX style id."""

    name: str
    id: int


@dataclass(frozen=True)
class Speaker:
    """A speaker of a voice: `number` in the voice's table, `title` what lists show."""

    name: str
    number: int
    title: str
    uuid: str
    styles: tuple[Style, ...]


@dataclass(frozen=True)
class Listed:
    """A voice that can be loaded: `key` is its name in requests, `stamp` changes when its files do."""

    key: str
    uuid: str
    folder: Path
    speakers: tuple[Speaker, ...]
    sample_rate: int
    licence: str | None
    megabytes: float
    stamp: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Choice:
    """A voice, one of its speakers, one of the speaker's styles."""

    voice: Listed
    speaker: Speaker
    style: Style

    @property
    def name(self) -> str:
        """voice/speaker/style."""
        return f"{self.voice.key}/{self.speaker.name}/{self.style.name}"


class UnknownVoiceError(OptionError):
    """No voice, speaker or style goes by that name or number."""


class Catalogue:
    """Thread-safe. `folders` hold voices or are voices; none: the built-in one."""

    def __init__(
        self, folders: Sequence[Path], opener: Callable[[Path], LoadedVoice], memory: int | None = None
    ) -> None:
        self._folders, self._opener, self._memory = tuple(folders), opener, memory
        self._loaded: OrderedDict[str, tuple[Listed, LoadedVoice]] = OrderedDict()
        self._lock = threading.Lock()  # of the tables
        self._loading = threading.Lock()  # one voice is loaded at a time: two at once would only be slower
        self._listed: dict[str, Listed] = {}
        self.refresh()

    @property
    def voices(self) -> tuple[Listed, ...]:
        """All of them, in order."""
        return tuple(self._listed.values())

    @property
    def choices(self) -> list[Choice]:
        """Every style of every speaker of every voice, in order."""
        return [Choice(v, s, style) for v in self.voices for s in v.speakers for style in s.styles]

    @property
    def default(self) -> Choice:
        """The first voice's first speaker in the first style."""
        return self.choices[0]

    def refresh(self) -> None:
        """Look at the folders again; only voices whose files changed or went are unloaded.

        Raises VoiceNotFoundError where no voice is left; what was listed stays then.
        """
        listed = _list(self._folders)
        with self._lock:
            self._listed = listed
            stale = [key for key, (voice, _) in self._loaded.items() if listed.get(key) != voice]
            for key in stale:
                del self._loaded[key]

    def find(self, key: str) -> Listed:
        """The voice of that name, loaded or not. Raises UnknownVoiceError."""
        voice = self._listed.get(key)
        if voice is None:
            raise UnknownVoiceError(f"no voice is called {key!r}.")
        return voice

    def by_style_id(self, number: int) -> Choice:
        """Raises UnknownVoiceError."""
        for choice in self.choices:
            if choice.style.id == number:
                return choice
        raise UnknownVoiceError(f"no style has the id {number}; GET /speakers lists them.")

    def by_name(self, name: str) -> Choice:
        """voice, voice/style, voice/speaker or voice/speaker/style. Raises UnknownVoiceError."""
        key, *rest = name.split("/")
        for choice in self.choices:
            if choice.voice.key != key:
                continue
            wanted = {
                (): True,
                (choice.speaker.name,): True,
                (choice.style.name,): True,
                (choice.speaker.name, choice.style.name): True,
            }
            if tuple(rest) in wanted:
                return choice
        known = ", ".join(voice.key for voice in self.voices[:20])
        raise UnknownVoiceError(f"no voice is called {name!r}; there are {known}.")

    def choose(self, key: str, speaker: str | int | None, style: str | None) -> Choice:
        """By single names; None is the first. Raises UnknownVoiceError."""
        for choice in self.choices:
            fits = speaker is None or speaker in (choice.speaker.name, choice.speaker.number)
            if choice.voice.key == key and fits and style in (None, choice.style.name):
                return choice
        raise UnknownVoiceError(f"voice {key!r} has no speaker {speaker!r} with style {style!r}.")

    def is_loaded(self, key: str) -> bool:
        """Whether a request for it would start at once."""
        return key in self._loaded

    @property
    def loaded(self) -> tuple[str, ...]:
        """Keys of loaded voices, the least recently used first."""
        with self._lock:
            return tuple(self._loaded)

    def load(self, key: str) -> LoadedVoice:
        """The voice, loaded now if it is not yet: up to a second, or minutes where it must be converted first.

        Raises UnknownVoiceError, or VoiceError with the voice's name and no path.
        """
        found = self._touch(key)
        if found is not None:
            return found
        with self._loading:
            found = self._touch(key)  # while waiting
            if found is not None:
                return found
            voice = self.find(key)
            loaded = self.open(voice, self._opener)
            with self._lock:
                self._loaded[key] = voice, loaded
                evicted = self._evict()
            if evicted:
                give_memory_back()
            return loaded

    def unload(self, key: str) -> None:
        """Forget a loaded voice; what it is speaking goes on."""
        with self._lock:
            self._loaded.pop(key, None)
        give_memory_back()

    def _touch(self, key: str) -> LoadedVoice | None:
        with self._lock:
            if key not in self._loaded:
                return None
            self._loaded.move_to_end(key)
            return self._loaded[key][1]

    def open(self, voice: Listed, opener: Callable[[Path], LoadedVoice]) -> LoadedVoice:
        """What `opener` makes of a voice's folder. Raises VoiceError with the voice's name and no path."""
        try:
            return opener(voice.folder)
        except SokuonError as error:
            _log.error("voice %s cannot be loaded: %s", voice.key, error)
            raise type(error)(f"voice {voice.key} cannot be loaded; the server's log says why.") from error

    def _evict(self) -> bool:
        """The least recently used go until the rest fits; the last one stays whatever it needs. Whether one went."""
        if self._memory is None:
            return False
        before = len(self._loaded)
        while len(self._loaded) > 1 and sum(memory_of(*entry) for entry in self._loaded.values()) > self._memory:
            key, _ = self._loaded.popitem(last=False)
            _log.info("voice %s unloaded for memory", key)
        return len(self._loaded) < before


def memory_of(voice: Listed, loaded: LoadedVoice) -> float:
    """Bytes that unloading a voice gives back: its packed weights, or its files where ONNX Runtime holds them."""
    return loaded.synthesizer.weight_bytes or voice.megabytes * 1e6


def style_id(speaker_uuid: str, local: int) -> int:
    """VOICEVOX style id as AivisSpeech derives it: 26 bits of the UUID's MD5, 5 of the style (spec http-api 2.3)."""
    digest = int(hashlib.md5(speaker_uuid.lower().encode(), usedforsecurity=False).hexdigest(), 16)
    return (((digest & (2**27 - 1)) << 5) | local) & (2**31 - 1)


def _list(folders: Sequence[Path]) -> dict[str, Listed]:
    found = [s for folder in (folders or [BUILTIN / "voice"]) for s in summaries(folder) if s.problem is None]
    listed: dict[str, Listed] = {}
    for summary in found:
        voice = _listed(summary, listed)
        listed[voice.key] = voice
    _refuse_collisions(listed)
    return listed


def about(folder: Path) -> About:
    """What is known of a voice besides its sound; nothing where that cannot be read."""
    try:
        return read_about(folder)
    except SokuonError as error:
        _log.warning("%s", error)
        return About()


def _listed(summary: VoiceSummary, taken: dict[str, Listed]) -> Listed:
    key = _key(summary.name, taken)
    known = about(summary.folder)
    model = _own_or_new(known.uuid, key, {voice.uuid for voice in taken.values()})
    uuids = {speaker.uuid for voice in taken.values() for speaker in voice.speakers}
    speakers = list[Speaker]()
    for number, name in enumerate(summary.speakers):
        title = f"{key} {name}" if len(summary.speakers) > 1 else key
        one = SpeakerAbout(name, number)
        published = next((s for s in known.speakers if (s.name, s.row) == (name, number)), one)
        own = _own_or_new(published.uuid, f"{key}/{name}", uuids | {speaker.uuid for speaker in speakers})
        title = title if own != (published.uuid or "").lower() else name
        speakers.append(Speaker(name, number, title, own, _styles(own, summary.styles, published)))
    return Listed(
        key, model, summary.folder, tuple(speakers), summary.sample_rate, summary.licence, summary.megabytes,
        _stamp(summary.folder),
    )  # fmt: skip


def _own_or_new(published: str | None, name: str, taken: set[str]) -> str:
    """The UUID that an AIVM file gave, so that ids equal AivisSpeech's; else, or where another has it, ours by name."""
    with contextlib.suppress(ValueError):
        given = str(uuid.UUID(published or ""))
        if given not in taken:
            return given
        _log.warning("%s has the UUID of another voice; it goes by one of its own.", name)
    return str(uuid.uuid5(_NAMESPACE, name))


def _styles(speaker_uuid: str, names: Sequence[str], published: SpeakerAbout) -> tuple[Style, ...]:
    """Ids from the local ids of an AIVM file where it has one for each style, else from their order."""
    kept = names[:MOST_STYLES]
    rows = {style.name: style.row for style in published.styles}
    local = [rows.get(name, -1) for name in kept]
    if len(set(local)) < len(kept) or not all(0 <= number < MOST_STYLES for number in local):
        local = list(range(len(kept)))
    return tuple(Style(name, style_id(speaker_uuid, number)) for name, number in zip(kept, local, strict=True))


def _key(name: str, taken: dict[str, Listed]) -> str:
    """A name without the characters that separate names, and that no other voice has."""
    plain = "".join("_" if c in "/\\," or not c.isprintable() else c for c in name).strip() or "voice"
    key, number = plain, 2
    while key in taken:
        key, number = f"{plain}-{number}", number + 1
    return key


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Of the files a voice is made of; graphs of them appear when ONNX Runtime first asks."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix not in _NOT_ITS_OWN)
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)


def _refuse_collisions(listed: dict[str, Listed]) -> None:
    ids: dict[int, str] = {}
    for voice in listed.values():
        for speaker in voice.speakers:
            for style in speaker.styles:
                other = ids.setdefault(style.id, voice.key)
                if other != voice.key:
                    raise OptionError(f"voices {other} and {voice.key} have the same style id; rename one of them.")
