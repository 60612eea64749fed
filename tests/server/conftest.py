"""A real uvicorn on a free port of loopback, with the built-in voice."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from sokuon.server.app import create_app
from sokuon.server.run import make_service, server_config
from sokuon.server.service import Service
from sokuon.server.settings import Settings


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


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return make_service([], None, Settings(port=0, threads=2, data=tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def url(service: Service) -> Iterator[str]:
    with running(service) as url:
        yield url


@pytest.fixture(scope="session")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def style(http: httpx.Client) -> int:
    """A style id of the built-in voice."""
    return int(http.get("/speakers").json()[0]["styles"][0]["id"])


@pytest.fixture
def tiny_folder(converted: Path) -> Path:
    return converted
