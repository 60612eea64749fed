"""Style-Bert-VITS2's API as its clients see it (spec http-api 7: points 9 and 10)."""

from __future__ import annotations

import io
import urllib.parse
import wave
from typing import Any

import httpx
import numpy as np
import pytest

from sokuon.storage.tensors import F32

TEXT = "こんにちは、世界。"


def spoken(http: httpx.Client, method: str = "GET", **parameters: Any) -> F32:
    reply = http.request(method, "/voice", params={"text": TEXT, **parameters})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(reply.content)) as file:
        assert (file.getnframes() * 2, file.getnchannels()) == (len(reply.content) - 44, 1)
    return np.frombuffer(reply.content[44:], "<i2").astype(np.float32) / 32767


def test_both_methods_and_full_scale(http: httpx.Client) -> None:
    get, post = spoken(http), spoken(http, "POST")
    assert np.array_equal(get, post)
    assert np.abs(get).max() == pytest.approx(1.0, abs=1e-3)


def test_names_win_over_numbers_and_any_language_is_japanese(http: httpx.Client) -> None:
    by_name = spoken(http, model_name="Sokuon", model_id=7, language="EN", style="Calm")
    assert not np.array_equal(by_name[:1000], spoken(http)[:1000]) or len(by_name) != len(spoken(http))


def test_parameters_shape_the_speech(http: httpx.Client) -> None:
    plain = spoken(http)
    assert len(spoken(http, length=2.0)) > 1.7 * len(plain)
    assert not np.array_equal(spoken(http, assist_text="楽しい！やったー！"), plain)
    assert np.array_equal(spoken(http, assist_text="楽しい！", assist_text_weight=0.0), plain)
    assert len(spoken(http, sdp_ratio=1.0)) != len(plain)


def test_lines_are_split_by_the_asked_silence(http: httpx.Client) -> None:
    short, long = (len(spoken(http, text="はい。\nいいえ。", split_interval=s)) for s in (0.5, 2.0))
    assert long - short == pytest.approx(1.5 * 24000, abs=2)
    for text in ("\n\n", " ", "…"):
        spoken(http, text=text)


def test_doubly_encoded_text(http: httpx.Client) -> None:
    assert np.array_equal(spoken(http, text=urllib.parse.quote(TEXT), encoding="utf-8"), spoken(http))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("model_id", 5), ("model_id", -1), ("model_name", "../etc"), ("speaker_id", 9), ("speaker_name", "x"),
        ("style", "Angry?"), ("reference_audio_path", "/etc/passwd"), ("encoding", "no-codec"),
    ],
)  # fmt: skip
def test_unknown_names_are_422_with_their_place(http: httpx.Client, parameter: str, value: object) -> None:
    reply = http.get("/voice", params={"text": TEXT, parameter: value})
    assert reply.status_code == 422
    problem = reply.json()["detail"][0]
    assert problem["type"] == "invalid_params"
    assert problem["loc"] == ["query", parameter]


def test_missing_and_impossible_values_are_422(http: httpx.Client) -> None:
    assert http.get("/voice").status_code == 422
    for parameter in ("length", "noise", "style_weight"):
        assert http.get("/voice", params={"text": TEXT, parameter: "nan"}).status_code == 422
    assert http.get("/voice", params={"text": "あ" * 5000}).status_code in (413, 414)


def test_models_info_names_no_place_of_this_machine(http: httpx.Client) -> None:
    info = http.get("/models/info").json()
    assert list(info) == ["0"]
    assert set(info["0"]) == {"config_path", "model_path", "device", "spk2id", "id2spk", "style2id"}
    assert not info["0"]["config_path"].startswith("/")
    assert list(info["0"]["style2id"]) == ["Neutral", "Calm", "Lively"]
    assert http.post("/models/refresh").json() == info


def test_status_and_g2p(http: httpx.Client) -> None:
    assert http.get("/status").json()["devices"] == ["cpu"]
    assert http.post("/g2p", params={"text": "はし。"}).json()[0][0] == "ハ"
    assert http.get("/tools/get_audio", params={"path": "/etc/x.wav"}).status_code == 404
