"""/v1/audio/speech/stream: text in pieces in, sound and word times out, over one WebSocket.

In:  {"type": "start", "voice", "response_format", "speed", …}   as the body of /v1/audio/speech, without input; first
     {"type": "text", "text": "…"}                              as often as wanted; a sentence is spoken when complete
     {"type": "end"}                                            no more text
     {"type": "cancel"}                                         be silent now
Out: {"type": "started", "format", "sample_rate"}
     binary messages                                            the encoded sound
     {"type": "words", "words": [{"word", "start_time", "end_time"}]}   seconds from the beginning
     {"type": "done"} or {"type": "error", "error": {…}}, then the socket closes
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from sokuon.audio.sound import Audio
from sokuon.errors import SokuonError
from sokuon.server.errors import RequestError
from sokuon.server.feed import Feed
from sokuon.server.openai import Sound, SpeechRequest, options_of, rate_of, resolve_voice, word_list
from sokuon.server.service import Service
from sokuon.server.speech import Listening, Order

_IDLE_S = 60.0
_MESSAGE_CHARACTERS = 20_000


def router(service: Service) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.websocket("/v1/audio/speech/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: it went while we were sending
            try:
                await _converse(service, socket)
            except SokuonError as error:
                param, code = getattr(error, "param", None), getattr(error, "code", None)
                detail = {"message": str(error), "type": "invalid_request_error", "param": param, "code": code}
                await socket.send_json({"type": "error", "error": detail})
            await socket.close()

    return routes


async def _converse(service: Service, socket: WebSocket) -> None:
    body = _request(await _message(socket))
    choice = resolve_voice(service, body.voice, body.style)
    feed, rate = Feed(service.speech.front_end, service.settings.text_characters), rate_of(body, choice)
    order = Order(choice, feed.sentences(), options_of(body), api="websocket", id=socket.state.request_id)
    listening = await service.speech.listen(order)
    reader = asyncio.create_task(_read(socket, feed, listening))
    try:
        await socket.send_json({"type": "started", "format": body.response_format, "sample_rate": rate})
        sound = Sound(body.response_format, choice.voice.sample_rate, rate, True)
        speaking = asyncio.create_task(_speak(socket, sound, listening))
        await asyncio.wait({reader, speaking}, return_when=asyncio.FIRST_COMPLETED)
        if reader.done() and not reader.cancelled():
            reader.result()  # raises what the client did wrong
            if listening.outcome == "cancelled":
                speaking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await speaking
        await socket.send_json({"type": "done"})
    finally:
        listening.cancel()
        reader.cancel()


async def _read(socket: WebSocket, feed: Feed, listening: Listening) -> None:
    """What the client sends, until it ends or cancels."""
    try:
        while True:
            message = await _message(socket)
            kind = message.get("type")
            if kind == "text":
                feed.add(str(message.get("text", "")))
            elif kind == "end":
                feed.end()
            elif kind == "cancel":
                listening.cancel()
                return
            else:
                raise RequestError(400, "A message's type is text, end or cancel.", "type")
            listening.wake()
            if kind == "end":
                break
        while (await _message(socket, None)).get("type") != "cancel":
            pass
        listening.cancel()
    except BaseException:
        listening.cancel()
        raise


async def _speak(socket: WebSocket, sound: Sound, listening: Listening) -> None:
    at = 0.0
    async for piece in listening:
        if not isinstance(piece, Audio):
            continue
        if words := word_list(piece, at):
            await socket.send_json({"type": "words", "words": words})
        at += piece.duration
        if data := await sound.add(piece):
            await socket.send_bytes(data)
    if data := await sound.end():
        await socket.send_bytes(data)


async def _message(socket: WebSocket, within_s: float | None = _IDLE_S) -> dict[str, Any]:
    try:
        text = await asyncio.wait_for(socket.receive_text(), within_s)
        message = json.loads(text) if len(text) <= _MESSAGE_CHARACTERS else None
    except asyncio.TimeoutError:
        raise RequestError(408, f"Nothing came for {_IDLE_S:g} s.") from None
    except (ValueError, KeyError):
        message = None
    if not isinstance(message, dict):
        raise RequestError(400, f"A message is a JSON object of at most {_MESSAGE_CHARACTERS} characters.")
    return message


def _request(message: dict[str, Any]) -> SpeechRequest:
    if message.get("type") != "start":
        raise RequestError(400, 'The first message is {"type": "start", …}.', "type")
    try:
        return SpeechRequest.model_validate({"response_format": "pcm", **message, "input": "-"})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise RequestError(400, f"{field}: {first['msg']}", field) from None
