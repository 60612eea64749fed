"""The OpenAI speech API: /v1/audio/speech, /v1/models, and the lists of voices its clients look for."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sokuon.audio.encoding import StreamEncoder
from sokuon.audio.sound import Audio
from sokuon.options import SynthesisOptions
from sokuon.server.catalogue import Choice
from sokuon.server.errors import RequestError
from sokuon.server.media import MEDIA_TYPES, PCM_HZ, output_rate
from sokuon.server.service import Service, SpokenResponse
from sokuon.server.speech import Listening

STOCK_VOICES = ("alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin",
                "cedar")  # fmt: skip
MODELS = ("sokuon", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
MODEL = MODELS[0]
Finite = Annotated[float, Field(allow_inf_nan=False)]


def _voice_name(value: Any) -> Any:
    """`"name"` or `{"id": "name"}`."""
    return value["id"] if isinstance(value, dict) and isinstance(value.get("id"), str) else value


def _or(default: Any) -> BeforeValidator:
    """null means what leaving it out means: several clients send it."""
    return BeforeValidator(lambda value: default if value is None else value)


class SpeechRequest(BaseModel):
    """Body of /v1/audio/speech. Keys that are not listed are ignored, as clients send their own."""

    model_config = ConfigDict(extra="ignore")

    model: Annotated[str, _or(MODEL)] = MODEL
    input: str = Field(description="Text to speak.")
    voice: Annotated[str, BeforeValidator(_voice_name), _or("alloy")] = Field(
        "alloy", description="voice, voice/style or voice/speaker/style; OpenAI's own names speak with the first voice."
    )
    instructions: str | None = Field(None, max_length=4096, description="Accepted; these voices take none.")
    response_format: Annotated[Literal["mp3", "opus", "aac", "flac", "wav", "pcm"], _or("mp3")] = "mp3"
    speed: Annotated[Finite, _or(1.0)] = Field(1.0, ge=0.25, le=4.0)
    stream_format: Annotated[Literal["audio", "sse"], _or("audio")] = "audio"
    stream: bool | None = Field(None, description="false: answer when all is there, with true sizes in a WAV.")
    style: str | None = None
    style_weight: Annotated[Finite, _or(1.0)] = Field(1.0, ge=-20, le=20)
    sdp_ratio: Annotated[Finite, _or(0.2)] = Field(0.2, ge=0, le=1)
    noise: Annotated[Finite, _or(0.6)] = Field(0.6, ge=0, le=2)
    noisew: Annotated[Finite, _or(0.8)] = Field(0.8, ge=0, le=2)
    assist_text: str | None = Field(None, max_length=1000, description="A text whose mood colours the speech.")
    assist_text_weight: Annotated[Finite, _or(1.0)] = Field(1.0, ge=0, le=1)
    seed: int | None = Field(None, ge=0, lt=2**63, description="The same seed gives the same samples.")
    timestamps: bool | None = Field(None, description="With stream_format sse: events with the times of words.")
    sample_rate: int | None = Field(None, ge=8000, le=96000)


def options_of(body: SpeechRequest) -> SynthesisOptions:
    """The engine's options for a request."""
    return SynthesisOptions(
        speed=body.speed, style_weight=body.style_weight, sdp_ratio=body.sdp_ratio, noise=body.noise,
        noise_w=body.noisew, seed=body.seed or 0, assist_text=body.assist_text,
        assist_text_weight=body.assist_text_weight,
    )  # fmt: skip


def rate_of(body: SpeechRequest, choice: Choice) -> int:
    """The sampling rate of the reply."""
    wanted = PCM_HZ if body.response_format == "pcm" and body.sample_rate is None else body.sample_rate
    return output_rate(body.response_format, choice.voice.sample_rate, wanted)


def word_list(piece: Audio, at: float) -> list[dict[str, Any]]:
    """The words that begin in a piece that begins `at` seconds, in the shape of Kokoro-FastAPI's captioned speech."""
    return [
        {"word": w.text, "start_time": round(at + w.start, 4), "end_time": round(at + w.end, 4)} for w in piece.words
    ]


def resolve_voice(service: Service, name: str, style: str | None = None) -> Choice:
    """A voice by any name a client of this API may know. Raises UnknownVoiceError."""
    catalogue, mapped = service.catalogue, service.settings.voices.get(name)
    if mapped is not None:
        choice = catalogue.by_name(mapped)
    elif name in STOCK_VOICES and name not in {voice.key for voice in catalogue.voices}:
        choice = catalogue.default
    else:
        choice = catalogue.by_name(name)
    return choice if style is None else catalogue.choose(choice.voice.key, choice.speaker.name, style)


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])
    _speech(routes, service)
    _lists(routes, service)
    return routes


def _speech(routes: APIRouter, service: Service) -> None:
    @routes.post("/audio/speech", response_class=Response, responses=_SPEECH_RESPONSES)
    async def speech(body: SpeechRequest, request: Request) -> Response:
        """Speak a text."""
        text = service.checked_text(body.input, "input")
        choice = resolve_voice(service, body.voice, body.style)
        rate = rate_of(body, choice)
        order = service.order(request, "openai", choice, text, options_of(body))
        media, whole = MEDIA_TYPES[body.response_format], body.stream is False
        sound = Sound(body.response_format, choice.voice.sample_rate, rate, not whole)
        if whole:
            return Response(await sound.file(await service.whole(order, request)), media_type=media)
        pieces = await service.started(order, request)
        if body.stream_format == "sse":
            return SpokenResponse(_events(sound, pieces, bool(body.timestamps)), pieces, "text/event-stream")
        return SpokenResponse(sound.encoded(pieces), pieces, media)

    @routes.post("/audio/speech/timestamps", responses=_ERRORS)
    async def timestamps(body: SpeechRequest, request: Request) -> dict[str, Any]:
        """Speak a text: the whole sound in base64 and when each word is said (the shape of Kokoro-FastAPI)."""
        text = service.checked_text(body.input, "input")
        choice = resolve_voice(service, body.voice, body.style)
        order = service.order(request, "openai", choice, text, options_of(body))
        sound = Sound(body.response_format, choice.voice.sample_rate, rate_of(body, choice), False)
        audio = await service.whole(order, request)
        data = base64.b64encode(await sound.file(audio)).decode()
        return {"audio": data, "audio_format": MEDIA_TYPES[body.response_format], "timestamps": word_list(audio, 0.0)}


def _lists(routes: APIRouter, service: Service) -> None:
    @routes.get("/models")
    async def models() -> dict[str, Any]:
        """Model names; all of them are this server."""
        return {"object": "list", "data": [_model(name) for name in MODELS]}

    @routes.get("/models/{name:path}", responses=_ERRORS)
    async def model(name: str) -> dict[str, Any]:
        """One model."""
        if name not in MODELS:
            raise RequestError(404, f"The model '{name[:100]}' does not exist.", "model", "model_not_found")
        return _model(name)

    @routes.get("/audio/models")
    async def audio_models() -> dict[str, Any]:
        """Model names in the shape Open WebUI reads."""
        data = [_model(name) | {"name": name} for name in MODELS]
        return {"object": "list", "models": data, "data": data}

    @routes.get("/audio/voices")
    async def voices() -> dict[str, Any]:
        """Every style of every voice, in the shapes the known clients read."""
        data = [_voice(choice) for choice in service.catalogue.choices]
        return {"object": "list", "data": data, "voices": data}


class Sound:
    """How one reply is encoded."""

    def __init__(self, format: str, voice_rate: int, rate: int, streaming: bool) -> None:
        self._encoder = StreamEncoder(voice_rate, format, rate, live=True, whole=not streaming)

    async def encoded(self, pieces: Listening) -> AsyncIterator[bytes]:
        """Bytes as they are ready; the encoders run beside the event loop."""
        async for piece in pieces:
            if isinstance(piece, Audio) and (data := await self.add(piece)):
                yield data
        if rest := await self.end():
            yield rest

    async def file(self, audio: Audio) -> bytes:
        """All at once."""
        return await self.add(audio) + await self.end()

    async def add(self, piece: Audio) -> bytes:
        """The bytes that a piece completes."""
        return await asyncio.to_thread(self._encoder.push, piece.samples)

    async def end(self) -> bytes:
        """The bytes that were still waiting."""
        return await asyncio.to_thread(self._encoder.finish)


async def _events(sound: Sound, pieces: Listening, timestamps: bool) -> AsyncIterator[str]:
    """Server-sent events: the encoded stream in base64 pieces, the times of words if asked for, then the usage."""
    at = 0.0
    async for piece in pieces:
        if not isinstance(piece, Audio):
            continue
        if timestamps and piece.words:
            yield _event({"type": "speech.audio.words", "words": word_list(piece, at)})
        at += piece.duration
        if data := await sound.add(piece):
            yield _delta(data)
    if data := await sound.end():
        yield _delta(data)
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield _event({"type": "speech.audio.done", "usage": usage})


def _delta(data: bytes) -> str:
    return _event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()})


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": "sokuon"}


def _voice(choice: Choice) -> dict[str, Any]:
    return {
        "id": choice.name,
        "name": f"{choice.speaker.title} ({choice.style.name})",
        "model": MODEL,
        "voice": choice.voice.key,
        "speaker": choice.speaker.name,
        "style": choice.style.name,
        "style_id": choice.style.id,
        "language": "ja",
        "gender": None,
        "sample_rate": choice.voice.sample_rate,
        "licence": choice.voice.licence,
    }


_STARTED = int(time.time())
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/json": {"schema": {"type": "object"}}}}
    for status, text in (
        (400, "Bad input"), (401, "Bad key"), (403, "Foreign origin"), (404, "Unknown"), (408, "Out of time"),
        (413, "Too long"), (429, "Busy"), (500, "Internal error"), (503, "Busy"),
    )
}  # fmt: skip
_SPEECH_RESPONSES: dict[int | str, dict[str, Any]] = {
    **_ERRORS,
    200: {
        "description": "Sound, or server-sent events.",
        "content": {kind: {} for kind in (*MEDIA_TYPES.values(), "text/event-stream")},
    },
}
