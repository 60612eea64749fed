"""A real uvicorn on a free port of loopback, with the built-in voice."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from server_running import running

from sokuon.server.run import make_service
from sokuon.server.service import Service
from sokuon.server.settings import Settings


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
