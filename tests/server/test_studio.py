"""The studio's routes: what the page is told is what is spoken."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from server_running import running
from starlette.testclient import TestClient

from sokuon.server.app import PAGE, create_app
from sokuon.server.run import make_service
from sokuon.server.settings import Settings
from sokuon.server.studio.about import style_map
from sokuon.voices.builtin import BUILTIN, builtin_bert

TEXT = "雨が降る。"
FRAME_S = 0.0125  # of the built-in voice


def phrases(http: httpx.Client, **line: Any) -> list[dict[str, Any]]:
    return list(http.post("/studio/read", json={"text": TEXT, **line}).raise_for_status().json()["phrases"])


def spoken(http: httpx.Client, **line: Any) -> tuple[list[dict[str, Any]], np.ndarray]:
    data = http.post("/studio/speak", json={"text": TEXT, **line}).raise_for_status().content
    heads, samples = [], []
    while data:
        head, sound = struct.unpack_from("<II", data)
        heads.append(json.loads(data[8 : 8 + head]))
        samples.append(np.frombuffer(data[8 + head : 8 + head + sound], "<i2"))
        data = data[8 + head + sound :]
    return heads, np.concatenate(samples)


def given(read: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"moras": [{"text": m["text"], "tone": m["tone"], "seconds": None} for m in p["moras"]]} for p in read]


def test_sentences_are_the_text(http: httpx.Client) -> None:
    text = "一つ。[pause 300ms]二つ！\n{橋|ハシ|2}を渡る?" + "長い" * 300
    found = http.post("/studio/sentences", json={"texts": [text, " "]}).json()["sentences"]
    assert "".join(found[0]) == text.replace("\n", "")
    assert len(found[0]) > 3
    assert found[1] == []


def test_blank_lines_make_a_longer_pause(http: httpx.Client) -> None:
    assert http.post("/studio/sentences", json={"texts": ["一。\n\n二。"]}).json()["sentences"] == [["一。", "二。"]]
    plain, paragraph = (spoken(http, text=text, next="はい。")[0][-1]["gap"] for text in (TEXT, TEXT + "\n\n"))
    assert paragraph > plain + 0.2


def test_lengths_that_are_read_are_the_lengths_that_are_spoken(http: httpx.Client) -> None:
    read = sum(s for p in phrases(http) for m in p["moras"] for s in m["seconds"])
    heads, samples = spoken(http)
    outer = heads[-1]["seconds"] - read  # the silence at both ends
    assert 0 < outer < 0.5
    assert len(samples) / 24000 == pytest.approx(heads[-1]["seconds"], abs=1e-3)
    assert "".join(w[0] for h in heads[:-1] for w in h["words"]) == TEXT


def test_a_reading_given_back_as_it_is_changes_nothing(http: httpx.Client) -> None:
    read = phrases(http)
    again = phrases(http, phrases=given(read))
    assert [p["moras"] for p in again] == [p["moras"] for p in read]
    np.testing.assert_array_equal(spoken(http, phrases=given(read))[1], spoken(http)[1])


def test_given_lengths_and_tones_are_obeyed(http: httpx.Client) -> None:
    own = given(phrases(http))
    own[0]["moras"][0] |= {"tone": 0, "seconds": [0.4]}
    read = phrases(http, phrases=own)
    assert read[0]["moras"][0]["seconds"][0] == pytest.approx(0.4, abs=FRAME_S)
    assert read[0]["moras"][0]["tone"] == 0


def test_a_pause_is_what_is_asked_for_less_what_is_there(http: httpx.Client) -> None:
    none, long = (spoken(http, pause=seconds)[0][-1]["gap"] for seconds in (0, 2))
    assert none == 0
    assert 1 < long <= 2
    assert spoken(http, next="はい。")[0][-1]["gap"] >= 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"phrases": [{"moras": [{"text": "漢", "tone": 0}]}]}, "katakana"),
        ({"phrases": [{"moras": [{"text": "カ", "tone": 0, "seconds": [0.1]}]}]}, "2 phones"),
        ({"phrases": [{"moras": []}]}, "at least 1"),
        ({"voice": "nobody"}, "nobody"),
        ({"speed": 99}, "less than or equal"),
        ({"colour": 1}, "not permitted"),
        ({"text": "あ" * 3000}, "at most"),
    ],
)
def test_what_cannot_be_spoken_is_one_clear_sentence(http: httpx.Client, line: dict[str, Any], words: str) -> None:
    for route in ("/studio/read", "/studio/speak", "/studio/file"):
        body = {"text": TEXT, **line}
        answer = http.post(route, json={"lines": [body]} if route.endswith("file") else body)
        assert 400 <= answer.status_code < 500
        assert words in answer.text


@pytest.mark.parametrize("route", ["read", "speak"])
def test_who_leaves_at_once_is_no_error_in_the_log(url: str, route: str, caplog: pytest.LogCaptureFixture) -> None:
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"text": "とても長い文章を読みます、" * 14}).encode()
    head = f"POST /studio/{route} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    time.sleep(0.6)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "opus"])
def test_a_file_holds_all_lines(http: httpx.Client, form: str) -> None:
    lines = [{"text": TEXT, "pause": 0.5}, {"text": "風も吹く。"}]
    data = http.post("/studio/file", json={"lines": lines, "format": form}).raise_for_status().content
    if form == "wav":
        data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:40] + struct.pack("<I", len(data) - 44) + data[44:]
    samples, rate = soundfile.read(io.BytesIO(data))
    want = sum(h[-1]["seconds"] + h[-1]["gap"] for h in (spoken(http, **line)[0] for line in lines))
    assert len(samples) / rate == pytest.approx(want, abs=0.15)


def test_voices_and_their_cards(http: httpx.Client) -> None:
    voice = http.get("/studio/voices").json()["voices"][0]
    about = http.get("/studio/about", params={"voice": voice["key"]}).json()
    assert [s["name"] for s in about["styles"]] == [s["name"] for s in voice["speakers"][0]["styles"]]
    assert "built-in voice" in about["card"]
    assert http.get("/studio/about", params={"voice": "../x"}).status_code == 404


def test_the_map_keeps_who_is_near() -> None:
    vectors = np.zeros((4, 256), np.float32)
    vectors[1, 3], vectors[2, 3], vectors[3, 9] = 1.0, 1.1, 5.0
    places = style_map(vectors)
    assert np.abs(places).max() == 1.0
    assert places[0].tolist() == [0, 0]
    distance = np.linalg.norm(places - places[1], axis=1)
    assert distance[2] < distance[0] < distance[3]
    assert style_map(np.ones((1, 256), np.float32)).tolist() == [[0, 0]]


def test_the_page_is_there_whole_and_small(http: httpx.Client) -> None:
    import gzip

    page = http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "unsafe" not in page.headers["content-security-policy"]
    for name in re.findall(r'(?:src|href)="\./([^"]+)"', page.text):
        assert http.get(f"/{name}").status_code == 200
    assert sum(len(gzip.compress(path.read_bytes())) for path in PAGE.iterdir()) < 150_000


def test_with_a_key_the_page_opens_and_asks_for_it() -> None:
    service = make_service([], None, Settings(api_key="secret"))
    with TestClient(create_app(service), base_url="http://127.0.0.1") as client:
        assert client.get("/").status_code == 200
        assert client.get("/page.js").status_code == 200
        assert client.get("/studio/voices").status_code == 401
        assert client.get("/studio/voices", headers={"X-API-Key": "secret"}).status_code == 200


def test_the_command_tells_where_it_is_and_ends_by_ctrl_c() -> None:
    command = [sys.executable, "-m", "sokuon", "studio", "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http" in line)
        url = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert url is not None
        assert "Sokuon" in httpx.get(url[0]).text
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(20) in (0, 130)


def test_a_file_of_edited_lines_without_a_sentence_is_refused_before_it_begins(http: httpx.Client) -> None:
    edited = {"text": "", "phrases": given(phrases(http))}
    reply = http.post("/studio/file", json={"lines": [{"text": "はい"}, edited]})
    assert 400 <= reply.status_code < 500
    assert "one sentence" in reply.text


def test_a_voice_is_heard_at_other_precisions(http: httpx.Client) -> None:
    key = http.get("/studio/voices").json()["voices"][0]["key"]
    about = http.get("/studio/about", params={"voice": key}).json()
    assert about["precision"] == "q8"
    assert [p["name"] for p in about["precisions"]] == ["fp32", "q8", "q4"]
    sounds = {name: spoken(http, precision=name, sdp_ratio=0)[1] for name in ("fp32", "q8", "q4")}
    np.testing.assert_array_equal(sounds["q8"], spoken(http, sdp_ratio=0)[1])
    for name in ("fp32", "q4"):
        assert not np.array_equal(sounds[name], sounds["q8"])
        assert len(sounds[name]) == pytest.approx(len(sounds["q8"]), rel=0.1)
    assert all(p["loaded"] for p in http.get("/studio/about", params={"voice": key}).json()["precisions"])
    assert http.post("/studio/speak", json={"text": TEXT, "precision": "int3"}).status_code == 422


def test_full_precision_is_what_the_library_speaks_at_full_precision(http: httpx.Client) -> None:
    import sokuon

    engine = sokuon.load(precision="fp32", weights="fp32")
    options = sokuon.SynthesisOptions(speaker=0, style="Neutral", seed=0)
    own = engine.speak(TEXT, options).samples
    heard = spoken(http, precision="fp32")[1]
    assert np.abs(heard / 32768 - own[: len(heard)]).max() < 1e-3


def test_a_converted_bert_has_its_own_precision_only(tmp_path: Any) -> None:
    folder = tmp_path / "voice"
    folder.mkdir()
    for path in (BUILTIN / "voice").iterdir():
        (folder / path.name).symlink_to(path)
    service = make_service([folder], builtin_bert("q8"), Settings(port=0, threads=1, data=tmp_path / "data"))
    with running(service) as url, httpx.Client(base_url=url, timeout=60) as client:
        key = client.get("/studio/voices").json()["voices"][0]["key"]
        about = client.get("/studio/about", params={"voice": key}).json()
        assert about["precisions"] == [{"name": "q8", "loaded": True}]
        answer = client.post("/studio/speak", json={"text": TEXT, "precision": "fp32"})
        assert answer.status_code == 422
        assert "as it was published" in answer.json()["detail"]


def test_the_command_opens_the_browser_at_its_page(tmp_path: Path) -> None:
    told, browser = tmp_path / "url", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {told}.new && mv {told}.new {told}\n')
    browser.chmod(0o755)
    command = [sys.executable, "-m", "sokuon", "studio"]
    with subprocess.Popen(
        command, stderr=subprocess.DEVNULL, env={**os.environ, "BROWSER": f"{browser} %s"}
    ) as process:
        deadline = time.monotonic() + 60
        while not told.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        url = told.read_text().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        assert "Sokuon" in httpx.get(url).text
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (0, 130)
