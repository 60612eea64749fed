"""voicevox-client (PyPI)."""

import asyncio
import sys
from importlib.metadata import version

from vvclient import Client


async def main() -> None:
    async with Client(sys.argv[1]) as client:
        query = await client.create_audio_query("こんにちは、世界。", speaker=1)
        wave = await query.synthesis(speaker=1)
        assert wave[:4] == b"RIFF"
        assert len(wave) > 20000
        assert (await client.fetch_engine_version()).count(".") == 2
        assert await client.fetch_core_versions() == ["0.0.0"]
        await client.init_speaker(1)
        assert await client.is_inited_speaker(1)


asyncio.run(main())
print("voicevox-client", version("voicevox-client"))
