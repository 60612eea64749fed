"""What all routes share: settings, catalogue, speech, and the checks a request passes before it costs anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sokuon.audio.sound import Audio
from sokuon.server.catalogue import Catalogue
from sokuon.server.errors import RequestError
from sokuon.server.settings import Settings
from sokuon.server.speech import Order, Speech


@dataclass(frozen=True)
class Service:
    """Handed to every router by the app factory."""

    settings: Settings
    catalogue: Catalogue
    speech: Speech

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

    async def started(self, order: Order) -> AsyncIterator[Audio]:
        """The pieces of an order, of which the first is there: what can fail has failed before a header is sent."""
        pieces = self.speech.stream(order)
        first = await anext(pieces, None)

        async def all_pieces() -> AsyncIterator[Audio]:
            if first is not None:
                yield first
            async for piece in pieces:
                yield piece

        return all_pieces()
