"""A voice in any of its published forms → configuration, tensors, style vectors and what is known of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy.typing as npt

from sokuon.convert.compare import compare
from sokuon.convert.sbv2_archive import unpacked
from sokuon.convert.torch_file import TorchFile
from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.formats.about import About
from sokuon.storage.arrays import read_array
from sokuon.storage.records import read_record
from sokuon.storage.tensors import F32, TensorFile
from sokuon.voices.aivm import AivmMetadata, is_graph, read_metadata
from sokuon.voices.fetch.store import Record, origin_of
from sokuon.voices.licence import licence_text
from sokuon.voices.published import SourceConfig, read_config, source_config
from sokuon.voices.source_files import VoiceFiles, voice_files
from sokuon.voices.voice import check_style_vectors

Tensors = Mapping[str, npt.NDArray[Any]]
MERGED = "merged.json"
_DOCUMENT: Mapping[str, Any] = {"version": "2.0-JP-Extra", "data": {"use_jp_extra": True}, "model": {}}
_OTHER_MODELS = "enc_p.ja_bert_proj.weight"  # only in Style-Bert-VITS2 models that are not JP-Extra


@dataclass(frozen=True)
class PublishedVoice:
    """Everything a conversion needs. `check` compares the converted folder with the source, where that must be."""

    config: SourceConfig
    tensors: Tensors
    weights: Path
    styles: F32
    about: About
    document: Mapping[str, Any]  # config.json as it was
    check: Callable[[Path], None] | None = None


@contextmanager
def open_published(source: Path) -> Iterator[PublishedVoice]:
    """Read a voice folder, its weights file, or a file that holds a whole voice. Raises VoiceError, WeightError.

    The voice may be used inside the block: what an archive holds lies in a temporary folder.
    """
    files = voice_files(source)
    if files.weights.suffix.lower() == ".sbv2":
        with unpacked(files.weights) as (graph, styles):
            yield _checked(_archive(files, graph, styles), files)
    elif files.config is None or files.styles is None:
        yield _checked(_container(files), files)
    else:
        yield _checked(_folder(files, files.config), files)


def _checked(voice: PublishedVoice, files: VoiceFiles) -> PublishedVoice:
    """The voice, unless it is of another kind or its style vectors do not fit."""
    if _OTHER_MODELS in voice.tensors:
        raise VoiceError(f"{voice.weights} is not a JP-Extra voice; only JP-Extra voices can be converted.")
    check_style_vectors(voice.styles, voice.config.styles, files.styles or files.weights)
    return voice


def _archive(files: VoiceFiles, graph: Path, styles: F32) -> PublishedVoice:
    """An .sbv2 file says neither names nor sizes: those of the format's default, as far as the tensors do not tell."""
    tensors, check = _tensors(graph)
    names = {"Neutral" if row == 0 else f"Style{row}": row for row in range(len(styles))}
    speakers = {f"Speaker{row}": row for row in range(len(tensors.get("emb_g.weight", ())))} or {"Speaker0": 0}
    config = replace(source_config({}, files.weights), name=files.name, speakers=speakers, styles=names)
    return PublishedVoice(config, tensors, files.weights, styles, About(None, _origin(files.weights)), _DOCUMENT, check)


def _folder(files: VoiceFiles, config_file: Path) -> PublishedVoice:
    """config.json, style_vectors.npy and weights side by side."""
    config = read_config(config_file)
    styles = _style_vectors(files.weights.with_name("style_vectors.npy"))
    tensors, check = _tensors(files.weights)
    about = About(licence_text(config_file.parent), _origin(config_file.parent), made_of=_made_of(config_file.parent))
    return PublishedVoice(config, tensors, files.weights, styles, about, _document(config_file), check)


def _container(files: VoiceFiles) -> PublishedVoice:
    """One file that holds a whole voice: AIVM's metadata say what a folder's files would."""
    metadata = read_metadata(files.weights)
    if metadata is None:
        raise VoiceError(
            f"{files.weights} has no metadata of AIVM; put its config.json and style_vectors.npy beside it."
        )
    config = _aivm_config(metadata, files.weights)
    tensors, check = _tensors(files.weights)
    licence = metadata.manifest.get("license") or metadata.manifest.get("terms_of_use")
    about = About(str(licence) if licence else None, _origin(files.weights), metadata.manifest)
    return PublishedVoice(config, tensors, files.weights, metadata.styles, about, metadata.config, check)


def _aivm_config(metadata: AivmMetadata, path: Path) -> SourceConfig:
    """The hyper-parameters, with speakers and styles as the manifest has them."""
    config = source_config(dict(metadata.config), path)
    return replace(config, name=metadata.name, speakers=metadata.speaker_rows, styles=metadata.style_rows)


def _tensors(weights: Path) -> tuple[Tensors, Callable[[Path], None] | None]:
    """The weights by name, and a check of what is made of them where they had to be recovered."""
    if weights.suffix.lower() in (".pth", ".pt"):
        return TorchFile(weights), None
    if is_graph(weights):
        from sokuon.convert.onnx_file import OnnxFile  # brings onnx
        from sokuon.convert.onnx_voice import recover

        return recover(OnnxFile(weights)), partial(compare, weights)
    return TensorFile(weights), None


def document_of(voice: PublishedVoice) -> Mapping[str, Any]:
    """config.json with the names that count: those of an AIVM manifest may differ from its hyper-parameters."""
    data = {**voice.document.get("data", {})}
    data |= {"spk2id": dict(voice.config.speakers), "style2id": dict(voice.config.styles)}
    data |= {"n_speakers": len(voice.tensors["emb_g.weight"]), "num_styles": len(voice.styles)}
    return {**voice.document, "model_name": voice.config.name, "data": data}


def _made_of(folder: Path) -> tuple[Mapping[str, Any], ...]:
    """What `sokuon merge` wrote of a voice's parents."""
    try:
        parts = read_record(folder / MERGED).get("made_of", ())
    except (OSError, ValueError):
        return ()
    return tuple(part for part in parts if isinstance(part, Mapping)) if isinstance(parts, list) else ()


def _document(config_file: Path) -> Mapping[str, Any]:
    """config.json, which `read_config` has understood."""
    return cast(Mapping[str, Any], json.loads(config_file.read_text(encoding="utf-8-sig")))


def _style_vectors(path: Path) -> F32:
    try:
        return read_array(path)
    except FileNotFoundError as error:
        raise VoiceNotFoundError(f"{path} does not exist; a voice folder needs its style vectors.") from error
    except (ValueError, OSError) as error:
        raise VoiceError(f"{path} is not a NumPy array ({error}); take the file its author published.") from error


def _origin(source: Path) -> Mapping[str, Any] | None:
    """Where a fetched voice came from."""
    record = origin_of(source)
    return None if record is None else describe(record)


def describe(record: Record) -> dict[str, Any]:
    """A record as about.json keeps it."""
    kept = {
        "address": record.address, "model": record.model, "revision": record.revision, "licence": record.licence,
        "fetched": record.fetched, "sha256": {path: file.get("sha256") for path, file in record.files.items()},
    }  # fmt: skip
    return {key: value for key, value in kept.items() if value}
