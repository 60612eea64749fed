"""The studio's routes: cut a text into lines, read a line, speak a line as a stream, make a file, tell about voices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from sokuon.audio.encoding import StreamEncoder
from sokuon.audio.formats import pcm16
from sokuon.audio.resample import Resampler
from sokuon.audio.sound import Audio, silence, trailing_silence
from sokuon.server.media import MEDIA_TYPES, output_rate
from sokuon.server.service import Service, SpokenResponse
from sokuon.server.speech import Listening, Order
from sokuon.server.studio.about import about
from sokuon.server.studio.flac import FlacFile
from sokuon.server.studio.models import File, Line, Texts
from sokuon.server.studio.orders import choice_of, lengths_of, order_of, pause_after
from sokuon.server.studio.reading import reading_of
from sokuon.storage.tensors import F32
from sokuon.text.markup import MarkupReader, restore
from sokuon.text.sentences import PARAGRAPH, mark_paragraphs, split_sentences

_FRAMES = "application/octet-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/studio", tags=["studio"])

    @routes.get("/voices")
    async def voices() -> dict[str, Any]:
        """Every voice with its speakers and styles, and what this installation can do."""
        return {
            "voices": [
                {
                    "key": voice.key,
                    "speakers": [
                        {"name": s.name, "uuid": s.uuid, "styles": [{"name": t.name, "id": t.id} for t in s.styles]}
                        for s in voice.speakers
                    ],
                    "sample_rate": voice.sample_rate,
                    "licence": voice.licence,
                    "megabytes": round(voice.megabytes, 1),
                    "loaded": service.catalogue.is_loaded(voice.key),
                }
                for voice in service.catalogue.voices
            ],
            "pitch": find_spec("pyworld") is not None,
        }

    @routes.get("/about")
    async def about_voice(voice: str) -> dict[str, Any]:
        """A voice's card, its styles as points (the two directions in which they differ most), its precisions."""
        return await asyncio.to_thread(about, service.catalogue, service.speech.precisions, voice)

    @routes.post("/sentences")
    async def sentences(body: Texts) -> dict[str, list[list[str]]]:
        """The sentences of each text, as they are written there."""
        return {"sentences": await asyncio.to_thread(lambda: [_sentences(text) for text in body.texts])}

    @routes.post("/read")
    async def read(line: Line, request: Request) -> dict[str, Any]:
        """How a line is read: accent phrases, morae, seconds."""
        lengths = await lengths_of(service, line, request, gone=request.is_disconnected)
        return {"phrases": [p for own in lengths for p in reading_of(own.sentence, own.seconds, line.phrases)]}

    @routes.post("/speak", response_class=Response, responses={200: {"content": {_FRAMES: {}}}})
    async def speak(line: Line, request: Request) -> Response:
        """A line while it is computed: frames of a JSON head and 16-bit samples, each with its length before it."""
        listening = await service.started(order_of(service, line, request), request)
        return SpokenResponse(_frames(service, line, request, listening), listening, _FRAMES)

    @routes.post("/file", response_class=Response, responses={200: {"content": {"audio/*": {}}}})
    async def file(body: File, request: Request) -> Response:
        """Lines as one file, sent while it is made."""
        orders = await asyncio.to_thread(_read, [order_of(service, line, request) for line in body.lines])
        media = MEDIA_TYPES[body.format]
        return StreamingResponse(_encoded(service, body, orders, request), headers=_HEADERS, media_type=media)

    return routes


def _read(orders: Sequence[Order]) -> list[Order]:
    """The same with their edited lines read: an error after the headers is a torn file.

    Raises TextError where phonemes were given for a text that is not one sentence.
    """
    return [o if isinstance(o.text, str) else replace(o, text=iter(list(o.text))) for o in orders]


def _sentences(text: str) -> list[str]:
    marked = MarkupReader({}).read(text)
    marks = iter(marked.marks)
    pieces = split_sentences(mark_paragraphs(marked.text))
    return [restore(piece.replace(PARAGRAPH, "").rstrip(), marks)[0] for piece in pieces]


async def _frames(service: Service, line: Line, request: Request, listening: Listening) -> AsyncIterator[bytes]:
    """Times in a head count from the line's beginning; the last head tells the silence that is to follow."""
    rate = choice_of(service, line).voice.sample_rate
    heard: list[F32] = []
    count = 0
    async for piece in listening:
        if isinstance(piece, Audio):
            yield _frame(_head(piece, count / rate), pcm16(piece.samples))
            heard.append(piece.samples)
            count += len(piece.samples)
    gap = await _gap(service, line, request, heard, rate)
    yield _frame({"end": True, "gap": gap, "seconds": count / rate}, b"")


def _head(piece: Audio, start: float) -> dict[str, Any]:
    return {
        "rate": piece.sample_rate,
        "words": [[w.text, round(w.start + start, 4), round(w.end + start, 4)] for w in piece.words],
        "phones": [[t.phoneme, round(t.start + start, 4), round(t.end + start, 4)] for t in piece.timings],
    }


def _frame(head: dict[str, Any], samples: bytes) -> bytes:
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    return struct.pack("<II", len(text), len(samples)) + text + samples


async def _gap(service: Service, line: Line, request: Request, heard: list[F32], rate: int) -> float:
    """Seconds of silence to add after a line: what is wanted less what it ends with."""
    wanted = await pause_after(service, line, request)
    quiet = trailing_silence(np.concatenate(heard), rate) if heard else 0.0
    return round(max(0.0, wanted - quiet), 4)


async def _encoded(service: Service, body: File, orders: list[Order], request: Request) -> AsyncIterator[bytes]:
    rate = output_rate(body.format, orders[0].choice.voice.sample_rate)
    with contextlib.ExitStack() as stack:
        flac = body.format == "flac"
        encoder: FlacFile | StreamEncoder = (
            stack.enter_context(FlacFile(rate)) if flac else StreamEncoder(rate, body.format, rate)
        )
        async for samples in _sound(service, body, orders, request, rate):
            if data := encoder.push(samples):
                yield data
        if isinstance(encoder, FlacFile):
            for block in encoder.blocks():
                yield block
        elif data := encoder.finish():
            yield data


async def _sound(service: Service, body: File, orders: list[Order], request: Request, rate: int) -> AsyncIterator[F32]:
    """All lines with the pauses after them, at `rate`."""
    for line, order in zip(body.lines, orders, strict=True):
        own_rate = order.choice.voice.sample_rate
        resampler = Resampler(own_rate, rate)
        heard: list[F32] = []
        async for piece in await service.speech.listen(replace(order, live=False)):
            if isinstance(piece, Audio):
                heard.append(piece.samples)
                yield resampler.push(piece.samples)
        gap = await _gap(service, line, request, heard, own_rate)
        yield np.concatenate([resampler.finish(), silence(gap, rate)])
