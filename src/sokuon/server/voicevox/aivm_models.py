"""/aivm_models: what AivisSpeech clients ask of the models behind the speakers. Nothing is installed or removed."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

import sokuon
from sokuon.server.catalogue import Listed
from sokuon.server.catalogue import about as about_of
from sokuon.server.errors import PROBLEMS, RequestError, plain_error
from sokuon.server.service import Service
from sokuon.server.voicevox.about import speaker_details, speaker_entry

_WRITES = (("POST", "/install"), ("POST", "/{aivm_model_uuid}/update"), ("DELETE", "/{aivm_model_uuid}/uninstall"))


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/aivm_models", tags=["VOICEVOX"], responses=PROBLEMS)

    @routes.get("")
    async def models() -> dict[str, Any]:
        """All voices by the UUIDs of their models."""
        return await asyncio.to_thread(lambda: {v.uuid: _info(service, v) for v in service.catalogue.voices})

    @routes.get("/{aivm_model_uuid}")
    async def model(aivm_model_uuid: str) -> dict[str, Any]:
        """One voice."""
        return await asyncio.to_thread(_info, service, _voice(service, aivm_model_uuid))

    @routes.post("/{aivm_model_uuid}/load", status_code=204, response_class=Response)
    async def load(aivm_model_uuid: str) -> Response:
        """Load a voice now."""
        await asyncio.to_thread(service.catalogue.load, _voice(service, aivm_model_uuid).key)
        return Response(status_code=204)

    @routes.post("/{aivm_model_uuid}/unload", status_code=204, response_class=Response)
    async def unload(aivm_model_uuid: str) -> Response:
        """Give a voice's memory back; it is loaded again when it is asked for."""
        await asyncio.to_thread(service.catalogue.unload, _voice(service, aivm_model_uuid).key)
        return Response(status_code=204)

    for method, path in _WRITES:
        routes.add_api_route(path, _refused, methods=[method], response_class=Response, include_in_schema=False)
    return routes


async def _refused(request: Request) -> Response:
    """`sokuon pull` and `sokuon remove` do that, by whoever runs the server."""
    return plain_error(403, "This server's models are not changed over HTTP; use `sokuon pull` and `sokuon remove`.")


def _voice(service: Service, number: str) -> Listed:
    for voice in service.catalogue.voices:
        if voice.uuid == number.lower():
            return voice
    raise RequestError(404, "No model has this UUID; GET /aivm_models lists them.")


def _info(service: Service, voice: Listed) -> dict[str, Any]:
    """AivisSpeech's AivmInfo; the place of the file, which is nobody's business, is only its name."""
    manifest = about_of(voice.folder).aivm
    latest = (manifest or {}).get("version")
    return {
        "is_loaded": service.catalogue.is_loaded(voice.key), "is_update_available": False,
        "is_private_model": manifest is None, "is_default_model": voice.key == service.catalogue.default.voice.key,
        "latest_version": latest if isinstance(latest, str) else sokuon.__version__,
        "file_path": voice.key, "file_size": round(voice.megabytes * 1e6),
        "manifest": manifest or _manifest(voice),
        "speakers": [
            {"speaker": speaker_entry(speaker), "speaker_info": speaker_details(voice, speaker)}
            for speaker in voice.speakers
        ],
    }  # fmt: skip


def _manifest(voice: Listed) -> dict[str, Any]:
    """What an AIVM manifest would say of a voice that has none."""
    speakers = [
        {
            "name": s.name, "icon": "", "supported_languages": ["ja"], "uuid": s.uuid, "local_id": s.number,
            "styles": [{"name": t.name, "icon": None, "local_id": t.id & 31, "voice_samples": []} for t in s.styles],
        }
        for s in voice.speakers
    ]  # fmt: skip
    return {
        "manifest_version": "1.0", "name": voice.key, "description": "", "creators": [], "license": voice.licence,
        "model_architecture": "Style-Bert-VITS2 (JP-Extra)", "model_format": "Safetensors", "training_epochs": None,
        "training_steps": None, "uuid": voice.uuid, "version": "1.0.0", "speakers": speakers,
    }  # fmt: skip
