"""What all routes share: settings, catalogue, speech, and the checks a request passes before it costs anything."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from sokuon.audio.sound import Audio
from sokuon.errors import SokuonError
from sokuon.options import SynthesisOptions
from sokuon.server.catalogue import Catalogue, Choice
from sokuon.server.errors import RequestError
from sokuon.server.metrics import Metrics
from sokuon.server.settings import Settings
from sokuon.server.speech import Listening, Order, Speech
from sokuon.text.dictionary import UserDictionary

_log = logging.getLogger("sokuon.server")


@dataclass(frozen=True)
class Service:
    """Handed to every router by the app factory."""

    settings: Settings
    catalogue: Catalogue
    speech: Speech
    metrics: Metrics
    dictionary: UserDictionary
    data: Path
    """Folder of what clients store: presets, ids of words."""

    def warm_up(self) -> None:
        """Load what the first request would wait for: the dictionary, the first voice, those of `preload`."""
        self.speech.front_end.phonemize("あ")
        for key in dict.fromkeys((self.catalogue.default.voice.key, *self.settings.preload)):
            try:
                self.catalogue.load(key)
            except SokuonError as error:
                _log.warning("%s", error)

    def checked_text(self, text: str, param: str, *, may_be_empty: bool = False) -> str:
        """The text, if it is neither too long nor (unless that is allowed) without anything to say."""
        if len(text) > self.settings.text_characters:
            raise RequestError(
                413 if param != "input" else 400,
                f"The text has {len(text)} characters; at most {self.settings.text_characters} are spoken at once.",
                param,
                "text_too_long",
            )
        if not may_be_empty and not text.strip():
            raise RequestError(400, "The text is empty.", param, "empty_text")
        return text

    def order(self, request: Request, api: str, choice: Choice, text: str, options: SynthesisOptions) -> Order:
        """An order of a request, for a listener."""
        return Order(choice, text, options, api=api, id=request.state.request_id, characters=len(text))

    async def started(self, order: Order, request: Request) -> Listening:
        """An order whose first sound is there: what can fail has failed before a header is sent."""
        listening = await self.speech.listen(order, request.is_disconnected)
        await listening.ready()
        listening.heard()
        return listening

    async def whole(self, order: Order, request: Request) -> Audio:
        """All of an order, or nothing where the client leaves."""
        return await self.speech.whole(replace(order, live=False), request.is_disconnected)


class SpokenResponse(StreamingResponse):
    """Sound as it is made; when the response ends, however it ends, so does the work behind it."""

    def __init__(self, content: AsyncIterator[bytes | str], listening: Listening, media_type: str) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(content, headers=headers, media_type=media_type)
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._listening.cancel()
