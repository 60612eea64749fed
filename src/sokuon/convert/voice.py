"""From a Style-Bert-VITS2 voice folder, as its author published it, to a converted voice folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sokuon.convert.voice_graphs import Progress, write_graphs
from sokuon.errors import VoiceError, VoiceNotFoundError, WeightError
from sokuon.formats.voice import MANIFEST, Manifest
from sokuon.storage.folders import replacing_folder
from sokuon.storage.tensors import F32, TensorFile
from sokuon.voices.licence import read_licence
from sokuon.voices.published import SourceConfig, find_weights, read_config
from sokuon.voices.voice import check_style_vectors

_OTHER_MODELS = "enc_p.ja_bert_proj.weight"  # only in Style-Bert-VITS2 models that are not JP-Extra


def convert_voice(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Convert the voice in folder `source` into folder `target`, whole or not at all.

    `progress` is called with the name of each stage. Raises VoiceError (not JP-Extra, damaged),
    VoiceNotFoundError (a file is missing) or WeightError (a tensor is missing, unknown or misshaped).
    """
    config = read_config(source / "config.json")
    weights = find_weights(source)
    styles = _style_vectors(source / "style_vectors.npy", config)
    tensors = TensorFile(weights)
    if _OTHER_MODELS in tensors:
        raise VoiceError(f"{weights} is not a JP-Extra voice; only JP-Extra voices can be converted.")
    with replacing_folder(target, MANIFEST) as folder:
        speakers = write_graphs(tensors, weights, config, folder, progress or _silent)
        _check_speakers(config, speakers, weights)
        np.save(folder / "style_vectors.npy", styles)
        np.save(folder / "speakers.npy", speakers)
        _manifest(config, tensors, source).write(folder)


def _silent(stage: str) -> None:
    """Nobody watches."""


def _style_vectors(path: Path, config: SourceConfig) -> F32:
    try:
        vectors = np.asarray(np.load(path, allow_pickle=False), np.float32)
    except FileNotFoundError as error:
        raise VoiceNotFoundError(f"{path} does not exist; a voice folder needs its style vectors.") from error
    except (ValueError, OSError, EOFError) as error:
        raise VoiceError(f"{path} is not a NumPy array ({error}); take the file its author published.") from error
    check_style_vectors(vectors, config.styles, path)
    return vectors


def _check_speakers(config: SourceConfig, speakers: F32, weights: Path) -> None:
    if max(config.speakers.values()) >= len(speakers):
        raise WeightError(f"{weights}: emb_g.weight has {len(speakers)} rows, fewer than spk2id needs.")


def _manifest(config: SourceConfig, tensors: TensorFile, source: Path) -> Manifest:
    return Manifest(
        name=config.name,
        add_blank=config.add_blank,
        bert_width=tensors.entries["enc_p.bert_proj.weight"].shape[1],
        speakers=config.speakers,
        styles=config.styles,
        decoder=config.decoder,
        licence=read_licence(source),
    )
