"""What VOICEVOX clients ask of a server besides speech: speakers, pictures, manifest, presets, dictionary."""

from __future__ import annotations

import asyncio
import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

import sokuon
from sokuon.formats.about import SpeakerAbout
from sokuon.server.catalogue import Listed, Speaker
from sokuon.server.catalogue import about as about_of
from sokuon.server.errors import PROBLEMS, RequestError, plain_error
from sokuon.server.service import Service
from sokuon.server.voicevox.models import AudioQuery, Preset, Word
from sokuon.server.voicevox.presets import Presets
from sokuon.server.voicevox.routes import Speaking, choice_of
from sokuon.server.voicevox.words import Words, make_word

_UUID = "f8a3f5f0-9a4c-5a53-8a6a-6c1f5f3f9b1d"
_FEATURES = {
    "adjust_mora_pitch": False, "adjust_phoneme_length": True, "adjust_speed_scale": True, "adjust_pitch_scale": True,
    "adjust_intonation_scale": True, "adjust_volume_scale": True, "adjust_pause_length": True,
    "interrogative_upspeak": True, "synthesis_morphing": False, "sing": False, "manage_library": False,
    "return_resource_url": False, "apply_katakana_english": True, "streaming_synthesis": True,
}  # fmt: skip
_SINGING = (
    ("GET", "/singers"), ("GET", "/singer_info"), ("POST", "/sing_frame_audio_query"), ("POST", "/sing_frame_f0"),
    ("POST", "/sing_frame_volume"), ("POST", "/frame_synthesis"),
)  # fmt: skip


def router(service: Service, presets: Presets, words: Words) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["VOICEVOX"], strict_content_type=False, responses=PROBLEMS)
    _facts(routes, service)
    _speakers(routes, service)
    _presets(routes, presets)
    _dictionary(routes, words)
    _absent(routes)
    return routes


def _facts(routes: APIRouter, service: Service) -> None:
    @routes.get("/version")
    async def version() -> str:
        """Version of this server."""
        return sokuon.__version__

    @routes.get("/core_versions")
    async def core_versions() -> list[str]:
        """One core."""
        return ["0.0.0"]

    @routes.get("/supported_devices")
    async def supported_devices() -> dict[str, bool]:
        """Processors only."""
        return {"cpu": True, "cuda": False, "dml": False}

    @routes.get("/engine_manifest")
    async def engine_manifest() -> dict[str, Any]:
        """What this server can do."""
        rate = service.catalogue.default.voice.sample_rate
        return {
            "manifest_version": "0.13.1", "name": "Sokuon", "brand_name": "Sokuon", "uuid": _UUID, "url": "",
            "icon": _PICTURE, "default_sampling_rate": rate, "frame_rate": rate / 512,
            "terms_of_service": "Apache-2.0; voices have licences of their own.", "update_infos": [],
            "dependency_licenses": [], "supported_vvlib_manifest_version": None, "supported_features": _FEATURES,
        }  # fmt: skip

    @routes.get("/setting", response_class=HTMLResponse)
    async def setting() -> str:
        """Settings are given when the server is started."""
        return "<!doctype html><title>Sokuon</title><p>Origins are set with <code>sokuon serve --origin</code>."


def _speakers(routes: APIRouter, service: Service) -> None:
    @routes.get("/speakers")
    async def speakers() -> JSONResponse:
        """Speakers and their styles, by name."""
        found = [speaker_entry(s) for v in service.catalogue.voices for s in v.speakers]
        return JSONResponse(sorted(found, key=lambda speaker: str(speaker["name"])))

    @routes.get("/speaker_info")
    async def speaker_info(speaker_uuid: str, resource_format: str = "base64") -> dict[str, Any]:
        """Pictures, samples and terms of a speaker, always as base64."""
        for voice in service.catalogue.voices:
            for speaker in voice.speakers:
                if speaker.uuid == speaker_uuid:
                    return await asyncio.to_thread(speaker_details, voice, speaker)
        raise RequestError(404, "No speaker has this UUID; GET /speakers lists them.")

    @routes.post("/initialize_speaker", status_code=204, response_class=Response)
    async def initialize_speaker(speaker: Speaking, skip_reinit: bool = False) -> Response:
        """Load the voice of a style."""
        await asyncio.to_thread(service.catalogue.load, choice_of(service, speaker).voice.key)
        return Response(status_code=204)

    @routes.get("/is_initialized_speaker")
    async def is_initialized_speaker(speaker: Speaking) -> bool:
        """Whether the voice of a style is loaded."""
        return service.catalogue.is_loaded(choice_of(service, speaker).voice.key)

    @routes.post("/morphable_targets")
    async def morphable_targets(base_style_ids: list[int]) -> list[dict[str, Any]]:
        """None."""
        ids = [s.id for v in service.catalogue.voices for speaker in v.speakers for s in speaker.styles]
        for asked in base_style_ids:
            choice_of(service, asked)
        return [{str(i): {"is_morphable": False} for i in ids} for _ in base_style_ids]

    @routes.post("/synthesis_morphing", response_class=Response)
    async def synthesis_morphing(
        query: AudioQuery, base_speaker: int, target_speaker: int, morph_rate: Annotated[float, Query(ge=0, le=1)]
    ) -> Response:
        """Not with these voices."""
        choice_of(service, base_speaker), choice_of(service, target_speaker)
        return plain_error(400, "These voices cannot be morphed.")


def _presets(routes: APIRouter, presets: Presets) -> None:
    @routes.get("/presets")
    async def get_presets() -> list[Preset]:
        """All presets."""
        return await asyncio.to_thread(presets.all)

    @routes.post("/add_preset")
    async def add_preset(preset: Preset) -> int:
        """Add a preset; its id."""
        return await asyncio.to_thread(presets.add, preset)

    @routes.post("/update_preset")
    async def update_preset(preset: Preset) -> int:
        """Replace a preset; its id."""
        return await asyncio.to_thread(presets.update, preset)

    @routes.post("/delete_preset", status_code=204, response_class=Response)
    async def delete_preset(id: int) -> Response:
        """Delete a preset."""
        await asyncio.to_thread(presets.delete, id)
        return Response(status_code=204)


def _dictionary(routes: APIRouter, words: Words) -> None:
    @routes.get("/user_dict")
    async def user_dict(enable_compound_accent: bool = False) -> dict[str, dict[str, Any]]:
        """All words by UUID."""
        return await asyncio.to_thread(words.all, enable_compound_accent)

    @routes.post("/user_dict_word")
    async def add_word(
        surface: Annotated[list[str], Query()],
        pronunciation: Annotated[list[str], Query()],
        accent_type: Annotated[list[int], Query()],
        word_type: str | None = None,
        priority: Annotated[int | None, Query(ge=0, le=10)] = None,
    ) -> str:
        """Add a word; its UUID. Several parts make a compound word."""
        return await asyncio.to_thread(
            lambda: words.add(make_word(surface, pronunciation, accent_type, word_type, priority))
        )

    @routes.put("/user_dict_word/{word_uuid}", status_code=204, response_class=Response)
    async def replace_word(
        word_uuid: str,
        surface: Annotated[list[str], Query()],
        pronunciation: Annotated[list[str], Query()],
        accent_type: Annotated[list[int], Query()],
        word_type: str | None = None,
        priority: Annotated[int | None, Query(ge=0, le=10)] = None,
    ) -> Response:
        """Change a word."""
        await asyncio.to_thread(
            lambda: words.replace(word_uuid, make_word(surface, pronunciation, accent_type, word_type, priority))
        )
        return Response(status_code=204)

    @routes.delete("/user_dict_word/{word_uuid}", status_code=204, response_class=Response)
    async def delete_word(word_uuid: str) -> Response:
        """Delete a word."""
        await asyncio.to_thread(words.delete, word_uuid)
        return Response(status_code=204)

    @routes.post("/import_user_dict", status_code=204, response_class=Response)
    async def import_user_dict(import_dict_data: dict[str, Word], override: bool) -> Response:
        """Add words under their UUIDs."""
        await asyncio.to_thread(words.import_all, import_dict_data, override)
        return Response(status_code=204)


def _absent(routes: APIRouter) -> None:
    async def absent(request: Request) -> Response:
        """These voices do not sing."""
        return plain_error(501, "These voices do not sing.")

    for method, path in _SINGING:
        routes.add_api_route(path, absent, methods=[method], response_class=Response, include_in_schema=False)


def speaker_entry(speaker: Speaker) -> dict[str, Any]:
    """A speaker as lists show it."""
    return {
        "name": speaker.title,
        "speaker_uuid": speaker.uuid,
        "version": sokuon.__version__,
        "styles": [{"name": style.name, "id": style.id, "type": "talk"} for style in speaker.styles],
        "supported_features": {"permitted_synthesis_morphing": "NOTHING"},
    }


def speaker_details(voice: Listed, speaker: Speaker) -> dict[str, Any]:
    """Pictures, samples and terms of a speaker."""
    about = about_of(voice.folder)
    known = next((s for s in about.speakers if s.name == speaker.name or s.uuid == speaker.uuid), SpeakerAbout("", 0))
    styles = {style.name: style for style in known.styles}
    infos = []
    for style in speaker.styles:
        own = styles.get(style.name)
        samples: Sequence[tuple[str, str]] = own.samples if own else ()
        infos.append({
            "id": style.id, "icon": _bare(own.icon if own else None) or _bare(known.icon) or _PICTURE, "portrait": None,
            "voice_samples": [_bare(sound) for sound, _ in samples],
            "voice_sample_transcripts": [text for _, text in samples],
        })  # fmt: skip
    policy = about.licence or voice.licence or "The voice names no licence."
    return {"policy": policy, "portrait": _bare(known.icon) or _PICTURE, "style_infos": infos}


def _bare(data_url: str | None) -> str:
    """The base64 part of a data URL."""
    return data_url.partition(",")[2] if data_url and data_url.startswith("data:") else ""


def _picture() -> str:
    """A grey square as PNG, for voices without a picture: clients take these strings for image sources."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = 64
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\x00" + b"\xb0" * size) * size)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


_PICTURE = _picture()
