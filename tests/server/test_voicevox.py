"""The VOICEVOX API as its clients see it (spec http-api 7: points 1 to 8)."""

from __future__ import annotations

import base64
import copy
import io
import json
import wave
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest

from sokuon.server.catalogue import style_id
from sokuon.server.service import Service
from sokuon.server.voicevox.presets import Presets
from sokuon.storage.tensors import F32

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


def query_of(http: httpx.Client, style: int, text: str = TEXT) -> dict[str, Any]:
    reply = http.post("/audio_query", params={"text": text, "speaker": style})
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def spoken(http: httpx.Client, style: int, query: dict[str, Any], path: str = "/synthesis", **parameters: Any) -> F32:
    """The samples, without the query's own silences."""
    reply = http.post(path, params={"speaker": style, **parameters}, json=query)
    assert reply.status_code == 200, reply.text
    return np.frombuffer(reply.content[44:], "<i2").astype(np.float32) / 32768


def seconds(samples: F32, query: dict[str, Any]) -> float:
    own = (query["prePhonemeLength"] + query["postPhonemeLength"]) / query["speedScale"]
    return len(samples) / query["outputSamplingRate"] / (2 if query["outputStereo"] else 1) - own


def test_lengths_of_a_query_are_the_voices_own(http: httpx.Client, style: int) -> None:
    query = query_of(http, style)
    morae = [m for p in query["accent_phrases"] for m in p["moras"]]
    assert [m["text"] for m in morae] == list("コンニチワ,セカイ.")
    assert [m["vowel"] for m in morae] == ["o", "N", "i", "i", "a", "pau", "e", "a", "i", "pau"]
    assert all(m["vowel_length"] > 0 for m in morae)
    assert all((m["consonant"] is None) == (m["consonant_length"] is None) for m in morae)
    total = sum(m["vowel_length"] + (m["consonant_length"] or 0) for m in morae)
    assert total == pytest.approx(seconds(spoken(http, style, query), query), abs=0.25)  # "_" at both ends are no morae


def test_an_untouched_query_is_the_speech_of_its_text(http: httpx.Client, style: int) -> None:
    text = "今日は、いい天気ですね。え、本当？そうだよ！"
    query = query_of(http, style, text)
    zeroed = copy.deepcopy(query)
    for phrase in zeroed["accent_phrases"]:
        for mora in phrase["moras"]:
            mora["vowel_length"], mora["consonant_length"] = 0.0, mora["consonant_length"] and 0.0
    assert np.array_equal(spoken(http, style, query), spoken(http, style, zeroed))
    body = {"model": "m", "input": text, "voice": "alloy", "response_format": "pcm", "stream": False}
    speech = np.frombuffer(http.post("/v1/audio/speech", json=body).content, "<i2") / 32768
    heard = np.flatnonzero(np.abs(speech) > 0.0005)
    own = spoken(http, style, {**query, "prePhonemeLength": 0, "postPhonemeLength": 0})
    assert len(own) == pytest.approx(heard[-1] - heard[0], abs=20)


def test_changed_lengths_are_obeyed(http: httpx.Client, style: int) -> None:
    query = query_of(http, style)
    before = seconds(spoken(http, style, query), query)
    mora = query["accent_phrases"][0]["moras"][0]
    added = 0.6 - mora["vowel_length"]
    mora["vowel_length"] = 0.6
    assert seconds(spoken(http, style, query), query) == pytest.approx(before + added, abs=0.06)
    query["speedScale"] = 2.0
    assert seconds(spoken(http, style, query), query) == pytest.approx((before + added) / 2, rel=0.25)


@pytest.mark.parametrize(
    ("change", "factor"),
    [
        ({"speedScale": 2.0}, 0.55), ({"speedScale": 0.5}, 1.95), ({"outputStereo": True}, 1.0),
        ({"outputSamplingRate": 8000}, 1.0),
    ],
)  # fmt: skip
def test_scales(http: httpx.Client, style: int, change: dict[str, Any], factor: float) -> None:
    query = query_of(http, style)
    before = seconds(spoken(http, style, query), query)
    query |= change
    assert seconds(spoken(http, style, query), query) == pytest.approx(before * factor, rel=0.15)


def test_pauses_can_be_set_and_scaled(http: httpx.Client, style: int) -> None:
    query = query_of(http, style, "はい、そうです、ええ、どうも。")
    before = seconds(spoken(http, style, query), query)
    pauses = [m["vowel_length"] for p in query["accent_phrases"] for m in p["moras"] if m["vowel"] == "pau"]
    inner = sum(pauses[:3])
    tripled = seconds(spoken(http, style, {**query, "pauseLengthScale": 3.0}), query)
    assert tripled == pytest.approx(before + 2 * inner, abs=0.15)
    held = seconds(spoken(http, style, {**query, "pauseLength": 0.5}), query)
    assert held == pytest.approx(before - inner + 1.5, abs=0.15)


def test_pause_mora_and_upspeak_are_heard(http: httpx.Client, style: int) -> None:
    query = query_of(http, style, "そうです")
    before = spoken(http, style, query)
    query["accent_phrases"][-1]["pause_mora"] = {"text": "、", "vowel": "pau", "vowel_length": 0.8, "pitch": 0}
    query["postPhonemeLength"] = 0
    longer = spoken(http, style, query)
    assert len(longer) != len(before)
    query["accent_phrases"][-1]["pause_mora"] = None
    query["accent_phrases"][-1]["is_interrogative"] = True
    asked, flat = (spoken(http, style, query, enable_interrogative_upspeak=up) for up in (True, "False"))
    assert len(asked) != len(flat) or not np.array_equal(asked, flat)


def test_accents_are_obeyed_and_cost_no_second_reading(http: httpx.Client, style: int, service: Service) -> None:
    text = "橋の端を箸で渡る。"
    query = query_of(http, style, text)
    before = spoken(http, style, query)
    bert = service.catalogue.load("Sokuon").bert
    runs: list[str] = []
    read = bert.features
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bert, "features", lambda text, threads=None: (runs.append(text), read(text, threads))[1])
        phrase = query["accent_phrases"][0]
        phrase["accent"] = 1 if phrase["accent"] != 1 else len(phrase["moras"])
        after = spoken(http, style, query)
    assert not runs
    assert len(before) != len(after) or not np.array_equal(before, after)


def test_morae_without_a_text_are_spoken(http: httpx.Client, style: int) -> None:
    query = query_of(http, style, "こんにちは、世界。キャッチ！")
    for kana in (None, ""):
        assert seconds(spoken(http, style, {**query, "kana": kana}), query) > 1.0
    del query["kana"]
    assert seconds(spoken(http, style, query), query) > 1.0


def test_other_morae_than_the_texts_are_spoken(http: httpx.Client, style: int) -> None:
    query = query_of(http, style, "今日は。明日も。")
    query["accent_phrases"] = query["accent_phrases"][1:]  # the first sentence is gone
    assert 0.3 < seconds(spoken(http, style, query), query) < 1.5
    mora = {"text": "ラ", "consonant": "r", "consonant_length": 0.05, "vowel": "a", "vowel_length": 0.1, "pitch": 5.0}
    query["accent_phrases"].append({"moras": [mora] * 20, "accent": 1})
    assert seconds(spoken(http, style, query), query) > 1.5
    query["accent_phrases"] = []
    assert len(spoken(http, style, query)) == round(0.2 * query["outputSamplingRate"])


def test_empty_text_is_the_silence_around_it(http: httpx.Client, style: int) -> None:
    for text in ("", " ", "…"):
        query = query_of(http, style, text)
        assert len(spoken(http, style, query)) >= round(0.2 * query["outputSamplingRate"])


def test_leading_silence_is_exact(http: httpx.Client, style: int) -> None:
    query = query_of(http, style) | {"prePhonemeLength": 0.5, "speedScale": 2.0}
    samples = spoken(http, style, query)
    assert np.flatnonzero(np.abs(samples) > 0.0003)[0] == pytest.approx(0.25 * query["outputSamplingRate"], abs=30)


def test_volume_scales_without_clipping(http: httpx.Client, style: int) -> None:
    query = query_of(http, style)
    plain, half, loud = (spoken(http, style, query | {"volumeScale": v}) for v in (1.0, 0.5, 50.0))
    np.testing.assert_allclose(half, plain / 2, atol=1e-4)
    assert np.sum(np.abs(loud) > 0.999) < 5  # the peak alone
    np.testing.assert_allclose(loud / np.abs(loud).max(), plain / np.abs(plain).max(), atol=2e-3)


def test_missing_and_unknown_keys(http: httpx.Client, style: int) -> None:
    query = query_of(http, style)
    for key in ("pauseLength", "pauseLengthScale", "tempoDynamicsScale", "kana"):
        query.pop(key)
    query |= {"rest": {"url": "x"}, "accentPhrases": []}
    assert len(spoken(http, style, query)) > 1000


@pytest.mark.parametrize(
    "change",
    [
        {"speedScale": 0}, {"speedScale": float("nan")}, {"prePhonemeLength": 1e9}, {"outputSamplingRate": 10**7},
        {"volumeScale": -1}, {"intonationScale": float("inf")}, {"speedScale": 1e-9, "prePhonemeLength": 9},
    ],
)  # fmt: skip
def test_impossible_numbers_are_422(http: httpx.Client, style: int, change: dict[str, float]) -> None:
    query = query_of(http, style) | change
    body = json.dumps(query)  # NaN as Python writes it
    reply = http.post(
        "/synthesis", params={"speaker": style}, content=body, headers={"content-type": "application/json"}
    )
    assert reply.status_code == 422
    assert "detail" in reply.json()


def test_bad_phrases_are_422(http: httpx.Client, style: int) -> None:
    for change in ({"moras": []}, {"accent": 99}, {"accent": -1}):
        query = query_of(http, style)
        query["accent_phrases"][0] |= change
        assert http.post("/synthesis", params={"speaker": style}, json=query).status_code == 422
    query["accent_phrases"] = [{"moras": [{"text": "漢", "vowel": "a", "vowel_length": 0, "pitch": 0}], "accent": 1}]
    assert http.post("/synthesis", params={"speaker": style}, json=query).status_code == 422


@pytest.mark.parametrize("route", ["/synthesis", "/cancellable_synthesis", "/streaming_synthesis"])
def test_no_speed_stretches_silence_without_end(http: httpx.Client, style: int, route: str) -> None:
    slow = query_of(http, style, "はい") | {"speedScale": 5e-324}
    slowest_voice_can = slow | {"speedScale": 0.1}
    assert len(spoken(http, style, slow, route)) == len(spoken(http, style, slowest_voice_can, route))
    long = slow | {"prePhonemeLength": 10.0}
    reply = http.post(route, params={"speaker": style}, json=long)
    assert (reply.status_code, "longer than a minute" in reply.text) == (422, True)


@pytest.mark.parametrize("word", ["True", "true", "1", "False", "false", "0"])
def test_every_spelling_of_a_truth(http: httpx.Client, style: int, word: str) -> None:
    query = query_of(http, style, "はい？")
    assert len(spoken(http, style, query, enable_interrogative_upspeak=word)) > 1000
    phrases = http.post("/accent_phrases", params={"text": "はい", "speaker": style, "enable_katakana_english": word})
    assert phrases.status_code == 200


def test_streaming_and_cancellable_synthesis(http: httpx.Client, style: int) -> None:
    query = query_of(http, style, "こんにちは、世界。今日はいい天気ですね。")
    whole = spoken(http, style, query)
    assert np.array_equal(whole, spoken(http, style, query, "/cancellable_synthesis"))
    stream = spoken(http, style, query, "/streaming_synthesis")
    assert len(stream) == pytest.approx(len(whole), rel=0.05)  # its ends are not cut
    both = http.post("/streaming_synthesis", params={"speaker": style}, json=query | {"outputStereo": True}).content
    pairs = np.frombuffer(both[44:], "<i2").reshape(-1, 2)
    assert int.from_bytes(both[22:24], "little") == 2
    np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])
    np.testing.assert_allclose(pairs[:, 0] / 32768, stream, atol=1e-4)
    later = spoken(http, style, query, "/streaming_synthesis", start_offset=1.0)
    assert len(later) == len(stream) - query["outputSamplingRate"]
    np.testing.assert_allclose(later, stream[query["outputSamplingRate"] :], atol=1e-4)
    beyond = http.post("/streaming_synthesis", params={"speaker": style, "start_offset": 60}, json=query)
    assert beyond.status_code == 400


def test_lengths_for_edited_phrases(http: httpx.Client, style: int) -> None:
    query = query_of(http, style)
    for path in ("/mora_data", "/mora_length", "/mora_pitch"):
        reply = http.post(path, params={"speaker": style}, json=query["accent_phrases"])
        assert reply.status_code == 200, reply.text
        assert reply.json() == query["accent_phrases"]


def test_kana(http: httpx.Client, style: int) -> None:
    reply = http.post("/accent_phrases", params={"text": "コンニチワ'、セ'カイ？", "speaker": style, "is_kana": True})
    phrases = reply.json()
    assert [(len(p["moras"]), p["accent"], p["is_interrogative"]) for p in phrases] == [(5, 5, False), (3, 1, True)]
    assert phrases[0]["pause_mora"]["vowel"] == "pau"
    assert all(m["vowel_length"] > 0 for p in phrases for m in p["moras"])
    assert http.post("/validate_kana", params={"text": "ハ'シ/_ス'キ"}).json() is True


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ア", "ACCENT_NOTFOUND"), ("'ア", "ACCENT_TOP"), ("ア'イ'", "ACCENT_TWICE"), ("ア'//イ'", "EMPTY_PHRASE"),
        ("漢'", "UNKNOWN_TEXT"), ("ア'？イ", "INTERROGATION_MARK_NOT_AT_END"), ("ア" * 400 + "'", "INFINITE_LOOP"),
    ],
)  # fmt: skip
def test_kana_errors(http: httpx.Client, text: str, name: str) -> None:
    reply = http.post("/validate_kana", params={"text": text})
    assert reply.status_code == 400
    assert reply.json()["detail"]["error_name"] == name
    assert set(reply.json()["detail"]) == {"text", "error_name", "error_args"}


def test_multi_synthesis_and_connect_waves(http: httpx.Client, style: int) -> None:
    query = query_of(http, style, "はい。")
    reply = http.post("/multi_synthesis", params={"speaker": style}, json=[query, query])
    assert reply.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(reply.content)) as file:
        assert file.namelist() == ["001.wav", "002.wav"]
        waves = [base64.b64encode(file.read(name)).decode() for name in file.namelist()]
    one = spoken(http, style, query)
    joined = http.post("/connect_waves", json=waves)
    assert len(joined.content) - 44 == 2 * 2 * len(one)
    assert http.post("/multi_synthesis", params={"speaker": style}, json=[]).status_code == 422
    for bad in ([], ["no base64!"], [base64.b64encode(b"RIFF").decode()]):
        assert http.post("/connect_waves", json=bad).status_code == 422


def test_presets_live_through_a_restart(http: httpx.Client, style: int, service: Service) -> None:
    preset = {
        "id": -1, "name": "速い", "speaker_uuid": "x", "style_id": style, "speedScale": 1.5, "intonationScale": 1,
        "pitchScale": 0, "volumeScale": 1, "prePhonemeLength": 0, "postPhonemeLength": 0,
    }  # fmt: skip
    number = http.post("/add_preset", json=preset).json()
    assert isinstance(number, int)
    again = http.post("/add_preset", json=preset | {"id": number}).json()
    assert again == number + 1
    assert [p.id for p in Presets(service.data / "presets.json").all()][-2:] == [number, again]
    query = http.post("/audio_query_from_preset", params={"text": "はい", "preset_id": number}).json()
    assert (query["speedScale"], query["prePhonemeLength"]) == (1.5, 0)
    assert http.post("/update_preset", json=preset | {"id": number, "name": "遅い"}).json() == number
    assert http.post("/update_preset", json=preset | {"id": 999}).status_code == 422
    for own in (number, again):
        gone = http.post("/delete_preset", params={"id": own})
        assert (gone.status_code, gone.content) == (204, b"")
        assert "content-type" not in gone.headers
    assert http.post("/delete_preset", params={"id": number}).status_code == 422
    assert http.post("/audio_query_from_preset", params={"text": "はい", "preset_id": number}).status_code == 422


def test_the_user_dictionary(http: httpx.Client, style: int) -> None:
    word = {"surface": "担々麺屋", "pronunciation": "タンタンヤサン", "accent_type": 3}
    number = http.post("/user_dict_word", params=word).json()
    entry = http.get("/user_dict").json()[number]
    assert (entry["surface"], entry["pronunciation"], entry["mora_count"]) == ("担々麺屋", "タンタンヤサン", 7)
    texts = [m["text"] for p in query_of(http, style, "担々麺屋")["accent_phrases"] for m in p["moras"]]
    assert texts == list("タンタンヤサン")
    changed = http.put(f"/user_dict_word/{number}", params=word | {"surface": "坦々麺屋"})
    assert (changed.status_code, changed.content) == (204, b"")
    assert http.get("/user_dict").json()[number]["surface"] == "坦々麺屋"  # under its old id
    exported = http.get("/user_dict").json()
    assert http.delete(f"/user_dict_word/{number}").status_code == 204
    assert number not in http.get("/user_dict").json()
    assert http.delete(f"/user_dict_word/{number}").status_code == 422
    assert http.post("/import_user_dict", json=exported).status_code == 422  # override is required
    assert http.post("/import_user_dict", params={"override": "true"}, json=exported).status_code == 204
    assert http.get("/user_dict").json() == exported
    compound = http.get("/user_dict", params={"enable_compound_accent": True}).json()[number]
    assert compound["pronunciation"] == ["タンタンヤサン"]
    http.delete(f"/user_dict_word/{number}")


@pytest.mark.parametrize(
    "word",
    [
        {"pronunciation": "漢字"}, {"pronunciation": "ァァ"}, {"accent_type": 9}, {"surface": 'a"b'},
        {"surface": "a,b"},
        {"word_type": "ADVERB"}, {"priority": 11}, {"surface": ["あ", "い"]},
    ],
)  # fmt: skip
def test_bad_words_are_422(http: httpx.Client, word: dict[str, Any]) -> None:
    base = {"surface": "言葉", "pronunciation": "コトバ", "accent_type": 1}
    assert http.post("/user_dict_word", params=base | word).status_code == 422
    assert http.put("/user_dict_word/no-uuid", params=base).status_code == 422


def test_facts(http: httpx.Client, style: int) -> None:
    speaker = http.get("/speakers").json()[0]
    info = http.get("/speaker_info", params={"speaker_uuid": speaker["speaker_uuid"]}).json()
    assert {i["id"] for i in info["style_infos"]} == {s["id"] for s in speaker["styles"]}
    assert base64.b64decode(info["portrait"]).startswith(b"\x89PNG")
    assert http.get("/speaker_info", params={"speaker_uuid": "x"}).status_code == 404
    manifest = http.get("/engine_manifest").json()
    assert manifest["supported_features"]["adjust_phoneme_length"] is True
    assert all(isinstance(value, bool) for value in manifest["supported_features"].values())
    assert http.get("/supported_devices").json()["cpu"] is True
    ready = http.post("/initialize_speaker", params={"speaker": style})
    assert (ready.status_code, ready.content) == (204, b"")
    assert "content-type" not in ready.headers
    assert http.get("/is_initialized_speaker", params={"speaker": style}).json() is True
    assert http.get("/singers").status_code == 501
    assert http.get("/speakers/").status_code in (200, 307)
    assert http.post("/morphable_targets", json=[style]).json()[0][str(style)] == {"is_morphable": False}


def test_style_ids_are_those_of_aivisspeech() -> None:
    assert style_id("e756b8e4-b606-4e15-99b1-3f9c6a1b2317", 0) == 888753760
    assert style_id("E756B8E4-B606-4E15-99B1-3F9C6A1B2317", 3) == 888753763
