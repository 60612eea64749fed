"""Every published form of a voice leads to the same converted voice: folder, checkpoint, AIVM, AIVMX, ONNX, .sbv2.

Graphs are those of our own export here, and those of the original network in tests/parity.
"""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file
from tiny_voice import TinyVoice, make_tiny_voice

from sokuon.convert import sbv2_archive
from sokuon.convert.compare import difference
from sokuon.convert.sbv2_archive import zstd
from sokuon.convert.voice import convert_voice
from sokuon.errors import VoiceError
from sokuon.export.voice import Layout, export_voice
from sokuon.formats.about import read_about
from sokuon.storage.tensors import TensorFile
from sokuon.voices.aivm import ARCHITECTURE
from sokuon.voices.voice import Voice

SHAPES = {
    "standard": TinyVoice(),
    "wavenet": TinyVoice(wavenet=True, spelling="parametrized"),
    "resblock 2": TinyVoice(resblock=2, kernels=(3, 7, 11), dilations=((1, 3),) * 3),
}
LICENCE = "ACML 1.0\nThe full text of the licence."
ICON = "data:image/png;base64,iVBORw0K"


@pytest.fixture(scope="module", params=SHAPES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published folder `source` and its conversion `direct`."""
    folder = tmp_path_factory.mktemp("forms")
    make_tiny_voice(folder / "source", 3, SHAPES[request.param])
    convert_voice(folder / "source", folder / "direct")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_tiny_voice(tmp_path / "source", 3)
    convert_voice(tmp_path / "source", tmp_path / "direct")
    return tmp_path / "source"


def tensors(source: Path) -> dict[str, Any]:
    return {name: np.array(tensor) for name, tensor in TensorFile(source / "model.safetensors").items()}


def same(one: Path, other: Path) -> None:
    """Equal weights; folding weight norm twice may round once more."""
    for name in ("encoder", "flow", "decoder"):
        a, b = TensorFile(one / f"{name}.weights"), TensorFile(other / f"{name}.weights")
        assert set(a) == set(b)
        for key in a:
            np.testing.assert_allclose(a[key], b[key], rtol=1e-6, atol=1e-7, err_msg=key)
    np.testing.assert_array_equal(np.load(one / "style_vectors.npy"), np.load(other / "style_vectors.npy"))
    np.testing.assert_array_equal(np.load(one / "speakers.npy"), np.load(other / "speakers.npy"))


@pytest.mark.parametrize("layout", list(Layout))
def test_what_is_exported_runs_as_the_voice_and_comes_back_the_same(made: Path, tmp_path: Path, layout: Layout) -> None:
    """ONNX Runtime runs the exported graph: `difference` is empty within 1e-4, lengths being equal."""
    target = tmp_path / ("voice.aivmx" if layout is Layout.AIVMX else "voice")
    export_voice(made / "source", target, layout)
    graph = target if layout is Layout.AIVMX else next(target.glob("*.onnx"))
    assert difference(graph, made / "direct") is None
    convert_voice(target, tmp_path / "back")
    same(tmp_path / "back", made / "direct")


def test_inputs_stand_in_the_order_that_engines_bind(source: Path, tmp_path: Path) -> None:
    export_voice(source, tmp_path / "voice.aivmx", Layout.AIVMX)
    graph = onnx.load(tmp_path / "voice.aivmx").graph
    assert [(port.name, len(port.type.tensor_type.shape.dim)) for port in graph.input] == [
        ("x_tst", 2), ("x_tst_lengths", 1), ("sid", 1), ("tones", 2), ("language", 2), ("bert", 3), ("style_vec", 2),
        ("length_scale", 0), ("sdp_ratio", 0), ("noise_scale", 0), ("noise_scale_w", 0),
    ]  # fmt: skip
    assert [port.name for port in graph.output] == ["output"]
    export_voice(source, tmp_path / "hayakoe", Layout.HAYAKOE)
    graph = onnx.load(tmp_path / "hayakoe" / "synthesizer.onnx").graph
    assert [port.name for port in graph.input] == [
        "x", "x_lengths", "sid", "tone", "language", "bert", "style_vec", "noise_scale", "length_scale",
        "noise_scale_w", "sdp_ratio",
    ]  # fmt: skip
    assert [port.name for port in graph.output] == ["audio", "durations"]
    onnx.checker.check_model(str(tmp_path / "hayakoe" / "synthesizer.onnx"), full_check=True)


def change_graph(path: Path, change: Callable[[Any], object]) -> None:
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())


def wrong_weight(model: Any) -> None:
    """A graph that computes something else than its tensors say."""
    node = next(n for n in model.graph.node if n.op_type == "LeakyRelu")
    node.attribute[0].f = 0.3


def test_a_graph_that_speaks_otherwise_than_its_weights_is_refused(source: Path, tmp_path: Path) -> None:
    export_voice(source, tmp_path / "out", Layout.SBV2_ONNX)
    change_graph(tmp_path / "out" / "out.onnx", wrong_weight)
    with pytest.raises(VoiceError, match=r"out\.onnx: its samples differ by .*take the voice's \.safetensors file"):
        convert_voice(tmp_path / "out", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def folded(model: Any) -> None:
    """As exporters leave a graph: a linear layer transposed without a name, exp(-logs) computed, tensors merged."""
    graph = model.graph
    tensors = {t.name: t for t in graph.initializer}
    makers = {o: n for n in graph.node for o in n.output}
    for gemm in [n for n in graph.node if n.op_type == "Gemm"]:
        weight = gemm.input[1]
        if weight not in tensors:
            continue
        matrix = onnx.numpy_helper.to_array(tensors[weight]).T
        graph.initializer.remove(tensors[weight])
        graph.initializer.append(onnx.numpy_helper.from_array(matrix.copy(), f"onnx::MatMul_{gemm.name}"))
        product = onnx.helper.make_node("MatMul", [gemm.input[0], graph.initializer[-1].name], [f"{gemm.name}_product"])
        at = list(graph.node).index(gemm)
        total = onnx.helper.make_node("Add", [gemm.input[2], product.output[0]], list(gemm.output))
        graph.node.remove(gemm)
        graph.node.insert(at, total)
        graph.node.insert(at, product)
    logs = next(t for t in graph.initializer if t.name.endswith("flows.0.logs"))
    exp = next(n for n in graph.node if n.op_type == "Exp" and makers[n.input[0]].op_type == "Neg")
    value = np.exp(-onnx.numpy_helper.to_array(logs))
    graph.initializer.append(onnx.numpy_helper.from_array(value, "onnx::Mul_1"))
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == exp.output[0]:
                node.input[index] = "onnx::Mul_1"
    graph.initializer.remove(logs)
    graph.node.remove(makers[exp.input[0]])
    graph.node.remove(exp)


def test_tensors_that_an_exporter_folded_are_found_by_what_the_graph_does(source: Path, tmp_path: Path) -> None:
    export_voice(source, tmp_path / "out", Layout.SBV2_ONNX)
    change_graph(tmp_path / "out" / "out.onnx", folded)
    names = {t.name for t in onnx.load(tmp_path / "out" / "out.onnx").graph.initializer}
    assert "enc_p.style_proj.weight" not in names
    convert_voice(tmp_path / "out", tmp_path / "back")
    same(tmp_path / "back", tmp_path / "direct")


def renamed(model: Any) -> None:
    for tensor in model.graph.initializer:
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                if name == tensor.name:
                    node.input[index] = f"network.{name}"
        tensor.name = f"network.{tensor.name}"


def test_a_prefix_before_all_names_is_seen_through(source: Path, tmp_path: Path) -> None:
    export_voice(source, tmp_path / "out", Layout.SBV2_ONNX)
    change_graph(tmp_path / "out" / "out.onnx", renamed)
    convert_voice(tmp_path / "out", tmp_path / "back")
    same(tmp_path / "back", tmp_path / "direct")


def test_a_graph_of_something_else_is_refused(source: Path, tmp_path: Path) -> None:
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    port = onnx.helper.make_tensor_value_info("a", 1, [1])
    graph = onnx.helper.make_graph([node], "g", [port], [onnx.helper.make_tensor_value_info("b", 1, [1])])
    for path in source.glob("*.safetensors"):
        path.unlink()
    (source / "other.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(VoiceError, match="not a graph of a Style-Bert-VITS2 voice, or has lost"):
        convert_voice(source, tmp_path / "back")


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "secret.data", ""])
def test_weights_outside_the_folder_are_never_read(source: Path, tmp_path: Path, location: str) -> None:
    export_voice(source, tmp_path / "out", Layout.SBV2_ONNX)

    def outside(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    change_graph(tmp_path / "out" / "out.onnx", outside)
    with pytest.raises(VoiceError, match=r"only out\.onnx\.data beside it is read"):
        convert_voice(tmp_path / "out", tmp_path / "back")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_weights_behind_a_link_are_never_read(source: Path, tmp_path: Path) -> None:
    export_voice(source, tmp_path / "out", Layout.SBV2_ONNX)
    (tmp_path / "out" / "out.onnx.data").symlink_to(tmp_path / "source" / "model.safetensors")

    def linked(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="out.onnx.data")

    change_graph(tmp_path / "out" / "out.onnx", linked)
    with pytest.raises(VoiceError, match="only out"):
        convert_voice(tmp_path / "out", tmp_path / "back")


def test_external_weights_beside_the_graph(source: Path, tmp_path: Path) -> None:
    export_voice(source, tmp_path / "out", Layout.HAYAKOE)
    path = tmp_path / "out" / "synthesizer.onnx"
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="synthesizer.onnx.data", size_threshold=256)
    assert (tmp_path / "out" / "synthesizer.onnx.data").is_file()
    convert_voice(tmp_path / "out", tmp_path / "back")
    same(tmp_path / "back", tmp_path / "direct")


def test_the_graph_of_a_quantized_bert_is_refused_with_the_remedy(tmp_path: Path) -> None:
    from sokuon.voices.sources import resolve

    (tmp_path / "bert_q8.onnx").touch()
    with pytest.raises(VoiceError, match=r"ku-nlp/deberta"):
        resolve(tmp_path / "bert_q8.onnx", kind="bert")
    with pytest.raises(VoiceError, match=r"ku-nlp/deberta"):
        resolve(tmp_path, kind="bert")


def manifest(**changes: Any) -> dict[str, Any]:
    def style(name: str, row: int) -> dict[str, Any]:
        samples = [{"audio": "data:audio/wav;base64,AAAA", "transcript": "見本"}] if row else []
        return {"name": name, "icon": None, "local_id": row, "voice_samples": samples}

    speakers = [
        {"name": name, "icon": ICON, "supported_languages": ["ja"], "uuid": f"0000-{row}", "local_id": row,
         "styles": [style("ノーマル", 0), style("喜び", 1)]}
        for row, name in ((1, "乙"), (0, "甲"))
    ]  # fmt: skip
    return {
        "manifest_version": "1.0", "name": "試験の声", "description": "説明", "creators": ["作者"], "license": LICENCE,
        "model_architecture": ARCHITECTURE, "model_format": "Safetensors", "uuid": "1111", "version": "1.0.0",
        "speakers": speakers,
    } | changes  # fmt: skip


def write_aivm(source: Path, path: Path, **changes: Any) -> None:
    styles = base64.b64encode((source / "style_vectors.npy").read_bytes()).decode()
    metadata = {
        "aivm_manifest": json.dumps(manifest(**changes), ensure_ascii=False),
        "aivm_hyper_parameters": (source / "config.json").read_text(), "aivm_style_vectors": styles,
    }  # fmt: skip
    save_file(tensors(source), path, {k: v for k, v in metadata.items() if v})


def test_an_aivm_file_keeps_names_order_pictures_samples_and_licence(source: Path, tmp_path: Path) -> None:
    write_aivm(source, tmp_path / "voice.aivm")
    convert_voice(tmp_path / "voice.aivm", tmp_path / "back")
    same(tmp_path / "back", tmp_path / "direct")
    voice, about = Voice.open(tmp_path / "back"), read_about(tmp_path / "back")
    assert voice.manifest.name == "試験の声"
    assert list(voice.manifest.speakers.items()) == [("乙", 1), ("甲", 0)]
    assert list(voice.manifest.styles.items()) == [("ノーマル", 0), ("喜び", 1)]
    assert (voice.manifest.licence, about.licence) == ("ACML 1.0", LICENCE)
    assert (about.creators, about.description, about.uuid) == (("作者",), "説明", "1111")
    first = about.speakers[0]
    assert (first.name, first.row, first.uuid, first.icon, first.languages) == ("乙", 1, "0000-1", ICON, ("ja",))
    assert first.styles[1].samples == (("data:audio/wav;base64,AAAA", "見本"),)


def test_an_exported_aivmx_keeps_the_manifest(source: Path, tmp_path: Path) -> None:
    write_aivm(source, tmp_path / "voice.aivm")
    export_voice(tmp_path / "voice.aivm", tmp_path / "voice.aivmx", Layout.AIVMX)
    convert_voice(tmp_path / "voice.aivmx", tmp_path / "back")
    assert read_about(tmp_path / "back").aivm == manifest(model_format="ONNX")


def only(speaker: int, style: int) -> dict[str, Any]:
    return {"name": "a", "local_id": speaker, "styles": [{"name": "b", "local_id": style}]}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"model_architecture": "Style-Bert-VITS2"},
            r"'Style-Bert-VITS2'; only Style-Bert-VITS2 \(JP-",
        ),
        ({"model_architecture": None}, "architecture is None"),
        ({"speakers": []}, "names no speaker"),
        ({"speakers": [{"name": "a", "local_id": 0, "styles": []}]}, "without styles"),
        ({"speakers": 3}, "damaged AIVM metadata"),
        ({"speakers": [only(9, 0)]}, r"emb_g\.weight has 2 rows"),
        ({"speakers": [only(0, 9)]}, "has 2 rows, fewer"),
    ],
)
def test_an_aivm_file_that_cannot_be_used_is_said(
    source: Path, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    write_aivm(source, tmp_path / "voice.aivm", **changes)
    with pytest.raises(VoiceError, match=problem):
        convert_voice(tmp_path / "voice.aivm", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_weights_alone_say_what_is_missing(source: Path, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    (source / "model.safetensors").rename(tmp_path / "alone" / "model.safetensors")
    with pytest.raises(VoiceError, match=r"put its config\.json and style_vectors\.npy beside it"):
        convert_voice(tmp_path / "alone" / "model.safetensors", tmp_path / "back")


def test_weights_that_are_named_are_taken(source: Path, tmp_path: Path) -> None:
    other = tensors(source)
    other["emb_g.weight"] = other["emb_g.weight"] + 1
    save_file(other, source / "newer.safetensors")
    convert_voice(source / "model.safetensors", tmp_path / "named")
    same(tmp_path / "named", tmp_path / "direct")
    convert_voice(source, tmp_path / "newest")
    newest, named = (np.load(tmp_path / name / "speakers.npy") for name in ("newest", "named"))
    assert not np.array_equal(newest, named)


def archive(path: Path, members: dict[str, bytes | tarfile.TarInfo]) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    path.write_bytes(zstd().compress(data.getvalue()))


STYLE_JSON = json.dumps({"shape": [2, 256], "data": np.ones((2, 256)).tolist()}).encode()


def test_members_of_an_archive_cannot_leave_their_folder(tmp_path: Path) -> None:
    link = tarfile.TarInfo("model.onnx")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    for members in (
        {"../evil": b"x", "/tmp/evil-sokuon": b"x", "style_vectors.json": STYLE_JSON},
        {"model.onnx": link, "style_vectors.json": STYLE_JSON},
    ):
        archive(tmp_path / "v.sbv2", members)
        with pytest.raises(VoiceError, match=r"it holds no model\.onnx"):
            convert_voice(tmp_path / "v.sbv2", tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.sbv2"]
    assert not Path("/tmp/evil-sokuon").exists()


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x28\xb5\x2f\xfd" + b"\0" * 40])
def test_what_is_no_archive_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.sbv2").write_bytes(data)
    with pytest.raises(VoiceError, match=r"not a complete \.sbv2 archive|it holds no"):
        convert_voice(tmp_path / "v.sbv2", tmp_path / "back")


def test_a_member_that_unpacks_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sbv2_archive._MOST_BYTES, "model.onnx", 1000)
    archive(tmp_path / "v.sbv2", {"model.onnx": b"\0" * 100_000, "style_vectors.json": STYLE_JSON})
    with pytest.raises(VoiceError, match=r"its model\.onnx is larger than any voice's"):
        convert_voice(tmp_path / "v.sbv2", tmp_path / "back")


def test_names_that_are_no_text_are_refused(source: Path, tmp_path: Path) -> None:
    """The library of protocol buffers gives bytes for what is not UTF-8 (found by test_mutated)."""
    export_voice(source, tmp_path / "out", Layout.SBV2_ONNX)
    path = tmp_path / "out" / "out.onnx"
    path.write_bytes(path.read_bytes().replace(b"enc_p.proj.bias", b"enc_p.proj.\xffias"))
    with pytest.raises(VoiceError, match="a name that is no text"):
        convert_voice(tmp_path / "out", tmp_path / "back")


def test_a_manifest_that_lacks_names_is_refused(source: Path, tmp_path: Path) -> None:
    """Found by test_mutated."""
    write_aivm(source, tmp_path / "voice.aivm", speakers=[{"local_id": 0, "styles": [{"name": "a", "local_id": 0}]}])
    with pytest.raises(VoiceError, match="damaged AIVM metadata"):
        convert_voice(tmp_path / "voice.aivm", tmp_path / "back")
