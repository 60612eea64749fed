"""From names and folders to an engine that speaks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sokuon.engine import Engine
from sokuon.errors import OptionError, VoiceError, VoiceNotFoundError
from sokuon.formats.bert import MANIFEST as BERT_MANIFEST
from sokuon.formats.bert import Manifest
from sokuon.formats.voice import MANIFEST
from sokuon.native import library as native
from sokuon.native.library import Storage
from sokuon.networks.bert import Bert
from sokuon.networks.runtime import Backend, Runtime
from sokuon.networks.synthesizer import Synthesizer
from sokuon.networks.threads import thread_count
from sokuon.speaking import LoadedVoice
from sokuon.storage.cache import cached
from sokuon.text import Accents, FrontEnd
from sokuon.text.dictionary import UserDictionary
from sokuon.voices.builtin import BUILTIN, builtin_bert
from sokuon.voices.voice import Voice

if TYPE_CHECKING:
    from sokuon.voices.sources import Kind

_log = logging.getLogger("sokuon.loading")
_REMEDY = (
    " Install g++ 11 or later, or clang, then Sokuon again with `pip install --force-reinstall --no-deps -v .` in its"
    " sources; -v shows what the compiler says."
)
_PRECISIONS = ("fp32", "q8", "q4", "int8-dynamic")


def load(
    voice: str | Path | None = None,
    *,
    model: str | None = None,
    bert: str | Path | None = None,
    download: bool = False,
    threads: int | None = None,
    precision: str = "q8",
    backend: Backend = "auto",
    weights: Storage = "q16",
    dictionary: UserDictionary | None = None,
    accents: Accents = "standard",
) -> Engine:
    """An engine for one voice; more can be added with `Engine.add_voice`.

    `voice` is a voice folder or file, converted or as its author published it (converted once into a cache), or an
    address of one (hf://, s3://, https://, aivis://), fetched once; `model` names one of several voices there; None is
    the built-in voice. `bert` is the folder or address of the BERT it was trained on, converted or in Hugging Face
    layout; by default the folder `bert` inside the voice folder, else `$SOKUON_BERT`, else the usual one if it was
    fetched before, or may be fetched now: `download`. `threads` work on one request; None uses what affinity and cgroup
    allow. `precision` (fp32, q8, q4) is that of a BERT that has to be converted. `backend` (auto, native, onnx) and
    `weights` (q16, fp32) are explained at `sokuon.networks.runtime.Runtime`. `accents`: "standard" as a listener
    expects them, "openjtalk" as OpenJTalk labels them (so were the texts of published voices).
    Raises VoiceNotFoundError, VoiceError, OptionError, DownloadError, MissingExtraError.
    """
    opener = Opener(Runtime(thread_count(threads), backend, weights), precision)
    warn_if_slow(backend)
    front_end = FrontEnd(dictionary, accents)
    with _beside(front_end.open, opener.runtime.threads):
        folder = BUILTIN / "voice" if voice is None else _resolved(voice, model)
        built_in = voice is None and bert is None
        bert_folder = builtin_bert(precision) if built_in else _found_bert(folder, bert, lambda: download)
        loaded = open_voice(folder, opener.bert(bert_folder), opener.runtime)
    return Engine(loaded, front_end, opener)


@contextmanager
def _beside(work: Callable[[], None], threads: int) -> Iterator[None]:
    """Does `work`, which must not take long, on a thread of its own while the block runs, where there may be two.

    What it raises is lost: it is work that is done again where it was not done.
    """
    if threads == 1:
        yield
        return

    def try_to() -> None:
        with suppress(Exception):
            work()

    thread = threading.Thread(target=try_to, name="sokuon-open")
    with suppress(RuntimeError):  # this process may have no more threads
        thread.start()
    try:
        yield
    finally:
        if thread.ident is not None:
            thread.join()


class Opener:
    """Opens voices as `load` was told; those that name the same BERT share it."""

    def __init__(self, runtime: Runtime, precision: str) -> None:
        self.runtime, self._precision = runtime, precision
        self._berts: dict[Path, Bert] = {}

    def bert(self, folder: Path) -> Bert:
        """The BERT of a folder, opened once."""
        converted = converted_bert(folder, self._precision).resolve()
        if converted not in self._berts:
            self._berts[converted] = Bert.open(converted, self.runtime.threads, self.runtime.backend)
        return self._berts[converted]

    def voice(self, folder: Path, bert: Path | None = None) -> LoadedVoice:
        """A voice with its own BERT: the one given, else as `load` finds it. Raises VoiceNotFoundError, VoiceError."""
        return open_voice(folder, self.bert(_bert_of(folder, bert, self._precision)), self.runtime)

    @staticmethod
    def precisions(folder: Path, bert: Path | None = None) -> tuple[str, ...]:
        """Precisions at which `voice` can open a voice, the finest first: one only where its BERT is converted already.

        Raises VoiceNotFoundError, VoiceError.
        """
        found = _bert_of(folder, bert, "fp32")
        return (Manifest.read(found).precision,) if (found / BERT_MANIFEST).is_file() else _PRECISIONS[:3]

    def __call__(
        self, voice: str | Path, bert: str | Path | None, threads: int | None, first: LoadedVoice
    ) -> LoadedVoice:
        """See VoiceOpener."""
        runtime = self.runtime if threads is None else replace(self.runtime, threads=thread_count(threads))
        shared = first.bert if bert is None else self.bert(_resolved(bert, kind="bert"))
        return open_voice(_resolved(voice), shared, runtime)


# The built-in voice needs nothing that knows of places: 20 ms to import.
def _resolved(place: str | Path, model: str | None = None, kind: Kind = "voice") -> Path:
    from sokuon.voices.sources import resolve

    return resolve(place, model, kind)


def _found_bert(voice: Path, bert: str | Path | None, may_fetch: Callable[[], bool]) -> Path:
    from sokuon.voices.berts import find_bert

    return find_bert(voice, bert, may_fetch)


def _bert_of(voice: Path, bert: Path | None, precision: str) -> Path:
    if voice.resolve() == (BUILTIN / "voice").resolve():
        return builtin_bert(precision)
    return _found_bert(voice, bert, lambda: False)


def open_voice(folder: Path, bert: Bert, runtime: Runtime) -> LoadedVoice:
    """A voice with the BERT that reads for it. Raises VoiceError if their widths differ."""
    voice = Voice.open(converted_voice(folder))
    wanted = voice.manifest.bert_width
    if wanted != bert.hidden_size:
        raise VoiceError(
            f"voice {voice.manifest.name} was trained on a BERT of width {wanted}, the one given has width "
            f"{bert.hidden_size}; give the BERT the voice was trained on."
        )
    return LoadedVoice(voice, Synthesizer.open(voice, runtime), bert, runtime)


def converted_voice(source: Path) -> Path:
    """`source` itself if it is a converted folder, else its conversion in the cache."""
    if (source / MANIFEST).is_file():
        return source
    from sokuon.voices.source_files import voice_files

    files = voice_files(source)
    return cached("voices", files.all, lambda _, target: _convert_voice(source, target), name=files.name)


def converted_bert(folder: Path, precision: str) -> Path:
    """`folder` itself if it is converted, else its conversion to `precision` in the cache."""
    if not folder.is_dir():
        raise VoiceNotFoundError(f"{folder} is not a folder; give the folder of a BERT.")
    if (folder / BERT_MANIFEST).is_file():
        return folder
    from sokuon.voices.published import find_bert_weights

    check_precision(precision)
    files = [find_bert_weights(folder), folder / "config.json", folder / "vocab.txt"]
    return cached("berts", files, lambda source, target: _convert_bert(source, target, precision), precision)


def _convert_voice(source: Path, target: Path) -> None:
    from sokuon.convert.voice import convert_voice  # brings onnx: only when there is work for it

    _log.info("converting voice %s, once", source)
    convert_voice(source, target, lambda stage: _log.info("  %s", stage))


def _convert_bert(source: Path, target: Path, precision: str) -> None:
    from sokuon.convert.bert import convert_bert
    from sokuon.convert.products import Precision

    _log.info("converting BERT %s to %s, once", source, precision)
    convert_bert(source, target, Precision(precision), _Quarters())


def warn_if_slow(backend: Backend) -> None:
    """Log a warning where ONNX Runtime runs though nobody asked for it: why, and the remedy if there is one."""
    usable, reason = native.available()
    if backend == "auto" and not usable:
        remedy = _REMEDY if native.why_missing() else ""
        _log.warning(
            "the C++ networks cannot run here (%s); ONNX Runtime speaks at less than half the speed.%s", reason, remedy
        )


class _Quarters:
    """Logs how far a long conversion is, four times."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, share: float) -> None:
        if share * 4 >= self._told + 1:
            self._told = int(share * 4)
            _log.info("  %d %%", 25 * self._told)


def check_precision(name: str) -> None:
    """Raise OptionError unless a BERT can be converted to this precision."""
    if name not in _PRECISIONS:
        raise OptionError(f"precision is {name!r}; it must be one of {', '.join(_PRECISIONS)}.")
