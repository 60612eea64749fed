"""openai (PyPI)."""

import io
import sys
import wave

import openai
from openai import OpenAI

client = OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="x")
text = "こんにちは、世界。"
for format in ("mp3", "opus", "flac", "wav", "pcm"):
    reply = client.audio.speech.create(model="tts-1", voice="alloy", input=text, response_format=format)
    assert len(reply.content) > 3000
voice = {"id": "Sokuon/Calm"}
with client.audio.speech.with_streaming_response.create(
    model="gpt-4o-mini-tts", voice=voice, input=text, response_format="wav", instructions="cheerful", speed=1.2
) as reply:
    pieces = list(reply.iter_bytes(2048))
with wave.open(io.BytesIO(b"".join(pieces))) as file:
    assert file.getframerate() == 24000
assert client.models.list().data[0].id == "sokuon"
refused = None
try:
    client.audio.speech.create(model="tts-1", voice="nobody", input=text)
except openai.BadRequestError as error:
    refused = error
assert refused is not None
assert (refused.code, refused.param) == ("voice_not_found", "voice")
assert "nobody" in refused.message
print("openai", openai.__version__)
