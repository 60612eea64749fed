"""The app factory: receives what it serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.staticfiles import StaticFiles

import sokuon
from sokuon.server import errors, openai, sbv2, websocket
from sokuon.server.gate import Gate
from sokuon.server.service import Service
from sokuon.server.studio import routes as studio
from sokuon.server.voicevox import about, aivm_models
from sokuon.server.voicevox import routes as voicevox
from sokuon.server.voicevox.presets import Presets
from sokuon.server.voicevox.words import Words

STOP_S = 15.0  # for requests under way when the server is told to stop
PAGE = Path(__file__).parent / "page"


def create_app(service: Service) -> FastAPI:
    """All routes on one port."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        wyoming = await _wyoming(service)
        warming = asyncio.create_task(asyncio.to_thread(service.warm_up))
        yield
        await asyncio.wait({warming})
        if wyoming is not None:
            await wyoming.stop()
        await asyncio.to_thread(service.speech.scheduler.stop, STOP_S)

    app = FastAPI(
        lifespan=lifespan,
        title="Sokuon",
        version=sokuon.__version__,
        description="Japanese text-to-speech; compatible with the OpenAI, VOICEVOX and SBV2 APIs, unofficial.",
    )
    errors.install(app)
    app.include_router(openai.router(service))
    app.include_router(websocket.router(service))
    app.include_router(sbv2.router(service))
    presets = Presets(service.data / "presets.json")
    app.include_router(voicevox.router(service, presets))
    app.include_router(about.router(service, presets, Words(service.dictionary, service.data / "word_ids.json")))
    app.include_router(aivm_models.router(service))
    app.include_router(studio.router(service), responses=errors.PROBLEMS)

    @app.get("/health", tags=["server"])
    async def health() -> dict[str, Any]:
        """Whether this server answers, and which voices are loaded."""
        return {"status": "ok", "version": sokuon.__version__, "loaded": list(service.catalogue.loaded)}

    @app.get("/metrics", tags=["server"], response_class=Response)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    _add_page(app)
    app.add_middleware(Gate, settings=service.settings)
    return app


async def _wyoming(service: Service) -> Any:
    if service.settings.wyoming_port is None:
        return None
    from sokuon.server.wyoming import serve_wyoming

    return await serve_wyoming(service, service.settings.wyoming_port)


def _add_page(app: FastAPI) -> None:
    """The studio: its files by name, so that every other path stays what it was (/speakers/ leads to /speakers)."""
    files = StaticFiles(directory=PAGE)

    def add(path: str, name: str) -> None:
        @app.get(path, include_in_schema=False)
        async def page(request: Request) -> Response:
            return await files.get_response(name, request.scope)

    add("/", "index.html")
    for file in sorted(PAGE.iterdir()):
        add(f"/{file.name}", file.name)
