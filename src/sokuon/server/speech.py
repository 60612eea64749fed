"""From a request to pieces of sound: the only way from the HTTP side to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from sokuon.audio.sound import Audio, join
from sokuon.engine import Engine
from sokuon.options import SynthesisOptions
from sokuon.server.catalogue import Catalogue, Choice
from sokuon.text import FrontEnd


@dataclass(frozen=True)
class Order:
    """What one request wants spoken."""

    choice: Choice
    text: str
    options: SynthesisOptions = field(default_factory=SynthesisOptions)


class Speech:
    """Speaks orders."""

    def __init__(self, catalogue: Catalogue, front_end: FrontEnd, opener: Any) -> None:
        self.catalogue, self.front_end, self._opener = catalogue, front_end, opener

    async def stream(self, order: Order) -> AsyncIterator[Audio]:
        """Pieces as they are ready. What cannot be spoken raises before the first one."""
        pieces = await asyncio.to_thread(self._pieces, order)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    async def whole(self, order: Order) -> Audio:
        """All of it at once."""
        pieces = [piece async for piece in self.stream(order)]
        audio = join(pieces, order.choice.voice.sample_rate)
        return audio.normalized() if order.options.normalize else audio

    def _pieces(self, order: Order) -> Iterator[Audio]:
        engine = Engine(self.catalogue.load(order.choice.voice.key), self.front_end, self._opener)
        style, speaker = order.choice.style.name, order.choice.speaker.number
        return engine.stream(order.text, order.options, style=style, speaker=speaker, normalize=False)
