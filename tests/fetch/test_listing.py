"""Which files of a place a voice needs."""

from __future__ import annotations

import pytest

from sokuon.errors import OptionError, VoiceNotFoundError
from sokuon.voices.fetch.listing import RemoteFile, choose_bert, choose_voice


def files(*paths: str) -> list[RemoteFile]:
    return [RemoteFile(path, 1) for path in paths]


def chosen(paths: list[str], inside: str = "", model: str | None = None) -> set[str]:
    return {file.path for file in choose_voice(files(*paths), inside, model, "place").files}


JVNV = [f"jvnv-{name}/{leaf}" for name in ("F1", "M1") for leaf in ("config.json", "style_vectors.npy")] + [
    "jvnv-F1/jvnv-F1_e160_s14000.safetensors", "jvnv-M1/jvnv-M1_e158_s14000.safetensors", "README.md", ".gitattributes",
]  # fmt: skip


def test_one_of_several_voices_by_name_or_folder() -> None:
    wanted = {path for path in JVNV if path.startswith("jvnv-F1/")}
    assert chosen(JVNV, model="jvnv-F1") == chosen(JVNV, inside="jvnv-F1") == wanted
    assert chosen(JVNV, model="jvnv-F1_e160_s14000") == wanted
    with pytest.raises(OptionError, match=r"place holds 2 voices; name one .*: jvnv-F1, jvnv-M1"):
        chosen(JVNV)
    with pytest.raises(OptionError, match="no voice 'jvnv-F3'; it holds jvnv-F1, jvnv-M1"):
        chosen(JVNV, model="jvnv-F3")


def test_only_what_is_needed() -> None:
    folder = ["config.json", "style_vectors.npy", "G_0.pth", "a_e9_s900.safetensors", "a_e10_s1000.safetensors"]
    junk = ["README.md", "samples/a.wav", "train.log", ".git/config.json", "LICENSE", "sub/LICENSE"]
    assert chosen(folder + junk) == {"config.json", "style_vectors.npy", "a_e10_s1000.safetensors", "LICENSE"}
    assert "a_e9_s900.safetensors" in chosen(folder, model="a_e9_s900")


def test_tensors_before_a_graph_of_them() -> None:
    """HayaKoe keeps both (spec voice-files section 2)."""
    graph = ["onnx/speakers/x/config.json", "onnx/speakers/x/style_vectors.npy", "onnx/speakers/x/synthesizer.onnx"]
    graph += ["onnx/speakers/x/duration_predictor.onnx", "onnx/speakers/x/synthesizer.onnx.data"]
    tensors = [f"pytorch/speakers/x/{leaf}" for leaf in ("config.json", "style_vectors.npy", "x.safetensors")]
    assert chosen(graph + tensors) == set(tensors)
    assert chosen(graph) == set(graph) - {"onnx/speakers/x/duration_predictor.onnx"}


def test_files_that_are_whole_voices() -> None:
    assert chosen(["a/one.aivmx", "a/readme.txt"]) == {"a/one.aivmx"}
    choice = choose_voice(files("one.aivm", "two.aivmx", "two.aivm"), "", "two", "place")
    assert choice.main is not None
    assert choice.main.path == "two.aivm"
    with pytest.raises(OptionError, match=r"readme\.txt is no voice file"):
        chosen(["readme.txt"], inside="readme.txt")


def test_two_voices_of_one_name_are_told_apart() -> None:
    paths = [f"{top}/x/{leaf}" for top in ("a", "b") for leaf in ("config.json", "style_vectors.npy", "m.safetensors")]
    assert chosen(paths, model="b/x") == set(paths[3:])


def test_no_voice_is_said() -> None:
    for paths in ([], ["config.json"], ["config.json", "style_vectors.npy"], [".hidden/one.aivmx"]):
        with pytest.raises(VoiceNotFoundError, match="place holds no voice"):
            chosen(paths)


def test_bert() -> None:
    known = files("config.json", "vocab.txt", "pytorch_model.bin", "tf_model.h5", "x/config.json")
    assert [f.path for f in choose_bert(known, "", "place").files] == ["config.json", "vocab.txt", "pytorch_model.bin"]
    both = files("b/config.json", "b/vocab.txt", "b/pytorch_model.bin", "b/model.safetensors")
    assert choose_bert(both, "b", "place").files[-1].path == "b/model.safetensors"
    with pytest.raises(VoiceNotFoundError, match="holds no BERT"):
        choose_bert(known[1:], "", "place")
    with pytest.raises(VoiceNotFoundError, match=r"quantized BERT graph.*ku-nlp"):
        choose_bert(files("onnx/bert/q8/bert_q8.onnx"), "", "place")
