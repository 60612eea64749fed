"""Which of a place's files a voice or a BERT needs.

Works on names alone, so that a repository, a bucket and a folder of this machine are understood alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from sokuon.errors import OptionError, VoiceNotFoundError

CONFIG, STYLES, MANIFEST = "config.json", "style_vectors.npy", "voice.json"
BERT_MANIFEST = "bert.json"
CONTAINERS = (".aivmx", ".aivm", ".sbv2")  # a whole voice in one file
WEIGHTS = (".safetensors", ".pth", ".pt", ".onnx")  # in order of preference
_BERT_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_LICENCE = re.compile(r"(licen[cs]e|terms)(\.(txt|md))?", re.IGNORECASE)
_SHOWN = 12


@dataclass(frozen=True)
class RemoteFile:
    """A file at its place: `path` from the root with slashes, `size` in bytes, `sha256` and `etag` where known."""

    path: str
    size: int = 0
    sha256: str | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Choice:
    """What to fetch: `files` and the `main` one, which is the voice where it is one file, else None: their folder."""

    name: str
    files: tuple[RemoteFile, ...]
    main: RemoteFile | None = None


def choose_voice(files: Iterable[RemoteFile], inside: str, model: str | None, place: str) -> Choice:
    """The voice at `inside` (a folder or file), by the name `model` where there are several.

    Raises VoiceNotFoundError where there is none, OptionError where there are several and `model` names none of them.
    """
    known = {file.path: file for file in files if not _hidden(file.path)}
    if inside in known:
        return _single(known, known[inside])
    found = _voices(known, f"{inside}/" if inside else "")
    if not found:
        raise VoiceNotFoundError(
            f"{place} holds no voice; a voice is an .aivmx, .aivm or .sbv2 file, or a folder with config.json, "
            "style_vectors.npy and its weights."
        )
    if model is None and len(found) == 1:
        return next(iter(found.values()))
    names = ", ".join(list(found)[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
    if model is None:
        raise OptionError(f"{place} holds {len(found)} voices; name one of them as the model: {names}.")
    return _named(known, found, model, f"{place} holds no voice {model!r}; it holds {names}.")


def _named(known: dict[str, RemoteFile], found: dict[str, Choice], model: str, problem: str) -> Choice:
    """By a voice's name, or that of a weights file."""
    if model in found:
        return found[model]
    files = [file for path, file in known.items() if model in (path, _stem(path)) and path.endswith(WEIGHTS)]
    if len(files) != 1:
        raise OptionError(problem)
    return _single(known, files[0])


def choose_bert(files: Iterable[RemoteFile], inside: str, place: str) -> Choice:
    """The BERT in folder `inside`, in Hugging Face layout or converted. Raises VoiceNotFoundError."""
    prefix = f"{inside}/" if inside else ""
    known = {file.path.removeprefix(prefix): file for file in files if file.path.startswith(prefix)}
    if BERT_MANIFEST in known:
        return Choice(_stem(inside) or "bert", tuple(f for path, f in known.items() if "/" not in path))
    weights = next((name for name in _BERT_WEIGHTS if name in known), None)
    if weights is None or not {"config.json", "vocab.txt"} <= known.keys():
        if any(path.endswith("bert_q8.onnx") for path in known):
            raise VoiceNotFoundError(
                f"{place} holds only a quantized BERT graph, whose weights are lost; "
                "name hf://ku-nlp/deberta-v2-large-japanese-char-wwm instead."
            )
        raise VoiceNotFoundError(
            f"{place} holds no BERT; it needs config.json, vocab.txt and model.safetensors or pytorch_model.bin."
        )
    return Choice(_stem(inside) or "bert", tuple(known[name] for name in ("config.json", "vocab.txt", weights)))


def _voices(known: dict[str, RemoteFile], prefix: str) -> dict[str, Choice]:
    """Every voice under `prefix` by name. Of a voice that lies there twice, the one with its original tensors."""
    found: dict[str, Choice] = {}
    for path in sorted(path for path in known if path.startswith(prefix)):
        folder, _, leaf = path.rpartition("/")
        choice = _at(known, folder, leaf, path)
        if choice is None:
            continue
        name = _short(path if choice.main else folder, prefix)
        if name in found and _rank(choice) == _rank(found[name]):  # two voices of one name
            found[(path if choice.main else folder).removeprefix(prefix)] = choice
        elif name not in found or _rank(choice) < _rank(found[name]):
            found[name] = choice
    return found


def _at(known: dict[str, RemoteFile], folder: str, leaf: str, path: str) -> Choice | None:
    """The voice that the file `path` tells of, if it does."""
    if leaf.lower().endswith(CONTAINERS):
        return _single(known, known[path])
    return _folder(known, folder, converted=leaf == MANIFEST) if leaf in (CONFIG, MANIFEST) else None


def _folder(known: dict[str, RemoteFile], folder: str, *, converted: bool) -> Choice | None:
    """A published voice's folder with its newest weights, or a converted one with everything."""
    here = {PurePosixPath(path).name: file for path, file in known.items() if path.rpartition("/")[0] == folder}
    name = _stem(folder) or "voice"
    if converted:
        return Choice(name, tuple(here.values()))
    if STYLES not in here:
        return None
    for suffix in WEIGHTS:
        weights = [leaf for leaf in here if leaf.endswith(suffix) and not leaf.startswith("duration_predictor")]
        if weights:
            best = max(weights, key=_progress)
            beside = (CONFIG, STYLES, best, f"{best}.data")
            return Choice(name, tuple(file for leaf, file in here.items() if leaf in beside or _is_licence(leaf)))
    return None


def _single(known: dict[str, RemoteFile], file: RemoteFile) -> Choice:
    """One file, and what lies beside it if it is not a whole voice alone."""
    if not file.path.lower().endswith((*CONTAINERS, *WEIGHTS)):
        raise OptionError(f"{file.path} is no voice file; those end in {', '.join((*CONTAINERS, *WEIGHTS))}.")
    folder = file.path.rpartition("/")[0]
    beside = (CONFIG, STYLES) if file.path.lower().endswith(WEIGHTS) else ()
    paths = [f"{folder}/{leaf}" if folder else leaf for leaf in beside] + [f"{file.path}.data"]
    return Choice(_stem(file.path), (file, *(known[path] for path in paths if path in known)), file)


def _rank(choice: Choice) -> int:
    """Preference among copies of one voice: tensors before graphs."""
    suffixes = {PurePosixPath(file.path).suffix.lower() for file in choice.files}
    order = (".weights", ".safetensors", ".aivm", ".pth", ".pt", ".aivmx", ".onnx", ".sbv2")
    return min((order.index(suffix) for suffix in suffixes if suffix in order), default=len(order))


def _progress(leaf: str) -> tuple[int, int, str]:
    """Trainers write name_e<epochs>_s<steps>; the most trained weights are the newest."""
    epochs, steps = (re.search(rf"_{letter}(\d+)", leaf) for letter in "es")
    return int(steps[1][:18]) if steps else 0, int(epochs[1][:18]) if epochs else 0, leaf


def _short(path: str, prefix: str) -> str:
    return _stem(path.removeprefix(prefix)) or _stem(prefix.rstrip("/")) or "voice"


def _stem(path: str) -> str:
    leaf = path.rpartition("/")[2]
    return leaf[: -len(PurePosixPath(leaf).suffix)] if leaf.lower().endswith((*CONTAINERS, *WEIGHTS)) else leaf


def _is_licence(leaf: str) -> bool:
    return _LICENCE.fullmatch(leaf) is not None


def _hidden(path: str) -> bool:
    return any(word.startswith(".") for word in path.split("/"))
