"""A real uvicorn on a free port of loopback, with the built-in voice."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest
from server_running import running

from sokuon.server.run import make_service
from sokuon.server.service import Service
from sokuon.server.settings import Settings


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    if "SOKUON_TEST_URL" in os.environ:
        pytest.skip("looks into the server's own process")
    return make_service([], None, Settings(port=0, threads=2, data=tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if named := os.environ.get("SOKUON_TEST_URL"):  # a server that runs elsewhere: tests/cluster
        yield named
        return
    with running(request.getfixturevalue("service")) as url:
        yield url


@pytest.fixture(scope="session")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def style(http: httpx.Client) -> int:
    """A style id of the built-in voice."""
    return int(http.get("/speakers").json()[0]["styles"][0]["id"])
