"""Errors → HTTP, in each API's own shape; the one place that knows status codes."""

from __future__ import annotations

import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sokuon.errors import SokuonError, VoiceError
from sokuon.server.catalogue import UnknownVoiceError
from sokuon.server.scheduler import BusyError, StoppedError, TooSlowError

_PATH = re.compile(r"(?<![\w./])/(?:[^\s/'\"]+/)+[^\s'\",;]*")  # of this machine: nobody's business
_log = logging.getLogger("sokuon.server")


_DETAIL = {"type": "object", "required": ["detail"], "properties": {"detail": {}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {"application/json": {"schema": _DETAIL}},
    }
    for status, text in ((400, "Bad kana"), (404, "Unknown"), (413, "Too long"), (422, "Bad input"), (503, "Busy"))
}
"""What /docs says of errors outside of /v1: `detail` is a sentence, or a list of problems with their places."""


class GoneError(SokuonError):
    """Who asked has left: nobody reads the answer, and nothing is wrong."""


class RequestError(SokuonError):
    """A request that cannot be served: status, sentence, and for OpenAI the parameter and a code."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


def openai_error(status: int, message: str, param: str | None = None, code: str | None = None) -> JSONResponse:
    """The error object of the OpenAI API; where a retry is useless, the SDKs are told so."""
    kind = (
        "invalid_request_error"
        if status < 500 and status != 429
        else "rate_limit_error"
        if status == 429
        else "server_error"
    )
    headers = {"Retry-After": "1"} if status in (429, 503) else {"x-should-retry": "false"}
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, headers)


def plain_error(status: int, detail: Any) -> JSONResponse:
    """`{"detail": …}`, as VOICEVOX and Style-Bert-VITS2 answer."""
    return JSONResponse({"detail": detail}, status, {"Retry-After": "1"} if status in (429, 503) else None)


def respond(path: str, status: int, message: str, param: str | None = None, code: str | None = None) -> JSONResponse:
    """An error in the shape of the API that owns `path`."""
    return openai_error(status, message, param, code) if path.startswith("/v1/") else plain_error(status, message)


def status_of(error: SokuonError, path: str) -> int:
    """HTTP status of one of our errors."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, GoneError):
        return 499  # as nginx notes it
    if isinstance(error, BusyError | StoppedError):
        return 503
    if isinstance(error, TooSlowError):
        return 504 if not path.startswith("/v1/") else 408
    if isinstance(error, UnknownVoiceError):
        return 400 if path.startswith("/v1/") else 404
    if isinstance(error, VoiceError):
        return 500
    return 400 if path.startswith("/v1/") else 422


def install(app: FastAPI) -> None:
    """Handlers for everything that may be raised."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [{"type": e["type"], "loc": list(e["loc"]), "msg": e["msg"]} for e in error.errors()]
        if not request.url.path.startswith("/v1/"):
            return plain_error(422, problems)  # without "input": neither NaN nor ten megabytes go back
        first = problems[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or None
        return openai_error(400, f"{field or 'body'}: {first['msg']}", field, "invalid_value")

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return respond(request.url.path, error.status_code, str(error.detail))

    @app.exception_handler(SokuonError)
    async def ours(request: Request, error: SokuonError) -> JSONResponse:
        path = request.url.path
        param, code = getattr(error, "param", None), getattr(error, "code", None)
        if isinstance(error, UnknownVoiceError):
            param, code = "voice", "voice_not_found"
        return respond(path, status_of(error, path), _PATH.sub("a file", str(error)), param, code)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        _log.error("internal error in %s", request.url.path, exc_info=error)
        return respond(request.url.path, 500, "Internal Server Error")
