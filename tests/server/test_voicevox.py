"""The VOICEVOX API as its clients see it (spec http-api 7: points 1 to 8)."""

from __future__ import annotations

import io
import wave

import httpx
import pytest

TEXT = "こんにちは、世界。"


def test_json_replies_name_no_charset(http: httpx.Client) -> None:
    for path in ("/version", "/speakers", "/core_versions"):
        assert http.get(path).headers["content-type"] == "application/json"
    assert http.get("/version").text.startswith('"')


@pytest.mark.parametrize("body", [None, b"", b"null", b"{}"])
@pytest.mark.parametrize("kind", [None, "application/json", "application/octet-stream"])
def test_audio_query_takes_any_body(http: httpx.Client, style: int, body: bytes | None, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    reply = http.post("/audio_query", params={"speaker": style, "text": TEXT}, content=body, headers=headers)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["kana"] == TEXT


def test_round_trip(http: httpx.Client, style: int) -> None:
    query = http.post("/audio_query", params={"text": TEXT, "speaker": style})
    for headers in ({"content-type": "application/json"}, {}):
        sound = http.post("/synthesis", params={"speaker": style}, content=query.content, headers=headers)
        assert sound.status_code == 200
        assert sound.headers["content-type"] == "audio/wav"
        with wave.open(io.BytesIO(sound.content)) as file:
            assert file.getnframes() * 2 == len(sound.content) - 44
            assert file.getframerate() == query.json()["outputSamplingRate"]


def test_unknown_style_is_404_and_small_ids_are_aliases(http: httpx.Client) -> None:
    assert http.post("/audio_query", params={"text": TEXT, "speaker": 1}).status_code == 200
    assert http.post("/audio_query", params={"text": TEXT, "speaker": 46}).status_code == 200
    reply = http.post("/audio_query", params={"text": TEXT, "speaker": 2**31 - 1})
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/json"
    assert isinstance(reply.json()["detail"], str)
