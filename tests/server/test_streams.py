"""Text in pieces over a WebSocket and Wyoming; word times over HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile
from server_running import running
from websockets.sync.client import ClientConnection, connect
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped, SynthesizeVoice

from sokuon.server.catalogue import memory_of
from sokuon.server.run import make_service
from sokuon.server.service import Service
from sokuon.server.settings import Settings


@contextlib.contextmanager
def opened(url: str, **start: Any) -> Iterator[ClientConnection]:
    with connect(url.replace("http", "ws") + "/v1/audio/speech/stream") as connection:
        connection.send(json.dumps({"type": "start", "voice": "alloy", **start}))
        yield connection


def all_ended(service: Service) -> bool:
    """Whether no work is left, a step later at most."""
    left = time.monotonic()
    while service.speech.scheduler.load and time.monotonic() - left < 2:
        time.sleep(0.01)
    return not service.speech.scheduler.load


def messages(connection: ClientConnection) -> Iterator[dict[str, Any] | bytes]:
    for message in connection:
        yield message if isinstance(message, bytes) else json.loads(message)


def test_each_sentence_is_spoken_while_the_next_is_written(url: str) -> None:
    with opened(url) as connection:
        assert json.loads(connection.recv()) == {"type": "started", "format": "pcm", "sample_rate": 24000}
        for piece in ("こんに", "ちは。"):
            connection.send(json.dumps({"type": "text", "text": piece}))
        first = json.loads(connection.recv(timeout=10))
        assert first["type"] == "words"
        assert isinstance(connection.recv(timeout=10), bytes)
        connection.send(json.dumps({"type": "text", "text": "世界"}))
        connection.send(json.dumps({"type": "end"}))
        rest = list(messages(connection))
    assert rest[-1] == {"type": "done"}
    words = first["words"] + [w for m in rest if isinstance(m, dict) and m["type"] == "words" for w in m["words"]]
    assert "".join(word["word"] for word in words) == "こんにちは。世界"
    starts = [word["start_time"] for word in words]
    assert starts == sorted(starts)
    assert sum(len(m) for m in rest if isinstance(m, bytes)) > 24000


def test_cancelling_ends_the_work_at_once(url: str, service: Service) -> None:
    with opened(url) as connection:
        connection.send(json.dumps({"type": "text", "text": "長い話です。" * 200}))
        while not isinstance(connection.recv(timeout=10), bytes):
            pass
        connection.send(json.dumps({"type": "cancel"}))
        rest = list(messages(connection))
    assert rest[-1] == {"type": "done"}
    assert all_ended(service)


def test_leaving_ends_the_work(url: str, service: Service) -> None:
    with opened(url) as connection:
        connection.send(json.dumps({"type": "text", "text": "長い話です。" * 200}))
        connection.recv(timeout=10)
    assert all_ended(service)


@pytest.mark.parametrize(
    "sent",
    ["no json", "[]", '{"type": "text"}', '{"type": "start", "voice": "nobody"}', '{"type": "start", "speed": 99}',
     '{"type": "start"}\n{"type": "sing"}', '{"type": "start"}\n{"type": "text", "text": "' + "あ" * 5000 + '"}'],
)  # fmt: skip
def test_wrong_messages_are_answered(url: str, sent: str) -> None:
    with connect(url.replace("http", "ws") + "/v1/audio/speech/stream") as connection:
        for line in sent.split("\n"):
            connection.send(line)
        answers = [m for m in messages(connection) if isinstance(m, dict)]
    assert answers[-1]["type"] == "error"
    assert set(answers[-1]["error"]) == {"message", "type", "param", "code"}


def test_a_foreign_origin_gets_no_socket(url: str) -> None:
    with pytest.raises(Exception, match="403"):
        connect(url.replace("http", "ws") + "/v1/audio/speech/stream", origin="https://example.com")  # type: ignore[arg-type]


def test_word_times_with_the_whole_sound(http: httpx.Client) -> None:
    body = {"input": "今日は雨。明日は晴れ。", "response_format": "wav"}
    reply = http.post("/v1/audio/speech/timestamps", json=body).json()
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(reply["audio"])))
    words = reply["timestamps"]
    assert "".join(word["word"] for word in words) == body["input"]
    assert words[0]["start_time"] < 0.3
    assert words[-1]["end_time"] == pytest.approx(len(samples) / rate, abs=0.2)


def test_word_times_among_events(http: httpx.Client) -> None:
    body = {"input": "今日は雨。明日は晴れ。", "response_format": "pcm", "stream_format": "sse", "timestamps": True}
    text = http.post("/v1/audio/speech", json=body).text
    events = [json.loads(line[6:]) for line in text.split("\n\n") if line]
    words = [w for e in events if e["type"] == "speech.audio.words" for w in e["words"]]
    assert "".join(word["word"] for word in words) == body["input"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def wyoming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Service]]:
    port = free_port()
    settings = Settings(port=0, threads=2, wyoming_port=port, data=tmp_path_factory.mktemp("data"))
    service = make_service([], None, settings)
    with running(service):
        yield port, service


async def heard(client: AsyncTcpClient) -> tuple[int, bytes]:
    """Rate and sound up to the end."""
    rate, sound = 0, b""
    while (event := await asyncio.wait_for(client.read_event(), 20)) is not None:
        if AudioStart.is_type(event.type):
            rate = AudioStart.from_event(event).rate
        elif AudioChunk.is_type(event.type):
            sound += AudioChunk.from_event(event).audio
        elif AudioStop.is_type(event.type):
            return rate, sound
    raise AssertionError("the connection was closed")


def test_wyoming_describes_and_speaks(wyoming: tuple[int, Service]) -> None:
    async def talk() -> None:
        async with AsyncTcpClient("127.0.0.1", wyoming[0]) as client:
            await client.write_event(Describe().event())
            event = await client.read_event()
            assert event is not None
            program = Info.from_event(event).tts[0]
            assert program.supports_synthesize_streaming
            assert [v.languages for v in program.voices] == [["ja"]] * 3
            await client.write_event(Synthesize("こんにちは。", SynthesizeVoice(program.voices[1].name)).event())
            rate, sound = await heard(client)
            assert rate == 24000
            assert len(sound) > 24000
            await client.write_event(Synthesize("はい。", SynthesizeVoice("nobody")).event())
            answer = await client.read_event()
            assert answer is not None
            assert Error.is_type(answer.type)

    asyncio.run(talk())


def test_wyoming_speaks_while_text_comes(wyoming: tuple[int, Service]) -> None:
    async def talk() -> None:
        async with AsyncTcpClient("127.0.0.1", wyoming[0]) as client:
            await client.write_event(SynthesizeStart().event())
            await client.write_event(SynthesizeChunk("こんにちは。今日は").event())
            event = await asyncio.wait_for(client.read_event(), 20)
            assert event is not None
            assert AudioStart.is_type(event.type)
            event = await asyncio.wait_for(client.read_event(), 20)
            assert event is not None
            assert AudioChunk.is_type(event.type)  # before the text is whole
            await client.write_event(SynthesizeChunk("いい天気。").event())
            await client.write_event(
                Synthesize("こんにちは。今日はいい天気。").event()
            )  # what Home Assistant also sends
            await client.write_event(SynthesizeStop().event())
            _, sound = await heard(client)
            assert 24000 < len(sound) < 24000 * 2 * 4
            last = await asyncio.wait_for(client.read_event(), 20)
            assert last is not None
            assert SynthesizeStopped.is_type(last.type)

    asyncio.run(talk())


@pytest.mark.parametrize(
    "sent",
    [b"no json\n", b'{"type": "synthesize", "payload_length": 9999999999}\n', b"x" * 200_000, b"[]\n",
     b'{"type": "synthesize", "data": {}}\n', b'{"type": "synthesize", "data_length": -1}\n'],
)  # fmt: skip
def test_wyoming_drops_what_is_no_message(wyoming: tuple[int, Service], sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", wyoming[0]), timeout=10) as client:
        client.sendall(sent)
        with contextlib.suppress(ConnectionError):
            assert client.recv(100) == b""
    test_wyoming_describes_and_speaks(wyoming)


def test_wyoming_notices_who_leaves(wyoming: tuple[int, Service]) -> None:
    async def talk() -> None:
        async with AsyncTcpClient("127.0.0.1", wyoming[0]) as client:
            await client.write_event(Synthesize("長い話です。" * 300).event())
            await client.read_event()

    asyncio.run(talk())
    assert all_ended(wyoming[1])


def test_voices_come_and_go_in_bounded_memory(tiny: Path, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / "voices" / name).mkdir(parents=True)
        for file in (tiny / "voice").iterdir():
            data = file.read_bytes()
            if file.name == "config.json":
                config = json.loads(data)
                config["model_name"] = name
                data = json.dumps(config).encode()
            (tmp_path / "voices" / name / file.name).write_bytes(data)
    settings = Settings(port=0, threads=1, data=tmp_path / "data")
    service = make_service([tmp_path / "voices"], tiny / "bert", settings)
    catalogue = service.catalogue
    ids = {choice.name: choice.style.id for choice in catalogue.choices}
    assert not catalogue.loaded  # listed at once, loaded on first use
    names = [voice.key for voice in catalogue.voices]
    assert len(names) == 3
    first = catalogue.load(names[0])
    assert catalogue.load(names[0]) is first
    catalogue._memory = int(2.5 * memory_of(catalogue.voices[0], first))
    catalogue.load(names[1])
    catalogue.load(names[0])
    catalogue.load(names[2])
    assert catalogue.loaded == (names[0], names[2])  # the least recently used went
    catalogue.refresh()
    assert catalogue.loaded == (names[0], names[2])  # nothing changed, nothing is loaded anew
    (tmp_path / "voices" / "one" / "LICENSE").write_text("new")
    catalogue.refresh()
    assert len(catalogue.loaded) == 1
    assert {choice.name: choice.style.id for choice in catalogue.choices} == ids  # ids stay where they are
