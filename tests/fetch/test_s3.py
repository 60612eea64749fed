"""Buckets, by moto's server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sokuon.errors import DownloadError
from sokuon.voices.fetch import s3, store
from sokuon.voices.fetch.watch import Watch
from sokuon.voices.sources import Request, find, resolve

pytest.importorskip("obstore", reason="needs the extra `s3`")
moto_server = pytest.importorskip("moto.server", reason="needs moto, in an environment of its own")

WEIGHTS = bytes(range(256)) * 20000  # 5 MB


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    resource = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1")
    made = resource.create_bucket(Bucket="company")
    for name in ("one", "two"):
        for leaf, body in (("config.json", b"{}"), ("style_vectors.npy", b"s"), ("m.safetensors", WEIGHTS)):
            made.put_object(Key=f"voices/{name}/{leaf}", Body=body)
    yield made
    made.objects.all().delete()
    made.delete()


def test_a_voice_under_a_prefix(bucket: Any) -> None:
    seen: list[tuple[str, int, int]] = []
    found = resolve("s3://company/voices", "one", watch=Watch(lambda *step: seen.append(step)))
    assert {path.name for path in found.iterdir()} == {"config.json", "style_vectors.npy", "m.safetensors"}
    assert (found / "m.safetensors").read_bytes() == WEIGHTS
    assert seen[-1][1] == seen[-1][2]
    bucket.objects.all().delete()
    assert resolve("s3://company/voices", "one") == found  # nothing is asked again
    ((_, record),) = store.records()
    assert record.files["m.safetensors"]["etag"]


def test_one_object(bucket: Any) -> None:
    bucket.put_object(Key="x/voice.aivmx", Body=WEIGHTS)
    assert resolve("s3://company/x/voice.aivmx").read_bytes() == WEIGHTS


def test_a_changed_object_is_pulled(bucket: Any) -> None:
    old = resolve("s3://company/voices/one")
    bucket.put_object(Key="voices/one/config.json", Body=b'{"a": 1}')
    new = find(Request("s3://company/voices/one", refresh=True))
    assert (new / "config.json").read_bytes() == b'{"a": 1}'
    assert not old.exists()


def test_a_cut_download_is_continued(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream ends early, as after a reset: what has arrived is kept, and the rest asked for."""
    bucket.put_object(Key="x/m.aivmx", Body=WEIGHTS)
    starts: list[int] = []
    whole = s3.Bucket._blocks

    def cut_once(self: s3.Bucket, file: Any, start: int) -> Iterator[bytes]:
        starts.append(start)
        for number, block in enumerate(whole(self, file, start)):
            if len(starts) == 1 and number == 1:
                raise s3.BusyError("cut")
            yield block

    monkeypatch.setattr(s3.Bucket, "_blocks", cut_once)
    assert resolve("s3://company/x/m.aivmx").read_bytes() == WEIGHTS
    assert starts[0] == 0
    assert 0 < starts[1] < len(WEIGHTS)


@pytest.mark.usefixtures("bucket")
def test_what_is_not_there_is_said() -> None:
    with pytest.raises(DownloadError, match=r"s3://nobody|s3://company/nothing|does not exist"):
        resolve("s3://company/nothing/here")
    with pytest.raises(DownloadError, match="does not exist; check bucket and prefix"):
        resolve("s3://nobody-has-this/x")


def test_keys_come_from_the_files_of_the_aws_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = a\naws_secret_access_key = b\n")
    (tmp_path / "config").write_text("[profile work]\nregion = ap-northeast-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert s3._profile() == {"access_key_id": "a", "secret_access_key": "b", "region": "ap-northeast-1"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    assert s3._profile() == {}
