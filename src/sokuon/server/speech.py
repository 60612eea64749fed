"""From a request to pieces of sound: the only way from the HTTP side to the engine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from sokuon.audio.sound import Audio, join
from sokuon.options import SynthesisOptions
from sokuon.server.catalogue import Catalogue, Choice
from sokuon.server.errors import GoneError
from sokuon.server.precisions import Precisions
from sokuon.server.scheduler import Result, Scheduler, Ticket
from sokuon.speaking import Lengths, LoadedVoice, Steps, Waiting, length_steps, speak_steps
from sokuon.text import FrontEnd, Sentence

Gone = Callable[[], Awaitable[bool]]  # whether the one who asked has left
_LOOK_S = 0.1  # between two looks whether the one who asked has left
_FIRST_CHUNK_FRAMES = 16  # 0.19 s at the standard hop
_FIRST_IN_COMPANY_FRAMES = 40  # 0.46 s: others' turns of 0.2 s come between the first chunk and the second
_CHUNK_FRAMES = 96  # 1.1 s: 0.15 to 0.2 s of one core at full size, after which others have their turn


@dataclass(frozen=True)
class Order:
    """What one request wants spoken: a text, or sentences that are read already (they may be Waiting for more)."""

    choice: Choice
    text: str | Iterator[Sentence | Waiting]
    options: SynthesisOptions = field(default_factory=SynthesisOptions)
    live: bool = True
    api: str = ""
    id: str = ""
    """Of the request, for the log."""
    characters: int = 0
    precision: str | None = None
    """Of the voice; None: the server's."""


class Listening:
    """The results of a request as they come; `cancel` when nobody wants them any more.

    `first_s`: seconds until the first sound; `sound_s`: seconds of sound so far; `outcome`: how it ended.
    """

    def __init__(
        self,
        submit: Callable[[Callable[[Result], None]], Ticket],
        gone: Gone | None,
        on_end: Callable[[Listening], None] = lambda _: None,
    ) -> None:
        self._queue: asyncio.Queue[Result] = asyncio.Queue()
        self._gone, self._on_end = gone, on_end
        self._first: list[Audio | Lengths] = []
        self.began = self._looked = time.monotonic()
        self.sound_s = 0.0
        self.first_s: float | None = None
        self.outcome = ""
        loop = asyncio.get_running_loop()

        def deliver(result: Result) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._queue.put_nowait, result)

        self._ticket = submit(deliver)

    async def ready(self) -> None:
        """Wait for the first result: what cannot be spoken fails here, before any of it is passed on."""
        async for result in self:
            self._first.append(result)
            return

    def __aiter__(self) -> AsyncIterator[Audio | Lengths]:
        return self

    async def __anext__(self) -> Audio | Lengths:
        if self._first:
            return self._first.pop()
        if self.outcome:
            raise StopAsyncIteration
        result = await self._next()
        if result is None or isinstance(result, BaseException):
            self._end("done" if result is None else "failed")
            if result is not None:
                raise result
            raise StopAsyncIteration
        if isinstance(result, Audio):
            self.first_s = self.first_s or time.monotonic() - self.began
            self.sound_s += result.duration
            self._ticket.taken(result.duration)
        return result

    async def _next(self) -> Result:
        try:
            while self._gone is not None:
                if time.monotonic() - self._looked > _LOOK_S:
                    self._looked = time.monotonic()
                    if await self._gone():
                        raise GoneError("The client has left.")
                with contextlib.suppress(asyncio.TimeoutError):
                    return await asyncio.wait_for(self._queue.get(), _LOOK_S)
            return await self._queue.get()
        except (asyncio.CancelledError, GoneError):
            self.cancel()
            raise

    def heard(self) -> None:
        """From now on the transport itself notices who leaves."""
        self._gone = None

    def wake(self) -> None:
        """There is more text."""
        self._ticket.wake()

    def cancel(self) -> None:
        """Stop the work; harmless at any time."""
        self._ticket.cancel()
        self._end("cancelled")

    def _end(self, outcome: str) -> None:
        if not self.outcome:
            self.outcome = outcome
            self._on_end(self)


class Speech:
    """Speaks orders."""

    def __init__(
        self,
        catalogue: Catalogue,
        front_end: FrontEnd,
        scheduler: Scheduler,
        precisions: Precisions,
        on_end: Callable[[Order, Listening], None] = lambda *_: None,
    ) -> None:
        self.catalogue, self.front_end, self.scheduler = catalogue, front_end, scheduler
        self.precisions, self._on_end = precisions, on_end

    async def listen(self, order: Order, gone: Gone | None = None) -> Listening:
        """Start an order. Raises BusyError, or what the voice raises when it is loaded."""
        loaded = await self._loaded(order)
        steps = self._steps(loaded, order)
        return Listening(
            lambda deliver: self.scheduler.submit(steps, deliver, live=order.live),
            gone,
            lambda listening: self._on_end(order, listening),
        )

    async def whole(self, order: Order, gone: Gone | None = None) -> Audio:
        """All of an order; ended early if the one who asked leaves."""
        listening = await self.listen(order, gone)
        pieces = [piece async for piece in listening if isinstance(piece, Audio)]
        return join(pieces, order.choice.voice.sample_rate)

    async def lengths(self, order: Order, gone: Gone | None = None) -> list[Lengths]:
        """How long each sentence of an order would last."""
        loaded = await self._loaded(order)
        steps = length_steps(loaded, self._sentences(order), self._options(order))
        listening = Listening(lambda deliver: self.scheduler.submit(steps, deliver, live=True), gone)
        return [item async for item in listening if isinstance(item, Lengths)]

    async def _loaded(self, order: Order) -> LoadedVoice:
        key = order.choice.voice.key
        if order.precision is not None:
            return await asyncio.to_thread(self.precisions.load, key, order.precision)
        if self.catalogue.is_loaded(key):
            return self.catalogue.load(key)
        return await asyncio.to_thread(self.catalogue.load, key)

    def _steps(self, loaded: LoadedVoice, order: Order) -> Steps:
        chunks = _Growing(self.scheduler) if order.live else _even
        return speak_steps(loaded, self._sentences(order), self._options(order), chunks, self._assist)

    def _sentences(self, order: Order) -> Iterator[Sentence | Waiting]:
        return self.front_end.sentences(order.text) if isinstance(order.text, str) else order.text

    def _options(self, order: Order) -> SynthesisOptions:
        return order.options.changed(speaker=order.choice.speaker.name, style=order.choice.style.name)

    def _assist(self, text: str) -> str:
        return self.front_end.phonemize(text).text


class _Growing:
    """Chunks of one request: small first for an early sound, then as large as a turn may last."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._next = scheduler, 0

    def __call__(self, frames: int) -> list[int]:
        """Sizes that sum to the frames of the next sentence."""
        alone = self._scheduler.load <= 1
        self._next = self._next or (_FIRST_CHUNK_FRAMES if alone else _FIRST_IN_COMPANY_FRAMES)
        sizes = []
        while frames > 0:
            sizes.append(min(self._next, frames))
            frames -= sizes[-1]
            self._next = min(2 * self._next, _CHUNK_FRAMES)
        return sizes


def _even(frames: int) -> list[int]:
    """Turns of equal length."""
    turns = -(-frames // _CHUNK_FRAMES)
    return [frames // turns + (i < frames % turns) for i in range(turns)]
