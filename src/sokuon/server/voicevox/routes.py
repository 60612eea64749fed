"""Routes that nearly every VOICEVOX client uses."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

import sokuon
from sokuon.audio.resample import resample
from sokuon.options import SynthesisOptions
from sokuon.server.catalogue import Choice, Speaker, UnknownVoiceError
from sokuon.server.encoding import wav_bytes
from sokuon.server.service import Service
from sokuon.server.voicevox.models import AccentPhrase, AudioQuery
from sokuon.server.voicevox.moras import phrases_of

ALIASED = 1000  # ids below are VOICEVOX's own speakers, which clients have as defaults
Speaking = Annotated[int, Query(alias="speaker", ge=-(2**31), lt=2**31, description="Style id.")]


def choice_of(service: Service, style_id: int) -> Choice:
    """The style of an id. Raises UnknownVoiceError (404)."""
    try:
        return service.catalogue.by_style_id(style_id)
    except UnknownVoiceError:
        if service.settings.aliases and 0 <= style_id < ALIASED:
            return service.catalogue.default
        raise


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["VOICEVOX"], strict_content_type=False)  # voicevox-py sends none; Origin is checked before

    @routes.get("/version")
    async def version() -> str:
        """Version of this server."""
        return sokuon.__version__

    @routes.get("/core_versions")
    async def core_versions() -> list[str]:
        """One core."""
        return ["0.0.0"]

    @routes.get("/speakers")
    async def speakers() -> JSONResponse:
        """Speakers and their styles, by name."""
        return JSONResponse(sorted((_speaker(s) for v in service.catalogue.voices for s in v.speakers), key=_name))

    @routes.post("/audio_query")
    async def audio_query(text: str, speaker: Speaking) -> AudioQuery:
        """What /synthesis would speak for a text, to be edited."""
        text = service.checked_text(text, "text", may_be_empty=True)
        rate = choice_of(service, speaker).voice.sample_rate
        return AudioQuery(
            accent_phrases=await _phrases(service, text), speedScale=1.0, intonationScale=1.0, pitchScale=0.0,
            volumeScale=1.0, prePhonemeLength=0.1, postPhonemeLength=0.1, outputSamplingRate=rate, outputStereo=False,
            kana=text,
        )  # fmt: skip

    @routes.post("/accent_phrases")
    async def accent_phrases(text: str, speaker: Speaking, is_kana: bool = False) -> list[AccentPhrase]:
        """Accent phrases of a text."""
        return await _phrases(service, service.checked_text(text, "text", may_be_empty=True))

    @routes.post("/mora_data")
    @routes.post("/mora_length")
    @routes.post("/mora_pitch")
    async def mora_data(accent_phrases: list[AccentPhrase], speaker: Speaking) -> list[AccentPhrase]:
        """Lengths for given phrases."""
        return accent_phrases

    @routes.post("/synthesis", response_class=Response, responses={200: {"content": {"audio/wav": {}}}})
    async def synthesis(
        query: AudioQuery, speaker: Speaking, request: Request, enable_interrogative_upspeak: bool = True
    ) -> Response:
        """Speak a query."""
        choice = choice_of(service, speaker)
        options = SynthesisOptions(speed=1.0 if not query.speedScale else min(max(query.speedScale, 0.1), 10.0))
        audio = await service.whole(service.order(request, "voicevox", choice, query.kana or "", options), request)
        samples = resample(audio.samples, audio.sample_rate, query.outputSamplingRate)
        data = wav_bytes(samples, query.outputSamplingRate, 2 if query.outputStereo else 1)
        return Response(data, media_type="audio/wav")

    return routes


async def _phrases(service: Service, text: str) -> list[AccentPhrase]:
    def read() -> list[AccentPhrase]:
        return [phrase for sentence in service.speech.front_end.sentences(text) for phrase in phrases_of(sentence)]

    return await asyncio.to_thread(read)


def _speaker(speaker: Speaker) -> dict[str, Any]:
    return {
        "name": speaker.title,
        "speaker_uuid": speaker.uuid,
        "version": sokuon.__version__,
        "styles": [{"name": style.name, "id": style.id, "type": "talk"} for style in speaker.styles],
        "supported_features": {"permitted_synthesis_morphing": "NOTHING"},
    }


def _name(speaker: dict[str, Any]) -> str:
    return str(speaker["name"])
