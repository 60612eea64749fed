"""Stand-ins on loopback for the places voices are fetched from, which can be told to fail."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Answer:
    """What a stand-in answers; `cut` closes the connection after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: threading.Event | None = None


@dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


class Server:
    """Answers by `answer`; `faults` are taken first, one for each request whose path holds the key."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.seen: list[Request] = []
        self.faults: list[tuple[str, Answer]] = []
        self._answer = answer
        self._lock = threading.Lock()
        self.url = ""

    def reply(self, request: Request) -> Answer:
        with self._lock:
            self.seen.append(request)
            for index, (key, fault) in enumerate(self.faults):
                if key in f"{request.method} {request.path}":
                    del self.faults[index]
                    if fault.cut is not None or fault.stall is not None:  # the right answer, but not all of it
                        return Answer(**{**vars(self._answer(request)), "cut": fault.cut, "stall": fault.stall})
                    return fault
        return self._answer(request)

    def count(self, key: str) -> int:
        """How many requests had `key` in method and path."""
        return sum(key in f"{request.method} {request.path}" for request in self.seen)


@contextmanager
def serving(answer: Callable[[Request], Answer]) -> Iterator[Server]:
    """A server on a port of its own."""
    server = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._serve()

        def do_HEAD(self) -> None:
            self._serve()

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            headers = {key.lower(): value for key, value in self.headers.items()}
            reply = server.reply(Request(self.command, parts.path, parse_qs(parts.query), headers))
            self.send_response(reply.status)
            for key, value in reply.headers.items():
                self.send_header(key, value)
            if "content-length" not in {key.lower() for key in reply.headers}:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            body = reply.body if reply.cut is None else reply.body[: reply.cut]
            self.wfile.write(body)
            self.wfile.flush()
            if reply.stall is not None:
                reply.stall.wait(60)
            if reply.cut is not None:
                self.close_connection = True
                self.connection.close()

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Connections that the test cut."""

    with Quiet(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()


def ranged(request: Request, body: bytes, etag: str, **headers: str) -> Answer:
    """A file, or the part of it that was asked for if it is still the same."""
    known = {"ETag": f'"{etag}"', "Accept-Ranges": "bytes", **headers}
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    unchanged = request.headers.get("if-range", f'"{etag}"').strip('"') == etag
    if not asked or not unchanged:
        return Answer(200, body, known)
    start = int(asked[1])
    if start >= len(body):
        return Answer(416, b"", known)
    end = min(int(asked[2]) + 1, len(body)) if asked[2] else len(body)
    known["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
    return Answer(206, body[start:end], known)


@dataclass
class Hub:
    """A Hugging Face hub with one repository; large files (LFS) redirect to another path."""

    files: dict[str, bytes]
    repo: str = "someone/voices"
    commit: str = COMMIT
    licence: str = "cc-by-sa-4.0"
    token: str | None = None
    large: int = 1000

    def __call__(self, request: Request) -> Answer:
        known = self.token is None or request.headers.get("authorization") == f"Bearer {self.token}"
        if not known and not request.path.startswith("/lfs/"):
            return Answer(401, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Invalid credentials"})
        if request.path.startswith("/lfs/"):
            sha = request.path.removeprefix("/lfs/")
            body = next(data for data in self.files.values() if hashlib.sha256(data).hexdigest() == sha)
            return ranged(request, body, sha)
        if request.path.startswith(f"/api/models/{self.repo}"):
            return self._info(request)
        found = re.fullmatch(rf"/{self.repo}/resolve/([^/]+)/(.+)", request.path)
        if found:
            return self._resolve(request, found[1], found[2])
        return Answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _info(self, request: Request) -> Answer:
        revision = request.path.partition("/revision/")[2] or "main"
        if revision not in ("main", "v1", self.commit):
            return Answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        siblings = []
        for path, data in self.files.items():
            item: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": hashlib.sha1(data).hexdigest()}
            if len(data) >= self.large:
                item["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            siblings.append(item)
        body = {
            "id": self.repo, "modelId": self.repo, "sha": self.commit, "private": False, "tags": [], "downloads": 0,
            "likes": 0, "siblings": siblings, "cardData": {"license": self.licence},
        }  # fmt: skip
        return Answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _resolve(self, request: Request, revision: str, path: str) -> Answer:
        if revision not in ("main", "v1", self.commit):
            return Answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if path not in self.files:
            return Answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.commit})
        data = self.files[path]
        commit = {"X-Repo-Commit": self.commit}
        if len(data) < self.large:
            return ranged(request, data, hashlib.sha1(data).hexdigest(), **commit)
        sha = hashlib.sha256(data).hexdigest()
        place = f"http://localhost:{request.headers['host'].rpartition(':')[2]}/lfs/{sha}"  # as from another server
        linked = {"X-Linked-Etag": f'"{sha}"', "X-Linked-Size": str(len(data)), "Location": place}
        return Answer(302, b"", {**commit, **linked})


@dataclass
class Aivis:
    """AivisHub with one model."""

    uuid: str
    files: dict[str, bytes]  # model_type → file
    withdrawn: bool = False
    checksum: str | None = None

    def __call__(self, request: Request) -> Answer:
        if request.path == "/v1/aivisspeech/forced-removal-rules":
            rules = [{"model_uuid": self.uuid, "reason": "rights"}] if self.withdrawn else []
            return Answer(200, json.dumps({"rules": rules}).encode())
        if request.path == f"/v1/aivm-models/{self.uuid}":
            return Answer(200, json.dumps(self._model()).encode())
        if request.path == f"/v1/aivm-models/{self.uuid}/download":
            kind = request.query["model_type"][0]
            return Answer(302, b"", {"Location": f"/files/{kind}"})
        if request.path.startswith("/files/"):
            body = self.files[request.path.removeprefix("/files/")]
            return ranged(request, body, hashlib.md5(body).hexdigest())
        return Answer(404)

    def _model(self) -> dict[str, Any]:
        return {
            "aivm_model_uuid": self.uuid,
            "name": "試験",
            "model_files": [
                {
                    "model_type": kind, "version": version, "file_size": len(data), "license_type": "ACML 1.0",
                    "license_text": None, "checksum": self.checksum or hashlib.sha256(data).hexdigest(),
                }
                for kind, data in self.files.items() for version in ("1.0.0", "1.2.0")
            ],
        }  # fmt: skip
