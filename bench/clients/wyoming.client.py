"""wyoming (PyPI), as Home Assistant uses it."""

import asyncio
import sys
from importlib.metadata import version

from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize


async def main() -> None:
    async with AsyncTcpClient("127.0.0.1", int(sys.argv[2])) as client:
        await client.write_event(Describe().event())
        assert Info.from_event(await client.read_event()).tts[0].voices
        await client.write_event(Synthesize("こんにちは、世界。").event())
        heard = 0
        while not AudioStop.is_type((event := await client.read_event()).type):
            heard += len(AudioChunk.from_event(event).audio) if AudioChunk.is_type(event.type) else 0
        assert heard > 20000


asyncio.run(main())
print("wyoming", version("wyoming"))
