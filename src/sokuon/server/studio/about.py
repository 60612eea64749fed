"""What a person wants to know of a voice before using it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sokuon.server.catalogue import Catalogue
from sokuon.server.precisions import Precisions
from sokuon.storage.tensors import F32
from sokuon.voices.builtin import BUILTIN

_CARDS = ("MODEL_CARD.md", "README.md", "README.txt", "LICENSE", "LICENSE.txt", "LICENSE.md")
_MOST_BYTES = 100_000


def about(catalogue: Catalogue, precisions: Precisions, key: str) -> dict[str, Any]:
    """Card, styles and precisions of a voice, which is loaded for it. Raises UnknownVoiceError, VoiceError."""
    loaded, listed = catalogue.load(key), catalogue.find(key)
    manifest = loaded.voice.manifest
    places = style_map(loaded.voice.style_vectors[list(manifest.styles.values())])
    return {
        "key": key,
        "card": _card(listed.folder),
        "licence": listed.licence,
        "sample_rate": listed.sample_rate,
        "megabytes": round(listed.megabytes, 1),
        "speakers": list(manifest.speakers),
        "styles": [
            {"name": name, "x": x, "y": y} for name, (x, y) in zip(manifest.styles, places.tolist(), strict=True)
        ],
        "precision": loaded.bert.manifest.precision,
        "precisions": [{"name": name, "loaded": here} for name, here in precisions.of(key).items()],
    }


def style_map(vectors: F32) -> F32:
    """Vectors [n, 256] → points [n, 2] in [-1, 1]: the first two principal directions, the first vector's at 0."""
    centred = vectors - vectors[0]
    points = np.zeros((len(vectors), 2), np.float32)
    _, _, directions = np.linalg.svd(centred - centred.mean(axis=0), full_matrices=False)
    found = centred @ directions[:2].T
    points[:, : found.shape[1]] = found
    return np.asarray(points / max(float(np.abs(points).max()), 1e-9), np.float32)


def _card(folder: Path) -> str | None:
    """The first card there is; the built-in voice's stands beside its folder."""
    folders = [folder.parent] if folder == BUILTIN / "voice" else [folder]
    for path in (place / name for place in folders for name in _CARDS):
        if path.is_file():
            with path.open("rb") as file:
                return file.read(_MOST_BYTES).decode("utf-8", "replace")
    return None
