"""Voices to be found on Hugging Face and AivisHub."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sokuon.errors import DownloadError, missing_extra
from sokuon.voices.fetch import aivis, http
from sokuon.voices.fetch.watch import SILENT, Watch, offline

_MOST = 20  # of each place
_TAG = "style-bert-vits2"


@dataclass(frozen=True)
class Found:
    """A place that may hold voices; `address` is what `sokuon pull` takes."""

    address: str
    name: str
    licence: str
    downloads: int


def search(word: str, watch: Watch = SILENT) -> list[Found]:
    """Places whose names or tags hold `word`. Raises DownloadError, MissingExtraError."""
    if offline():
        raise DownloadError("a search needs the network; unset SOKUON_OFFLINE and HF_HUB_OFFLINE.")
    return [*_hugging_face(word), *_aivis_hub(word, watch)]


def _hugging_face(word: str) -> Iterator[Found]:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise missing_extra("the search needs", "huggingface_hub", "hub") from error
    api: Any = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    try:
        models = list(api.list_models(search=word, filter=_TAG, limit=_MOST, cardData=True))
    except Exception as error:  # of whatever library of HTTP the hub's version uses
        raise DownloadError(f"Hugging Face cannot be searched ({error}); try again later.") from error
    for model in models:
        card = model.card_data or {}
        yield Found(f"hf://{model.id}", model.id, str(card.get("license") or ""), int(model.downloads or 0))


def _aivis_hub(word: str, watch: Watch) -> Iterator[Found]:
    answer = http.get_json(f"{aivis.server()}/v1/aivm-models/search?{urlencode({'keyword': word})}", watch, True)
    models = answer.get("aivm_models") if isinstance(answer, Mapping) else None
    for model in (models if isinstance(models, list) else [])[:_MOST]:
        if isinstance(model, Mapping) and isinstance(model.get("aivm_model_uuid"), str):
            licence = next((str(f["license_type"]) for f in model.get("model_files", ()) if f.get("license_type")), "")
            downloads = model.get("total_download_count")
            count = downloads if isinstance(downloads, int) else 0
            yield Found(f"aivis://{model['aivm_model_uuid']}", str(model.get("name", "")), licence, count)
