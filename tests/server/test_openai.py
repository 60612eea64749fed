"""/v1 as its clients see it (spec http-api 7: points 11 to 15 and 18)."""

from __future__ import annotations

import base64
import io
import json
import wave

import httpx
import numpy as np
import pytest
import soundfile

TEXT = "こんにちは、世界。今日はいい天気ですね。"


def speak(http: httpx.Client, **body: object) -> httpx.Response:
    return http.post("/v1/audio/speech", json={"model": "tts-1", "input": TEXT, "voice": "alloy", **body})


@pytest.mark.parametrize(
    ("format", "kind"),
    [("mp3", "audio/mpeg"), ("opus", "audio/opus"), ("flac", "audio/flac"), ("wav", "audio/wav"), ("pcm", "audio/pcm")],
)
def test_every_format_holds_the_same_speech(http: httpx.Client, format: str, kind: str) -> None:
    reply = speak(http, response_format=format, stream=format != "flac")  # libsndfile wants FLAC's length
    assert reply.status_code == 200
    assert reply.headers["content-type"] == kind
    reference = np.frombuffer(speak(http, response_format="pcm").content, "<i2") / 32768
    if format == "pcm":
        sound, rate = np.frombuffer(reply.content, "<i2") / 32768, 24000
    else:
        sound, rate = soundfile.read(io.BytesIO(reply.content))
    assert len(sound) / rate == pytest.approx(len(reference) / 24000, abs=0.08)  # a coder's delay is up to 50 ms
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(np.sqrt(np.mean(reference**2)), rel=0.2)


def assert_same_sound(a: bytes, b: bytes) -> None:
    """Equal to rounding: a stream is decoded in other chunks than a file."""
    np.testing.assert_allclose(np.frombuffer(a, "<i2").astype(int), np.frombuffer(b, "<i2").astype(int), atol=1)


def test_wav_has_true_sizes_in_one_piece_and_the_placeholder_in_a_stream(http: httpx.Client) -> None:
    whole = speak(http, response_format="wav", stream=False).content
    with wave.open(io.BytesIO(whole)) as file:
        assert (file.getnframes() * 2, file.getframerate()) == (len(whole) - 44, 24000)
    stream = speak(http, response_format="wav").content
    assert stream.count(b"RIFF") == 1
    assert stream[4:8] == stream[40:44] == b"\xff\xff\xff\xff"
    assert_same_sound(stream[44:], whole[44:])


def test_streamed_flac_has_one_header(http: httpx.Client) -> None:
    stream, whole = (speak(http, response_format="flac", stream=streaming).content for streaming in (True, False))
    assert stream[:4] == b"fLaC"
    assert stream[4:18] == whole[4:8] + stream[8:18]
    assert len(stream) == pytest.approx(len(whole), rel=1e-3)


def test_events_carry_the_stream(http: httpx.Client) -> None:
    reply = speak(http, response_format="pcm", stream_format="sse")
    assert reply.headers["content-type"].partition(";")[0] == "text/event-stream"
    lines = [line for line in reply.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    events = [json.loads(line[6:]) for line in lines]
    assert [event["type"] for event in events[:-1]] == ["speech.audio.delta"] * (len(events) - 1)
    assert events[-1]["type"] == "speech.audio.done"
    assert set(events[-1]["usage"]) == {"input_tokens", "output_tokens", "total_tokens"}
    assert b"".join(base64.b64decode(e["audio"]) for e in events[:-1]) == speak(http, response_format="pcm").content


@pytest.mark.parametrize(
    "body",
    [
        {"voice": {"id": "Sokuon"}}, {"voice": "Sokuon/Calm"}, {"voice": "verse"}, {"model": "never-heard-of"},
        {"instructions": None}, {"speed": None, "response_format": None}, {"unknown_key": [1]}, {"voice": None},
    ],
)  # fmt: skip
def test_what_clients_send_is_taken(http: httpx.Client, body: dict[str, object]) -> None:
    reply = http.post("/v1/audio/speech", json={"model": "m", "input": "はい。", "voice": "alloy", **body},
                      headers={"Accept": "application/x-nothing", "Authorization": "Bearer whatever"})  # fmt: skip
    assert reply.status_code == 200, reply.text
    assert len(reply.content) > 1000


@pytest.mark.parametrize(
    ("body", "param", "status"),
    [
        ({"voice": "nobody"}, "voice", 400), ({"input": ""}, "input", 400), ({"input": "あ" * 4097}, "input", 400),
        ({"speed": 9}, "speed", 400), ({"response_format": "midi"}, "response_format", 400),
        ({"input": 3}, "input", 400),
    ],
)  # fmt: skip
def test_errors_have_the_shape_of_the_sdks(
    http: httpx.Client, body: dict[str, object], param: str, status: int
) -> None:
    reply = speak(http, **body)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-should-retry"] == "false"
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"


def test_not_a_number_is_refused(http: httpx.Client) -> None:
    body = '{"model": "tts-1", "input": "はい", "voice": "alloy", "speed": NaN}'
    reply = http.post("/v1/audio/speech", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert "speed" in reply.json()["error"]["message"]


def test_models(http: httpx.Client) -> None:
    models = http.get("/v1/models").json()
    assert models["object"] == "list"
    one = models["data"][0]
    assert isinstance(one["created"], int)
    assert http.get(f"/v1/models/{one['id']}").json() == one
    assert http.get("/v1/models/some/thing").status_code == 404
    assert http.get("/v1/models/some/thing").json()["error"]["code"] == "model_not_found"


def test_voice_lists_fill_the_known_pickers(http: httpx.Client) -> None:
    voices = http.get("/v1/audio/voices").json()
    assert voices["voices"] == voices["data"]
    for voice in voices["voices"]:
        assert "," not in voice["id"]
        assert isinstance(voice["name"], str)
    ids = [voice["id"] for voice in voices["voices"]]
    assert "Sokuon/Calm" in {"/".join((i.split("/")[0], i.split("/")[2])) for i in ids}
    assert http.get("/v1/audio/models").json()["models"][0]["id"]


def test_probes_that_would_take_this_for_another_server_find_nothing(http: httpx.Client) -> None:
    assert http.get("/v1/readyz").status_code == 404
    assert http.get("/v1/test").status_code == 404
    assert http.get("/health").json()["status"] == "ok"
