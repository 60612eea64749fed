"""The API of Style-Bert-VITS2's server: /voice, /models/info, and what its clients ask besides. Compatible, unofficial.

Where it differs it is on purpose: no server paths in replies, no files of the server opened, any language is Japanese.
"""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from sokuon.audio.formats import wav_bytes
from sokuon.options import SynthesisOptions
from sokuon.server.catalogue import Choice, Listed
from sokuon.server.errors import PROBLEMS, plain_error
from sokuon.server.service import Service
from sokuon.server.speech import Order
from sokuon.server.voicevox.moras import morae_of
from sokuon.text import Sentence

Number = Annotated[float, Query(allow_inf_nan=False)]


class ParameterError(Exception):
    """A parameter names what is not there, or must not be used: answered as Style-Bert-VITS2 does."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["Style-Bert-VITS2"], responses=PROBLEMS)
    _voice(routes, service)
    _models(routes, service)
    return routes


class VoiceQuery(BaseModel):
    """Parameters of /voice; all stand in the URL."""

    text: str = Field(min_length=1)
    encoding: str | None = None
    model_name: str | None = None
    model_id: int = 0
    speaker_name: str | None = None
    speaker_id: int = 0
    sdp_ratio: Number = 0.2
    noise: Number = 0.6
    noisew: Number = 0.8
    length: Number = 1.0
    language: str | None = None
    auto_split: bool = True
    split_interval: float = Field(0.5, ge=0, le=10, allow_inf_nan=False)
    assist_text: str | None = None
    assist_text_weight: Number = 1.0
    style: str | None = "Neutral"
    style_weight: Number = 1.0
    reference_audio_path: str | None = None


def _voice(routes: APIRouter, service: Service) -> None:
    @routes.get("/voice", response_class=Response, responses={200: {"content": {"audio/wav": {}}}})
    @routes.post("/voice", response_class=Response, responses={200: {"content": {"audio/wav": {}}}})
    async def voice(request: Request, query: Annotated[VoiceQuery, Query()]) -> Response:
        """Speak a text; every parameter stands in the URL."""
        try:
            order = _order(service, request, query)
        except ParameterError as error:
            loc = {"type": "invalid_params", "msg": str(error), "loc": ["query", error.name]}
            return plain_error(422, [loc])
        spoken = _by_lines(service, order, query.auto_split, query.split_interval)
        audio = (await service.whole(spoken, request)).normalized()
        data = await asyncio.to_thread(wav_bytes, audio.samples, audio.sample_rate)
        return Response(data, media_type="audio/wav")

    @routes.post("/g2p")
    async def g2p(text: str) -> list[list[str | int]]:
        """The morae of a text and their tones."""
        said = service.checked_text(text, "text", may_be_empty=True)

        def read() -> list[list[str | int]]:
            sentences = service.speech.front_end.sentences(said)
            return [[m.text, m.tone] for s in sentences for m in morae_of(s.phonemes.symbols, s.phonemes.tones)]

        return await asyncio.to_thread(read)


def _order(service: Service, request: Request, query: VoiceQuery) -> Order:
    """Raises ParameterError, RequestError."""
    said = service.checked_text(_decoded(query.text, query.encoding), "text", may_be_empty=True)
    choice = _choice(service, query.model_name, query.model_id, query.speaker_name, query.speaker_id, query.style)
    if query.reference_audio_path:
        raise ParameterError("reference_audio_path", "This server opens no files for its clients.")
    assist = query.assist_text
    options = SynthesisOptions(
        speed=1 / _within(query.length, 0.1, 10.0), sdp_ratio=_within(query.sdp_ratio, 0, 1),
        noise=_within(query.noise, 0, 2), noise_w=_within(query.noisew, 0, 2),
        style_weight=_within(query.style_weight, -20, 20),
        assist_text=assist and service.checked_text(assist, "assist_text", may_be_empty=True),
        assist_text_weight=_within(query.assist_text_weight, 0, 1),
    )  # fmt: skip
    return service.order(request, "sbv2", choice, said, options)


def _models(routes: APIRouter, service: Service) -> None:
    def info() -> dict[str, Any]:
        return {str(number): _info(voice) for number, voice in enumerate(service.catalogue.voices)}

    @routes.get("/models/info")
    async def models_info() -> JSONResponse:
        """The voices by number. Numbers move when voices are added: prefer names."""
        return JSONResponse(info())

    @routes.post("/models/refresh")
    async def models_refresh() -> JSONResponse:
        """Look at the folders again; only voices whose files changed are unloaded."""
        await asyncio.to_thread(service.catalogue.refresh)
        return JSONResponse(info())

    @routes.get("/status")
    async def status() -> dict[str, Any]:
        """Processors and memory."""
        total, free = _memory_bytes()
        return {
            "devices": ["cpu"], "cpu_percent": round(100 * os.getloadavg()[0] / (os.cpu_count() or 1), 1),
            "memory_total": total, "memory_available": free, "memory_used": total - free,
            "memory_percent": round(100 * (total - free) / max(total, 1), 1), "gpu": [],
        }  # fmt: skip


def _decoded(text: str, encoding: str | None) -> str:
    """Percent-decoded once more where a client says so."""
    if not encoding:
        return text
    try:
        codecs.lookup(encoding)
        return unquote(text, encoding=encoding, errors="strict")
    except (LookupError, UnicodeError, ValueError):
        raise ParameterError("encoding", "The text cannot be decoded with this encoding.") from None


def _choice(
    service: Service, model: str | None, model_id: int, speaker: str | None, speaker_id: int, style: str | None
) -> Choice:
    voice = _voice_of(service.catalogue.voices, model, model_id)
    if speaker is not None:
        found = next((s for s in voice.speakers if s.name == speaker), None)
        if found is None:
            raise ParameterError("speaker_name", f"The voice has no speaker {speaker[:100]!r}.")
    else:
        found = next((s for s in voice.speakers if s.number == speaker_id), None)
        if found is None:
            raise ParameterError("speaker_id", f"The voice has no speaker {speaker_id}.")
    styles = {own.name: own for own in found.styles}
    if style is None or (style == "Neutral" and style not in styles):
        return Choice(voice, found, found.styles[0])
    if style not in styles:
        raise ParameterError("style", f"The voice has no style {style[:100]!r}.")
    return Choice(voice, found, styles[style])


def _voice_of(voices: tuple[Listed, ...], name: str | None, number: int) -> Listed:
    if name is not None:
        found = next((voice for voice in voices if voice.key == name), None)
        if found is None:
            raise ParameterError("model_name", f"There is no voice {name[:100]!r}.")
        return found
    if not 0 <= number < len(voices):
        raise ParameterError("model_id", f"There is no voice {number}; there are {len(voices)}.")
    return voices[number]


def _by_lines(service: Service, order: Order, split: bool, interval_s: float) -> Order:
    """With the asked silence between lines."""
    if not split or not isinstance(order.text, str):
        return order
    lines = [line for line in order.text.splitlines() if line.strip()]

    def sentences() -> Iterator[Sentence]:
        for number, line in enumerate(lines):
            held = None
            for sentence in service.speech.front_end.sentences(line):
                if held is not None:
                    yield held
                held = sentence
            if held is not None:
                yield held if number == len(lines) - 1 else replace(held, pause_after_s=interval_s)

    return replace(order, text=sentences())


def _info(voice: Listed) -> dict[str, Any]:
    styles = voice.speakers[0].styles
    return {
        "config_path": f"{voice.key}/config.json",
        "model_path": f"{voice.key}/model",
        "device": "cpu",
        "spk2id": {speaker.name: speaker.number for speaker in voice.speakers},
        "id2spk": {str(speaker.number): speaker.name for speaker in voice.speakers},
        "style2id": {style.name: number for number, style in enumerate(styles)},
    }


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _memory_bytes() -> tuple[int, int]:
    """All of the machine's memory, and what is free of it."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0, 0
