"""The Wyoming protocol (Home Assistant) on a port of its own: describe, synthesize, and text in pieces."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Attribution, Describe, Info, TtsProgram, TtsVoice
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped, SynthesizeVoice

import sokuon
from sokuon.audio.formats import pcm16
from sokuon.audio.sound import Audio
from sokuon.errors import SokuonError
from sokuon.server.catalogue import Choice
from sokuon.server.feed import Feed
from sokuon.server.service import Service
from sokuon.server.speech import Listening, Order

_log = logging.getLogger("sokuon.server")
_MOST_CLIENTS = 64
_MOST_BYTES = 2**20  # of one message; texts are far shorter


async def serve_wyoming(service: Service, port: int) -> AsyncTcpServer:
    """Listen on `port`; `stop` of what is returned ends it."""
    clients: set[Handler] = set()
    server = AsyncTcpServer(service.settings.host, port)
    await server.start(lambda reader, writer: Handler(reader, writer, service, clients))
    _log.info("Wyoming listens on %s:%d", service.settings.host, port)
    return server


class BoundedReader:
    """A reader of which nobody can ask to hold more than a message may have."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def readline(self) -> bytes:
        """See StreamReader, which bounds lines itself; one that is too long ends the connection."""
        try:
            return await self._reader.readline()
        except ValueError:
            return b""

    async def readexactly(self, count: int) -> bytes:
        """See StreamReader."""
        if not 0 <= count <= _MOST_BYTES:
            raise asyncio.IncompleteReadError(b"", count)
        return await self._reader.readexactly(count)

    def feed_eof(self) -> None:
        """See StreamReader."""
        self._reader.feed_eof()


class Handler(AsyncEventHandler):
    """One connection: what is asked runs beside the reading, so that a client that leaves is noticed."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        service: Service,
        clients: set[Handler],
    ) -> None:
        super().__init__(BoundedReader(reader), writer)  # type: ignore[arg-type]
        self._service, self._clients = service, clients
        self._feed: Feed | None = None
        self._listening: Listening | None = None
        self._speaking: asyncio.Task[None] | None = None
        clients.add(self)

    async def handle_event(self, event: Event) -> bool:
        """See AsyncEventHandler; False ends the connection."""
        if len(self._clients) > _MOST_CLIENTS:
            return False
        try:
            return await self._handled(event)
        except SokuonError as error:
            await self.write_event(Error(text=str(error), code=type(error).__name__).event())
            return True

    async def run(self) -> None:
        """See AsyncEventHandler; what is no message of the protocol ends the connection."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, asyncio.IncompleteReadError):
            await super().run()

    async def disconnect(self) -> None:
        """See AsyncEventHandler."""
        self._clients.discard(self)
        if self._listening is not None:
            self._listening.cancel()
        if self._speaking is not None:
            self._speaking.cancel()

    async def _handled(self, event: Event) -> bool:
        if Describe.is_type(event.type):
            await self.write_event(_info(self._service).event())
        elif Synthesize.is_type(event.type):
            if self._feed is None:  # else the whole text again, for servers that do not stream
                asked = Synthesize.from_event(event)
                await self._start(asked.voice, stopped=False)
                self._add(asked.text)
                self._end()
        elif SynthesizeStart.is_type(event.type):
            await self._start(SynthesizeStart.from_event(event).voice, stopped=True)
        elif SynthesizeChunk.is_type(event.type):
            self._add(SynthesizeChunk.from_event(event).text)
        elif SynthesizeStop.is_type(event.type):
            self._end()
        return True

    async def _start(self, voice: SynthesizeVoice | None, stopped: bool) -> None:
        if self._speaking is not None:
            await self._speaking  # one after the other, as they were asked
        choice = _choice(self._service, voice)
        self._feed = Feed(self._service.speech.front_end, self._service.settings.text_characters)
        order = Order(choice, self._feed.sentences(), api="wyoming", id=uuid.uuid4().hex)
        self._listening = await self._service.speech.listen(order)
        self._speaking = asyncio.create_task(self._speak(self._listening, choice.voice.sample_rate, stopped))

    def _add(self, text: str) -> None:
        if self._feed is not None and self._listening is not None:
            self._feed.add(text)
            self._listening.wake()

    def _end(self) -> None:
        if self._feed is not None and self._listening is not None:
            self._feed.end()
            self._listening.wake()
            self._feed = None

    async def _speak(self, listening: Listening, rate: int, stopped: bool) -> None:
        sound = {"rate": rate, "width": 2, "channels": 1}
        try:
            await self.write_event(AudioStart(**sound).event())
            async for piece in listening:
                if isinstance(piece, Audio):
                    await self.write_event(AudioChunk(audio=pcm16(piece.samples), **sound).event())
            await self.write_event(AudioStop().event())
            if stopped:
                await self.write_event(SynthesizeStopped().event())
        except SokuonError as error:
            with contextlib.suppress(OSError):
                await self.write_event(Error(text=str(error), code=type(error).__name__).event())
        except OSError:
            pass  # the client has left
        finally:
            listening.cancel()


def _choice(service: Service, voice: SynthesizeVoice | None) -> Choice:
    if voice is None or not voice.name:
        return service.catalogue.default
    choice = service.catalogue.by_name(voice.name)
    return service.catalogue.choose(choice.voice.key, voice.speaker, choice.style.name) if voice.speaker else choice


def _info(service: Service) -> Info:
    own = Attribution(name="Sokuon", url="")
    voices = [
        TtsVoice(
            name=choice.name, description=f"{choice.speaker.title} ({choice.style.name})", languages=["ja"],
            attribution=own, installed=True, version=sokuon.__version__, speakers=None,
        )
        for choice in service.catalogue.choices
    ]  # fmt: skip
    return Info(
        tts=[
            TtsProgram(
                name="sokuon", description="Japanese text-to-speech", attribution=own, installed=True,
                version=sokuon.__version__, voices=voices, supports_synthesize_streaming=True,
            )
        ]
    )  # fmt: skip
