"""Ray Serve on this machine: the server's own tests against it, replicas, a stream, an update while requests run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

ray = pytest.importorskip("ray")

from ray import serve  # noqa: E402

from sokuon.cluster.serve import NAME, build  # noqa: E402
from sokuon.errors import OptionError  # noqa: E402

ROOT = Path(__file__).parents[2]
PORT = 18021
ONE = {"threads": "1", "max_replicas": "1"}
TWO = {"threads": "1", "min_replicas": "2", "max_replicas": "2"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOKUON_DATA", str(tmp_path_factory.mktemp("data")))
        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="error")
        serve.start(http_options={"host": "127.0.0.1", "port": PORT})
        serve.run(build(ONE), name="sokuon", route_prefix="/")
        yield f"http://127.0.0.1:{PORT}"
        serve.shutdown()
        ray.shutdown()


def _said(url: str, text: str) -> bytes:
    body = {"input": text, "voice": "alloy", "response_format": "pcm"}
    return httpx.post(f"{url}/v1/audio/speech", json=body, timeout=120).raise_for_status().content


def test_the_tests_of_the_server_pass_against_it(url: str) -> None:
    """Those that ask by HTTP alone, in a process of their own."""
    files = [f"tests/server/test_{name}.py" for name in ("openai", "sbv2", "voicevox")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *files],
        env=os.environ | {"SOKUON_TEST_URL": url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout


def test_a_reply_streams(url: str) -> None:
    text = "今日はいい天気ですね。" * 40
    body = {"input": text, "voice": "alloy", "response_format": "pcm"}
    with httpx.stream("POST", f"{url}/v1/audio/speech", json=body, timeout=120) as reply:
        sizes = [len(chunk) for chunk in reply.iter_raw()]
    assert len(sizes) > 5
    assert max(sizes) < sum(sizes) / 2


def test_an_update_to_two_replicas_loses_no_request(url: str) -> None:
    answers: list[bytes] = []
    problems: list[Exception] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(_said(url, "雨が降る。"))
            except Exception as error:
                problems.append(error)

    before = _said(url, "雨が降る。")
    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    serve.run(build(TWO), name="sokuon", route_prefix="/")
    stop.set()
    for asker in askers:
        asker.join()
    assert problems == []
    assert {len(answer) for answer in answers} == {len(before)}  # a stream is equal to rounding: its pieces vary
    replicas = serve.status().applications["sokuon"].deployments[NAME].replica_states
    assert replicas == {"RUNNING": 2}


def test_a_word_that_one_replica_learns_counts_in_both(url: str) -> None:
    """The two of the test before; that both answer shows in when their processes began and how often they spoke."""
    style = httpx.get(f"{url}/speakers", timeout=60).json()[0]["styles"][0]["id"]

    def read(_: int) -> str:
        query = httpx.post(f"{url}/audio_query", params={"text": "坦々麺屋", "speaker": style}, timeout=60).json()
        return "".join(mora["text"] for phrase in query["accent_phrases"] for mora in phrase["moras"])

    def of_its_own(_: int) -> str:
        own = ("process_start_time_seconds", "sokuon_speech_requests_total")
        page = httpx.get(f"{url}/metrics", timeout=60).text
        return "\n".join(line for line in page.splitlines() if line.startswith(own))

    word = {"surface": "坦々麺屋", "pronunciation": "ネモリ", "accent_type": "0"}
    with ThreadPoolExecutor(8) as pool:
        usual = {read(0)}
        assert usual != {"ネモリ"}
        number = httpx.post(f"{url}/user_dict_word", params=word, timeout=60).raise_for_status().json()
        assert set(pool.map(read, range(32))) == {"ネモリ"}
        httpx.delete(f"{url}/user_dict_word/{number}", timeout=60).raise_for_status()
        assert set(pool.map(read, range(32))) == usual
        if len(set(pool.map(of_its_own, range(32)))) == 1:  # begun in one tick of the clock, and have spoken as often
            _said(url, "雨が降る。")
        assert len(set(pool.map(of_its_own, range(32)))) == 2


@pytest.mark.parametrize("arguments", [{"replicas": "2"}, {"min_replicas": "0"}, {"max_replicas": "many"}])
def test_arguments_that_cannot_be(arguments: dict[str, str]) -> None:
    with pytest.raises(OptionError, match=next(iter(arguments))):
        build(arguments)
