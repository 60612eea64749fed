"""`sokuon merge`: two voices of one size as one, their weights interpolated part by part.

Which tensors make which trait is what users of Style-Bert-VITS2 mix by: the decoder (and the speaker vectors) carry the
voice, the flow its pitch, the text encoder the way of speaking, both duration predictors the tempo.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from sokuon.convert.published import MERGED, PublishedVoice, Tensors, document_of, open_published
from sokuon.convert.weights import fold_weight_norm
from sokuon.errors import OptionError, VoiceError
from sokuon.storage.folders import replacing_folder
from sokuon.storage.tensors import F32, to_float32

_TRAITS = {"dec": "voice", "emb_g": "voice", "flow": "pitch", "enc_p": "style", "dp": "tempo", "sdp": "tempo"}
_GAIN, _DIRECTION = ("weight_g", "parametrizations.weight.original0"), ("weight_v", "parametrizations.weight.original1")


@dataclass(frozen=True)
class Mix:
    """How much of the second voice is in the first, 0 to 1, trait by trait (beyond these ends it exaggerates)."""

    voice: float = 0.5
    pitch: float = 0.5
    style: float = 0.5
    tempo: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self):
            if not -1.0 <= getattr(self, field.name) <= 2.0:
                raise OptionError(f"{field.name} is {getattr(self, field.name):g}; it must be from -1 to 2.")


def merge_voices(first: Path, second: Path, target: Path, mix: Mix, name: str | None = None) -> None:
    """Write the mix of two published voices into folder `target`, as a published voice, whole or not at all.

    Raises VoiceError if they are of different sizes.
    """
    with ExitStack() as stack:
        one, other = (stack.enter_context(open_published(path)) for path in (first, second))
        tensors = _Mixed(_plain(one.tensors), _plain(other.tensors), mix, f"{one.weights} and {other.weights}")
        names, styles = _styles(one, other, mix.style)
        with replacing_folder(target, "style_vectors.npy") as folder:
            write_tensors(folder / f"{target.name}.safetensors", tensors)
            np.save(folder / "style_vectors.npy", styles)
            _write_json(folder / "config.json", _config(one, names, name or target.name))
            _write_json(folder / MERGED, {"mix": asdict(mix), "made_of": [_described(one), _described(other)]})
            (folder / "LICENSE.txt").write_text(_licences(one, other), encoding="utf-8")


class _Mixed(Mapping[str, F32]):
    """The tensors of both, interpolated one at a time as they are asked for."""

    def __init__(self, one: dict[str, Any], other: dict[str, Any], mix: Mix, what: str) -> None:
        odd = sorted(one.keys() ^ other.keys())
        if odd:
            raise VoiceError(f"{what} are built differently (tensor {odd[0]}); only voices of one kind can be merged.")
        self._one, self._other, self._mix, self._what = one, other, mix, what

    def __getitem__(self, name: str) -> F32:
        a, b = (np.asarray(part[name]()) for part in (self._one, self._other))
        if name == "emb_g.weight" and a.shape[1:] == b.shape[1:]:
            b = b[np.minimum(np.arange(len(a)), len(b) - 1)]  # the first voice's speakers stay
        if a.shape != b.shape:
            raise VoiceError(f"{self._what} differ in the size of {name}; only voices of one size can be merged.")
        share = np.float32(getattr(self._mix, _TRAITS[name.partition(".")[0]]))
        mixed: F32 = a + (b - a) * share
        return mixed

    def __iter__(self) -> Iterator[str]:
        return iter(self._one)

    def __len__(self) -> int:
        return len(self._one)


def _plain(tensors: Tensors) -> dict[str, Any]:
    """Name → what gives the tensor in float32; weight norm folded, so that its spellings can meet; no dead weights."""
    plain: dict[str, Any] = {}
    for name in tensors:
        if name.partition(".")[0] not in _TRAITS or name.startswith(("sdp.post_", "sdp.flows.1.")):
            continue
        if name.endswith(_DIRECTION):
            stem = name.removesuffix(_DIRECTION[0]).removesuffix(_DIRECTION[1])
            gain = stem + _GAIN[_DIRECTION.index(name.removeprefix(stem))]
            plain[f"{stem}weight"] = lambda v=name, g=gain: fold_weight_norm(
                to_float32(tensors[g]), to_float32(tensors[v])
            )
        elif not name.endswith(_GAIN):
            plain[name] = lambda n=name: to_float32(tensors[n])
    return plain


def _styles(one: PublishedVoice, other: PublishedVoice, share: float) -> tuple[dict[str, int], F32]:
    """Names and vectors: neutral and what both have interpolated, the rest as far from neutral as it was."""
    neutral = one.styles[0] + (other.styles[0] - one.styles[0]) * np.float32(share)
    zero = next((name for name, row in one.config.styles.items() if row == 0), "Neutral")
    names, rows = {zero: 0}, [neutral]
    for name in [*one.config.styles, *(n for n in other.config.styles if n not in one.config.styles)]:
        found = [
            voice.styles[voice.config.styles[name]] - voice.styles[0]
            for voice in (one, other)
            if name in voice.config.styles and voice.config.styles[name] != 0
        ]
        if name in names or not found:
            continue
        change = found[0] if len(found) == 1 else found[0] + (found[1] - found[0]) * np.float32(share)
        names[name] = len(rows)
        rows.append(neutral + change)
    return names, np.stack(rows).astype(np.float32)


def _config(one: PublishedVoice, names: dict[str, int], name: str) -> dict[str, Any]:
    document = dict(document_of(one))
    data = {**document["data"], "style2id": names, "num_styles": len(names)}
    return {**document, "model_name": name, "data": data}


def _described(voice: PublishedVoice) -> dict[str, Any]:
    """Where a part came from, for `about.json`."""
    about = voice.about
    known = {"name": voice.config.name, "weights": voice.weights.name, "licence": about.licence, "uuid": about.uuid,
             "creators": list(about.creators), "origin": about.origin, "made_of": list(about.made_of)}  # fmt: skip
    return {key: value for key, value in known.items() if value}


def _licences(one: PublishedVoice, other: PublishedVoice) -> str:
    parts = (f"{v.config.name}:\n{v.about.licence or 'no licence is stated'}\n" for v in (one, other))
    return "Merged from two voices; the terms of both apply.\n\n" + "\n".join(parts)


def write_tensors(path: Path, tensors: Mapping[str, F32]) -> None:
    """A safetensors file as other programs want it, tensor after tensor without gaps; one is in memory at a time."""
    header, at = {}, 0
    for name in tensors:
        size = tensors[name].nbytes
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in tensors:
            file.write(np.ascontiguousarray(tensors[name], np.float32).data)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
