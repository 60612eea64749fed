"""`sokuon export`: a published voice as Style-Bert-VITS2's ONNX export, as an AIVMX file, or in HayaKoe's layout."""

from __future__ import annotations

import base64
import io
import json
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from sokuon.convert.published import PublishedVoice, document_of, open_published
from sokuon.errors import OptionError, VoiceError
from sokuon.export.network import Names, WholeGraph, emit
from sokuon.formats.contracts import STYLE_WIDTH, Contract, Port
from sokuon.formats.voice import MANIFEST
from sokuon.storage.files import write_atomically
from sokuon.storage.folders import replacing_folder
from sokuon.voices.aivm import ARCHITECTURE

SYNTHESIZER = "synthesizer.onnx"
_MOST_STYLES = 32  # that an AIVM manifest can number
_ICON = (  # one grey pixel: a manifest needs a picture
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCAe7HKqgAAAABJRU5ErkJggg=="
)


class Layout(str, Enum):
    """Whose layout to write."""

    SBV2_ONNX = "sbv2-onnx"
    AIVMX = "aivmx"
    HAYAKOE = "hayakoe"


_SBV2 = Names("x_tst", "tones")
_HAYAKOE = Names("x", "tone")


def export_voice(source: Path, target: Path, layout: Layout) -> None:
    """Write the published voice at `source` to `target`: a file for aivmx, a folder for the others.

    Whole or not at all. Raises VoiceError, OptionError.
    """
    if (source / MANIFEST).is_file():
        raise VoiceError(f"{source} is converted; export the voice it was made from, whose tensors are as trained.")
    with open_published(source) as voice:
        if layout is Layout.AIVMX:
            write_atomically(target, _graph(voice, _SBV2, aivm_metadata(voice)))
            return
        hayakoe = layout is Layout.HAYAKOE
        name = SYNTHESIZER if hayakoe else f"{target.name}.onnx"
        with replacing_folder(target, "style_vectors.npy") as folder:
            (folder / name).write_bytes(_graph(voice, _HAYAKOE if hayakoe else _SBV2, {}))
            np.save(folder / "style_vectors.npy", voice.styles)
            text = json.dumps(document_of(voice), ensure_ascii=False, indent=2)
            (folder / "config.json").write_text(text + "\n", encoding="utf-8")
            _copy_licence(voice, folder)


def _graph(voice: PublishedVoice, names: Names, metadata: dict[str, str]) -> bytes:
    graph = WholeGraph(contract(voice, names))
    ends = emit(graph, voice.tensors, voice.weights, voice.config, names)
    outputs = {"audio": ends["audio"], "durations": ends["durations"]}
    if names is _SBV2:
        outputs = {"output": ends["audio"]}
    return graph.file(outputs, metadata)


def contract(voice: PublishedVoice, names: Names) -> Contract:
    """Inputs and outputs in the order in which engines bind them (spec voice-files sections 2.2 and 3)."""
    width = voice.tensors["enc_p.bert_proj.weight"].shape[1]
    slots: tuple[int | str, ...] = (1, "phone_len")
    ours = names is _SBV2
    phones, tones, language = (Port(n, "int64", slots) for n in (names.phones, names.tones, "language"))
    lengths, sid = Port(f"{names.phones}_lengths", "int64", (1,)), Port("sid", "int64", (1,))
    bert, style = Port("bert", "float32", (1, width, "phone_len")), Port("style_vec", "float32", (1, STYLE_WIDTH))
    noise, length, noise_w, ratio = (Port(n, "float32", () if ours else (1,)) for n in names.scalars)
    scalars = (length, ratio, noise, noise_w) if ours else (noise, length, noise_w, ratio)
    outputs = [Port("output" if ours else "audio", "float32", (1, 1, "samples"))]
    outputs += [] if ours else [Port("durations", "float32", slots)]
    inputs = (phones, lengths, sid, tones, language, bert, style, *scalars)
    return Contract("synthesizer", inputs, tuple(outputs))


def aivm_metadata(voice: PublishedVoice) -> dict[str, str]:
    """The three entries of AIVM; the manifest of a voice that came as AIVM is kept but for its format."""
    stored = io.BytesIO()
    np.save(stored, voice.styles)
    manifest = dict(voice.about.aivm or _manifest(voice)) | {"model_format": "ONNX"}
    return {
        "aivm_manifest": json.dumps(manifest, ensure_ascii=False),
        "aivm_hyper_parameters": json.dumps(document_of(voice), ensure_ascii=False),
        "aivm_style_vectors": base64.b64encode(stored.getvalue()).decode(),
    }


def _manifest(voice: PublishedVoice) -> dict[str, Any]:
    config = voice.config
    if max(config.styles.values()) >= _MOST_STYLES:
        raise OptionError(f"{voice.weights} has over {_MOST_STYLES} styles; an AIVM file can have no more.")
    uuid = uuid5(NAMESPACE_URL, f"sokuon:{config.name}:{sorted(config.speakers.items())}")
    styles: list[dict[str, Any]] = [
        {"name": name, "icon": None, "local_id": row, "voice_samples": []} for name, row in config.styles.items()
    ]
    speakers = [
        {"name": name, "icon": _ICON, "supported_languages": ["ja"], "uuid": str(uuid5(uuid, name)), "local_id": row,
         "styles": styles}
        for name, row in config.speakers.items()
    ]  # fmt: skip
    return {
        "manifest_version": "1.0", "name": config.name, "description": "", "creators": [],
        "license": voice.about.licence, "model_architecture": ARCHITECTURE, "model_format": "ONNX",
        "training_epochs": None, "training_steps": None, "uuid": str(uuid), "version": "1.0.0", "speakers": speakers,
    }  # fmt: skip


def _copy_licence(voice: PublishedVoice, folder: Path) -> None:
    if voice.about.licence:
        (folder / "LICENSE.txt").write_text(voice.about.licence, encoding="utf-8")
