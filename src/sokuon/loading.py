"""From names and folders to an engine that speaks."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from sokuon.engine import Engine, LoadedVoice
from sokuon.errors import OptionError, VoiceError, VoiceNotFoundError
from sokuon.formats.bert import MANIFEST as BERT_MANIFEST
from sokuon.formats.voice import MANIFEST
from sokuon.native.library import Storage
from sokuon.networks.bert import Bert
from sokuon.networks.runtime import Backend, Runtime
from sokuon.networks.synthesizer import Synthesizer
from sokuon.networks.threads import thread_count
from sokuon.storage.cache import cached
from sokuon.text import Accents, FrontEnd
from sokuon.text.dictionary import UserDictionary
from sokuon.voices.builtin import BUILTIN
from sokuon.voices.published import find_bert_weights, find_weights
from sokuon.voices.voice import Voice

_PRECISIONS = ("fp32", "q8", "q4", "int8-dynamic")


def load(
    voice: str | Path | None = None,
    *,
    bert: str | Path | None = None,
    threads: int | None = None,
    precision: str = "q8",
    backend: Backend = "auto",
    weights: Storage = "q16",
    dictionary: UserDictionary | None = None,
    accents: Accents = "standard",
) -> Engine:
    """An engine for one voice; more can be added with `Engine.add_voice`.

    `voice` is a voice folder, converted or as its author published it (converted once into a cache); None is the
    built-in voice. `bert` is the folder of the BERT it was trained on, converted or in Hugging Face layout; by default
    the folder `bert` inside the voice folder, else `$SOKUON_BERT`. `threads` work on one request; None uses what
    affinity and cgroup allow. `precision` (fp32, q8, q4) is that of a BERT that has to be converted. `backend` (auto,
    native, onnx) and `weights` (q16, fp32) are explained at `sokuon.networks.runtime.Runtime`. `accents`: "standard"
    as a listener expects them, "openjtalk" as OpenJTalk labels them (so were the texts of published voices).
    Raises VoiceNotFoundError, VoiceError, OptionError.
    """
    opener = Opener(Runtime(thread_count(threads), backend, weights), precision)
    folder, bert_folder = _folders(voice, bert)
    return Engine(open_voice(folder, opener.bert(bert_folder), opener.runtime), FrontEnd(dictionary, accents), opener)


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
        builtin = folder.resolve() == (BUILTIN / "voice").resolve()
        folder, bert_folder = _folders(None if builtin else folder, None if builtin else bert)
        return open_voice(folder, self.bert(bert_folder), self.runtime)

    def __call__(
        self, voice: str | Path, bert: str | Path | None, threads: int | None, first: LoadedVoice
    ) -> LoadedVoice:
        """See VoiceOpener."""
        runtime = self.runtime if threads is None else replace(self.runtime, threads=thread_count(threads))
        shared = first.bert if bert is None else self.bert(Path(bert).expanduser())
        return open_voice(Path(voice).expanduser(), shared, runtime)


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


def converted_voice(folder: Path) -> Path:
    """`folder` itself if it is converted, else its conversion in the cache."""
    if not folder.is_dir():
        raise VoiceNotFoundError(f"{folder} is not a folder; give the folder of a voice.")
    if (folder / MANIFEST).is_file():
        return folder
    files = [find_weights(folder), folder / "config.json", folder / "style_vectors.npy"]
    return cached("voices", files, _convert_voice)


def converted_bert(folder: Path, precision: str) -> Path:
    """`folder` itself if it is converted, else its conversion to `precision` in the cache."""
    if not folder.is_dir():
        raise VoiceNotFoundError(f"{folder} is not a folder; give the folder of a BERT.")
    if (folder / BERT_MANIFEST).is_file():
        return folder
    check_precision(precision)
    files = [find_bert_weights(folder), folder / "config.json", folder / "vocab.txt"]
    return cached("berts", files, lambda source, target: _convert_bert(source, target, precision), precision)


def _convert_voice(source: Path, target: Path) -> None:
    from sokuon.convert.voice import convert_voice  # brings onnx: only when there is work for it

    convert_voice(source, target)


def _convert_bert(source: Path, target: Path, precision: str) -> None:
    from sokuon.convert.bert import convert_bert
    from sokuon.convert.products import Precision

    convert_bert(source, target, Precision(precision))


def check_precision(name: str) -> None:
    """Raise OptionError unless a BERT can be converted to this precision."""
    if name not in _PRECISIONS:
        raise OptionError(f"precision is {name!r}; it must be one of {', '.join(_PRECISIONS)}.")


def _folders(voice: str | Path | None, bert: str | Path | None) -> tuple[Path, Path]:
    folder = Path(voice).expanduser() if voice is not None else BUILTIN / "voice"
    if bert is not None:
        return folder, Path(bert).expanduser()
    beside = BUILTIN / "bert" if voice is None else folder / "bert"
    if beside.is_dir():
        return folder, beside
    named = os.environ.get("SOKUON_BERT")
    if not named:
        raise VoiceNotFoundError(
            f"no BERT for {folder}; pass bert=FOLDER (--bert on the command line), set SOKUON_BERT, or put the folder "
            "of ku-nlp/deberta-v2-large-japanese-char-wwm into the voice folder as `bert`."
        )
    return folder, Path(named).expanduser()
