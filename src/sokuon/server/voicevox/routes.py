"""Speaking over the VOICEVOX API."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from sokuon.audio.formats import pcm16, wav_bytes, wav_header
from sokuon.audio.resample import Resampler, resample
from sokuon.audio.sound import Audio, silence
from sokuon.server.catalogue import Choice, UnknownVoiceError
from sokuon.server.errors import PROBLEMS, RequestError
from sokuon.server.service import Service, SpokenResponse
from sokuon.server.speech import Listening
from sokuon.server.voicevox.kana import KanaError, parse
from sokuon.server.voicevox.models import AccentPhrase, AudioQuery
from sokuon.server.voicevox.presets import Presets
from sokuon.server.voicevox.synthesis import Synthesis, silences
from sokuon.storage.tensors import F32

ALIASED = 1000  # ids below are VOICEVOX's own speakers, which clients have as defaults
MOST_QUERIES = 64
Speaking = Annotated[int, Query(alias="speaker", ge=-(2**31), lt=2**31, description="Style id.")]
_WAV: dict[int | str, dict[str, Any]] = {200: {"content": {"audio/wav": {}}, "description": "WAV"}}


def choice_of(service: Service, style_id: int) -> Choice:
    """The style of an id. Raises UnknownVoiceError (404)."""
    try:
        return service.catalogue.by_style_id(style_id)
    except UnknownVoiceError:
        if service.settings.aliases and 0 <= style_id < ALIASED:
            return service.catalogue.default
        raise


def router(service: Service, presets: Presets) -> APIRouter:
    """The routes."""
    # voicevox-py sends no content type; what that guards against, the check of Origin has refused before
    routes = APIRouter(tags=["VOICEVOX"], strict_content_type=False, responses=PROBLEMS)
    work = Synthesis(service)
    _queries(routes, service, work, presets)
    _sounds(routes, service, work)
    return routes


def _queries(routes: APIRouter, service: Service, work: Synthesis, presets: Presets) -> None:
    async def query_of(text: str, choice: Choice, request: Request) -> AudioQuery:
        text = service.checked_text(text, "text", may_be_empty=True)
        return AudioQuery(
            accent_phrases=await work.phrases(text, choice, request), speedScale=1.0, intonationScale=1.0,
            pitchScale=0.0, volumeScale=1.0, prePhonemeLength=0.1, postPhonemeLength=0.1,
            outputSamplingRate=choice.voice.sample_rate, outputStereo=False, kana=text,
        )  # fmt: skip

    @routes.post("/audio_query")
    async def audio_query(
        text: str, speaker: Speaking, request: Request, enable_katakana_english: bool = True
    ) -> AudioQuery:
        """What /synthesis would speak for a text, to be edited: morae with the lengths this voice gives them."""
        return await query_of(text, choice_of(service, speaker), request)

    @routes.post("/audio_query_from_preset")
    async def audio_query_from_preset(
        text: str, preset_id: int, request: Request, enable_katakana_english: bool = True
    ) -> AudioQuery:
        """The same with a preset's settings."""
        preset = await asyncio.to_thread(presets.find, preset_id)
        query = await query_of(text, choice_of(service, preset.style_id), request)
        return query.model_copy(update=preset.model_dump(exclude={"id", "name", "speaker_uuid", "style_id"}))

    @routes.post("/accent_phrases")
    async def accent_phrases(
        text: str, speaker: Speaking, request: Request, is_kana: bool = False, enable_katakana_english: bool = True
    ) -> Any:
        """Accent phrases of a text, or of kana with accents."""
        text = service.checked_text(text, "text", may_be_empty=not is_kana)
        choice = choice_of(service, speaker)
        if not is_kana:
            return await work.phrases(text, choice, request)
        try:
            return await work.measured(parse(text), choice, request)
        except KanaError as error:
            return _kana_problem(error)

    @routes.post("/validate_kana")
    async def validate_kana(text: str) -> Any:
        """Whether a text is in the kana notation."""
        try:
            parse(service.checked_text(text, "text", may_be_empty=True))
        except KanaError as error:
            return _kana_problem(error)
        return True

    @routes.post("/mora_data")
    @routes.post("/mora_length")
    @routes.post("/mora_pitch", description="These voices take no pitch per mora: as /mora_length.")
    async def mora_data(accent_phrases: list[AccentPhrase], speaker: Speaking, request: Request) -> list[AccentPhrase]:
        """The phrases with the lengths this voice gives them with their accents as they are now."""
        return await work.measured(accent_phrases, choice_of(service, speaker), request)


def _sounds(routes: APIRouter, service: Service, work: Synthesis) -> None:
    @routes.post("/synthesis", response_class=Response, responses=_WAV)
    @routes.post("/cancellable_synthesis", response_class=Response, responses=_WAV)
    async def synthesis(
        query: AudioQuery, speaker: Speaking, request: Request, enable_interrogative_upspeak: bool = True
    ) -> Response:
        """Speak a query. The work ends when the client leaves."""
        data = await work.wav(query, choice_of(service, speaker), request, enable_interrogative_upspeak)
        return Response(data, media_type="audio/wav")

    @routes.post("/streaming_synthesis", response_class=Response, responses=_WAV)
    async def streaming_synthesis(
        query: AudioQuery,
        speaker: Speaking,
        request: Request,
        enable_interrogative_upspeak: bool = True,
        start_offset: Annotated[float, Query(ge=0, le=3600, allow_inf_nan=False)] = 0.0,
        segment_length: Annotated[float | None, Query(gt=0, le=3600, allow_inf_nan=False)] = None,
    ) -> Response:
        """Speak a query as a WAV that begins at once; its header names no length. `segment_length` is not needed."""
        choice = choice_of(service, speaker)
        order = await work.order(query, choice, request, enable_interrogative_upspeak)
        pieces = await service.started(order, request)
        sound = _streamed(pieces, query, choice.voice.sample_rate, start_offset)
        first = await anext(sound, None)
        if first is None:
            raise RequestError(400, "start_offset lies at or beyond the end of the sound.")
        return SpokenResponse(_after(first, sound), pieces, "audio/wav")

    @routes.post("/multi_synthesis", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
    async def multi_synthesis(
        queries: list[AudioQuery], speaker: Speaking, request: Request, enable_interrogative_upspeak: bool = True
    ) -> Response:
        """Speak several queries into a ZIP."""
        if not queries or len(queries) > MOST_QUERIES or len({q.outputSamplingRate for q in queries}) > 1:
            raise RequestError(422, f"Give 1 to {MOST_QUERIES} queries of one sampling rate.")
        choice = choice_of(service, speaker)
        waves = [await work.wav(query, choice, request, enable_interrogative_upspeak) for query in queries]
        return Response(await asyncio.to_thread(_zipped, waves), media_type="application/zip")

    @routes.post("/connect_waves", response_class=Response, responses=_WAV)
    async def connect_waves(waves: list[str]) -> Response:
        """Join WAVs (base64) into one, at the highest of their rates."""
        return Response(await asyncio.to_thread(_connected, waves), media_type="audio/wav")


async def _streamed(pieces: Listening, query: AudioQuery, rate: int, skipped_s: float) -> AsyncIterator[bytes]:
    """A WAV as it is made: header, silence, sound at the query's volume (clipped: its peak is not known), silence."""
    resampler, channels = Resampler(rate, query.outputSamplingRate), 2 if query.outputStereo else 1
    left, header = round(skipped_s * query.outputSamplingRate), wav_header(query.outputSamplingRate, channels=channels)

    def encoded(samples: F32) -> bytes:
        nonlocal left, header
        made, left = samples[left:], max(0, left - len(samples))
        if not len(made):
            return b""
        data, header = header + pcm16(np.repeat(made, channels)), b""
        return data

    before, after = (silence(seconds, rate) for seconds in silences(query))
    if data := encoded(resampler.push(before)):
        yield data
    async for piece in pieces:
        if isinstance(piece, Audio):
            scaled = piece.samples * np.float32(query.volumeScale)
            if data := encoded(resampler.push(scaled)):
                yield data
    last = np.concatenate([resampler.push(after), resampler.finish()])
    if data := encoded(last):
        yield data


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for data in rest:
        yield data


def _zipped(waves: list[bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for number, wave in enumerate(waves, 1):
            file.writestr(f"{number:03}.wav", wave)
    return buffer.getvalue()


def _connected(waves: list[str]) -> bytes:
    import soundfile

    if not waves:
        raise RequestError(422, "There is no WAV to join.")
    try:
        files = [io.BytesIO(base64.b64decode(wave, validate=True)) for wave in waves]
        read = [soundfile.read(file, dtype="float32", always_2d=True) for file in files]
    except (ValueError, soundfile.SoundFileError):
        raise RequestError(422, "One of the WAVs cannot be read; send each as base64.") from None
    rate, channels = max(r for _, r in read), max(min(s.shape[1], 2) for s, _ in read)
    if not all(1000 <= r <= 192_000 for _, r in read):
        raise RequestError(422, "One of the WAVs has a sampling rate that no sound has.")
    joined = np.concatenate([resample(np.ascontiguousarray(s[:, 0]), r, rate) for s, r in read])
    return wav_bytes(joined, rate, channels)


def _kana_problem(error: KanaError) -> JSONResponse:
    detail = {"text": str(error), "error_name": error.name, "error_args": error.arguments}
    return JSONResponse({"detail": detail}, 400)
