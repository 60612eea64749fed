"""From a Style-Bert-VITS2 voice, as its author published it, to a converted voice folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sokuon.convert.panels import write_codes
from sokuon.convert.published import PublishedVoice, open_published
from sokuon.convert.voice_graphs import Progress, write_weights
from sokuon.errors import WeightError
from sokuon.formats.about import About
from sokuon.formats.voice import MANIFEST, Manifest
from sokuon.storage.folders import replacing_folder
from sokuon.storage.tensors import F32
from sokuon.voices.licence import first_line


def convert_voice(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Convert the voice at `source`, a folder or file, into folder `target`, whole or not at all.

    `progress` is called with the name of each stage. Raises VoiceError (not JP-Extra, damaged),
    VoiceNotFoundError (a file is missing) or WeightError (a tensor is missing, unknown or misshaped).
    """
    with open_published(source) as voice:
        write_voice(voice, target, progress or _silent)


def write_voice(voice: PublishedVoice, target: Path, progress: Progress) -> None:
    """Write the converted folder of a voice that was read."""
    with replacing_folder(target, MANIFEST) as folder:
        speakers = write_weights(voice.tensors, voice.weights, voice.config, folder, progress)
        _check_speakers(voice, speakers)
        write_codes(folder, voice.config.decoder)
        np.save(folder / "style_vectors.npy", voice.styles)
        np.save(folder / "speakers.npy", speakers)
        _manifest(voice).write(folder)
        if voice.about != About():
            voice.about.write(folder)
        if voice.check is not None:
            progress("comparison")
            voice.check(folder)


def _silent(stage: str) -> None:
    """Nobody watches."""


def _check_speakers(voice: PublishedVoice, speakers: F32) -> None:
    if max(voice.config.speakers.values()) >= len(speakers):
        raise WeightError(f"{voice.weights}: emb_g.weight has {len(speakers)} rows, fewer than spk2id needs.")


def _manifest(voice: PublishedVoice) -> Manifest:
    config = voice.config
    return Manifest(
        name=config.name,
        add_blank=config.add_blank,
        bert_width=voice.tensors["enc_p.bert_proj.weight"].shape[1],
        speakers=config.speakers,
        styles=config.styles,
        decoder=config.decoder,
        licence=first_line(voice.about.licence) or None if voice.about.licence else _stated(voice),
    )


def _stated(voice: PublishedVoice) -> str | None:
    """The licence that the place stated from which the voice was fetched."""
    licence = (voice.about.origin or {}).get("licence")
    return first_line(str(licence)) if licence else None
