"""Puts the parts together and listens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from platformdirs import user_data_path
from starlette.types import ASGIApp

from sokuon.errors import OptionError
from sokuon.loading import warn_if_slow
from sokuon.native.library import keep_memory_together
from sokuon.networks.threads import thread_count
from sokuon.server.app import create_app
from sokuon.server.catalogue import Catalogue
from sokuon.server.gate import is_loopback
from sokuon.server.metrics import Metrics
from sokuon.server.precisions import OWN, Precisions, opener_of
from sokuon.server.scheduler import Scheduler
from sokuon.server.service import Service
from sokuon.server.settings import Settings, read_settings
from sokuon.server.speech import Speech
from sokuon.text import FrontEnd
from sokuon.text.dictionary import UserDictionary

__all__ = ["keep_memory_together", "make_service", "read_settings", "serve", "server_config", "set_up_log"]

_log = logging.getLogger("sokuon.server")
_KEEP_ALIVE_S = 30
_STOP_S = 20


def make_service(
    folders: Sequence[Path], bert: Path | None, settings: Settings, dictionary: UserDictionary | None = None
) -> Service:
    """Everything behind the routes. Raises VoiceNotFoundError, VoiceError, OptionError."""
    threads = thread_count(settings.threads)
    opener = opener_of(OWN, threads)
    warn_if_slow(opener.runtime.backend)
    catalogue = Catalogue(folders, lambda folder: opener.voice(folder, bert), settings.memory)
    scheduler = Scheduler(opener.runtime.threads, settings.queue, settings.request_s)
    metrics = Metrics(settings.log_text)
    metrics.watch(scheduler, catalogue)
    dictionary = dictionary or UserDictionary()
    precisions = Precisions(catalogue, threads, bert)
    speech = Speech(catalogue, FrontEnd(dictionary), scheduler, precisions, metrics.note)
    return Service(settings, catalogue, speech, metrics, dictionary, settings.data or user_data_path("sokuon"))


def serve(service: Service, opened: Callable[[str], None] | None = None) -> None:
    """Listen until told to stop; running requests finish within a bound. `opened` hears the address once it answers."""
    settings = service.settings
    if not is_loopback(settings.host) and settings.api_key is None:
        _log.warning("%s can be reached by other machines, and no key is asked for; set --api-key.", settings.host)
    voices = ", ".join(voice.key for voice in service.catalogue.voices[:20])
    _log.info("http://%s:%d speaks as %s; /docs lists the APIs", settings.host, settings.port, voices)
    server = uvicorn.Server(server_config(service, create_app(service)))
    if opened is not None:
        threading.Thread(target=_tell, args=(server, opened), daemon=True).start()
    server.run()


def _tell(server: uvicorn.Server, opened: Callable[[str], None]) -> None:
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.02)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    opened(f"http://{host}:{port}/")


def server_config(service: Service, app: ASGIApp) -> uvicorn.Config:
    """How uvicorn is to listen."""
    settings = service.settings
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_STOP_S,
        limit_concurrency=1000,
        ws="auto",
    )


def set_up_log(level: str) -> None:
    """Lines of time, level, name and message on standard error. Raises OptionError for an unknown level."""
    if level.lower() not in ("debug", "info", "warning", "error"):
        raise OptionError(f"the log level is {level!r}; it must be debug, info, warning or error.")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
