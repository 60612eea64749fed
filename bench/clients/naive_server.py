"""The usual speech server, to compare with: FastAPI, one lock, `speak`, the whole sound at the end."""

from __future__ import annotations

import argparse
import threading
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response

import sokuon
from sokuon.audio.formats import pcm16
from sokuon.audio.resample import resample


def main() -> None:
    """Serve /v1/audio/speech (pcm) and /health."""
    parser = argparse.ArgumentParser()
    parser.add_argument("voice", nargs="?")
    parser.add_argument("--bert")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    engine, lock, app = sokuon.load(options.voice, bert=options.bert), threading.Lock(), FastAPI()

    @app.post("/v1/audio/speech")
    def speech(body: dict[str, Any]) -> Response:
        with lock:
            audio = engine.speak(body["input"])
        return Response(pcm16(resample(audio.samples, audio.sample_rate, 24000)), media_type="audio/pcm")

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    uvicorn.run(app, port=options.port, log_level="error")


if __name__ == "__main__":
    main()
