"""AIAvatarKit (aiavatar): its VOICEVOX and OpenAI synthesizers, as a talking avatar uses them."""

import asyncio
import io
import sys
import wave
from importlib.metadata import version

from aiavatar.sts.tts.openai import OpenAISpeechSynthesizer
from aiavatar.sts.tts.voicevox import VoicevoxSpeechSynthesizer

URL = sys.argv[1]


async def main() -> None:
    voicevox = VoicevoxSpeechSynthesizer(base_url=URL, speaker=0)
    speakers = (await voicevox.http_client.get(f"{URL}/speakers")).json()
    voicevox.speaker = speakers[0]["styles"][0]["id"]
    plain = await voicevox.synthesize("こんにちは、世界。")
    lively = await voicevox.synthesize("こんにちは、世界。", {"styled_text": "[face:joy]こんにちは"})
    spoken = await OpenAISpeechSynthesizer(openai_api_key="none", base_url=f"{URL}/v1", speaker="alloy").synthesize(
        "こんにちは、世界。"
    )
    for sound in (plain, lively, spoken):
        with wave.open(io.BytesIO(sound)) as file:
            assert file.getnframes() / file.getframerate() > 0.5
    print("aiavatar", version("aiavatar"))


asyncio.run(main())
