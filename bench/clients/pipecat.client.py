"""pipecat-ai (PyPI): its OpenAI service, PCM of 24 kHz without a header."""

import asyncio
import sys
from importlib.metadata import version

from pipecat.frames.frames import ErrorFrame, TTSAudioRawFrame
from pipecat.services.openai.tts import OpenAITTSService


async def main() -> None:
    service = OpenAITTSService(base_url=f"{sys.argv[1]}/v1", api_key="x", sample_rate=24000)
    service._sample_rate = 24000  # a pipeline sets it at its start
    heard = 0
    async for frame in service.run_tts("こんにちは、世界。", "1"):
        assert not isinstance(frame, ErrorFrame), frame
        heard += len(frame.audio) if isinstance(frame, TTSAudioRawFrame) else 0
    assert 1.0 < heard / 48000 < 3.0


asyncio.run(main())
print("pipecat-ai", version("pipecat-ai"), file=sys.stderr)
