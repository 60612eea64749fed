"""livekit-plugins-openai (PyPI): PCM over server-sent events, and MP3."""

import asyncio
import sys
from importlib.metadata import version

from livekit.agents.utils import http_context
from livekit.plugins.openai import TTS


async def main() -> None:
    http_context._new_session_ctx()
    for format, model in (("pcm", "gpt-4o-mini-tts"), ("mp3", "tts-1"), ("wav", "tts-1")):
        tts = TTS(base_url=f"{sys.argv[1]}/v1", api_key="x", model=model, voice="ash", response_format=format)
        frames = [event.frame async for event in tts.synthesize("こんにちは、世界。")]
        seconds = sum(frame.duration for frame in frames)
        assert 1.0 < seconds < 3.0, seconds
        await tts.aclose()


asyncio.run(main())
print("livekit-plugins-openai", version("livekit-plugins-openai"))
