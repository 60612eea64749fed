"""Runs the server for a test."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import uvicorn

from sokuon.server.app import create_app
from sokuon.server.run import server_config
from sokuon.server.service import Service


@contextlib.contextmanager
def running(service: Service) -> Iterator[str]:
    """The server in a thread of its own; its URL."""
    server = uvicorn.Server(server_config(service, create_app(service)))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
