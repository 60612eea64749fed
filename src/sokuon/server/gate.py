"""What every request passes before any handler: Host, Origin, key, length of the body; and the request's id.

A browser page of another site can send simple requests to this machine without asking (and after DNS rebinding even
read the answers), so foreign origins and hosts are refused before the work, not after it. Pure ASGI: nothing is
buffered.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import uuid
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sokuon.server.errors import respond
from sokuon.server.settings import Settings

_LOCAL = r"(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.localhost|127\.0\.0\.1|\[::1\])"
_LOCAL_HOST = re.compile(rf"{_LOCAL}\.?(?::\d{{1,5}})?", re.IGNORECASE)
_LOCAL_ORIGIN = re.compile(
    rf"app://\.|[a-z][a-z0-9+.-]*://{_LOCAL}(?::\d{{1,5}})?"
    r"|(?:chrome|moz|ms-browser|safari|safari-web)-extension://[A-Za-z0-9.-]+",
    re.IGNORECASE,
)
_LOOPBACK = frozenset(["127.0.0.1", "::1", "localhost"])
_OPEN = frozenset([
    "/health", "/v1/audio/voices", "/v1/audio/models",  # Open WebUI reads the lists without its key
    "/", "/index.html", "/page.js", "/page.css", "/icon.svg",  # the studio, which then asks for the key
])  # fmt: skip
_BODY_S = 30.0  # between two parts of a body
CSP = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host in _LOOPBACK or host.startswith("127.")


def allows_origin(settings: Settings, origin: str) -> bool:
    """VOICEVOX's `localapps` and what the settings add."""
    return "*" in settings.origins or origin in settings.origins or bool(_LOCAL_ORIGIN.fullmatch(origin))


class Gate:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._checks_host = is_loopback(settings.host)
        self._hosts = {host.lower() for host in settings.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope.setdefault("state", {})["request_id"] = request_id = uuid.uuid4().hex
        refusal = self._refusal(scope, headers)
        if refusal is None and _is_preflight(scope, headers):
            refusal = (204, "")
        foreign = refusal is not None and refusal[0] == 403
        answer = self._answering(send, None if foreign else headers.get("origin"), request_id)
        if refusal is not None:
            await _refuse(scope, receive, answer, *refusal)
            return
        await self._app(scope, receive if scope["type"] == "websocket" else self._bounded(receive), answer)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host, origin, path = headers.get("host", ""), headers.get("origin"), scope["path"]
        if self._checks_host and host and not _LOCAL_HOST.fullmatch(host) and host.lower() not in self._hosts:
            return 403, "Host not allowed"
        if origin is not None and not self._same_origin(origin, host) and not allows_origin(self._settings, origin):
            return 403, "Origin not allowed"
        if scope["type"] == "http" and scope["method"] == "OPTIONS" and origin is not None:
            return None  # a preflight carries no key
        if path not in _OPEN and not self._has_key(headers, scope):
            return 401, "The API key is missing or wrong; send it as Authorization: Bearer, or as X-API-Key."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._settings.body_bytes:
            return 413, f"The body is longer than {self._settings.body_bytes} bytes."
        return None

    def _same_origin(self, origin: str, host: str) -> bool:
        """This server's own page, under a name it is meant to be reached by."""
        return not self._checks_host and bool(host) and origin in (f"http://{host}", f"https://{host}")

    def _has_key(self, headers: Mapping[str, str], scope: Scope) -> bool:
        wanted = self._settings.api_key
        if wanted is None:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        if scope["type"] == "websocket" and not given:  # a browser can give its WebSocket no headers
            given = QueryParams(scope["query_string"]).get("api_key", "")
        return hmac.compare_digest(given.encode(), wanted.encode())

    def _answering(self, send: Send, origin: str | None, request_id: str) -> Send:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["x-content-type-options"] = "nosniff"
                headers["content-security-policy"] = headers.get("content-security-policy", CSP)
                if origin is not None:
                    headers["access-control-allow-origin"] = origin  # foreign ones have not come this far
                    headers["access-control-expose-headers"] = "x-request-id"
                    headers.add_vary_header("Origin")
            await send(message)

        return answer

    def _bounded(self, receive: Receive) -> Receive:
        """Ends a body that grows beyond the bound without having named its length, or does not come."""
        left, comes = self._settings.body_bytes, True

        async def bounded() -> Message:
            nonlocal left, comes
            try:
                message = await asyncio.wait_for(receive(), _BODY_S) if comes else await receive()
            except asyncio.TimeoutError:
                return {"type": "http.disconnect"}
            if message["type"] == "http.request":
                comes = bool(message.get("more_body"))
                left -= len(message.get("body", b""))
                if left < 0:
                    return {"type": "http.disconnect"}
            return message

        return bounded


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["type"] == "http" and scope["method"] == "OPTIONS" and "access-control-request-method" in headers


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, message: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": message})
        return
    if status == 204:
        allowed = Headers(scope=scope).get("access-control-request-headers", "")
        allow = {
            "access-control-allow-methods": "GET, POST, PUT, DELETE, OPTIONS",
            "access-control-allow-headers": allowed[:1000],
            "access-control-max-age": "600",
        }
        pairs = [(key.encode(), value.encode("latin-1", "replace")) for key, value in allow.items()]
        await send({"type": "http.response.start", "status": 204, "headers": pairs})
        await send({"type": "http.response.body"})
        return
    code = "invalid_api_key" if status == 401 else None
    await respond(scope["path"], status, message, None, code)(scope, receive, send)
