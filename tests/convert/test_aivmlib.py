"""AIVM files by the format's own library, in both directions."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from test_forms import same, tensors
from tiny_voice import make_tiny_voice

aivmlib = pytest.importorskip("aivmlib", reason="needs aivmlib, in an environment of its own")

from safetensors.numpy import save_file  # noqa: E402

from sokuon.convert.voice import convert_voice  # noqa: E402
from sokuon.export.voice import Layout, export_voice  # noqa: E402
from sokuon.formats.about import read_about  # noqa: E402
from sokuon.voices.voice import Voice  # noqa: E402


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_tiny_voice(tmp_path / "source", 3)
    convert_voice(tmp_path / "source", tmp_path / "direct")
    return tmp_path / "source"


def test_what_the_library_writes_is_read(source: Path, tmp_path: Path) -> None:
    architecture = aivmlib.ModelArchitecture.StyleBertVITS2JPExtra
    config, styles = (io.BytesIO((source / name).read_bytes()) for name in ("config.json", "style_vectors.npy"))
    metadata = aivmlib.generate_aivm_metadata(architecture, config, styles)
    metadata.manifest.name, metadata.manifest.creators, metadata.manifest.license = "試験", ["作者"], "ACML 1.0\n全文"
    save_file(tensors(source), tmp_path / "plain.safetensors")
    export_voice(source, tmp_path / "graph", Layout.SBV2_ONNX)
    with (tmp_path / "plain.safetensors").open("rb") as file:
        (tmp_path / "voice.aivm").write_bytes(aivmlib.write_aivm_metadata(file, metadata))
    metadata.manifest.model_format = aivmlib.ModelFormat.ONNX
    with (tmp_path / "graph" / "graph.onnx").open("rb") as file:
        (tmp_path / "voice.aivmx").write_bytes(aivmlib.write_aivmx_metadata(file, metadata))
    for suffix in ("aivm", "aivmx"):
        convert_voice(tmp_path / f"voice.{suffix}", tmp_path / suffix)
        same(tmp_path / suffix, tmp_path / "direct")
        voice, about = Voice.open(tmp_path / suffix), read_about(tmp_path / suffix)
        assert (voice.manifest.name, about.creators, about.licence) == ("試験", ("作者",), "ACML 1.0\n全文")
        assert list(voice.manifest.speakers) == ["Speaker0", "Speaker1"]
        assert str(metadata.manifest.uuid) == about.uuid
        assert about.speakers[0].icon == metadata.manifest.speakers[0].icon


def test_what_we_write_the_library_accepts(source: Path, tmp_path: Path) -> None:
    export_voice(source, tmp_path / "voice.aivmx", Layout.AIVMX)
    with (tmp_path / "voice.aivmx").open("rb") as file:
        metadata = aivmlib.read_aivmx_metadata(file)
    assert metadata.manifest.model_architecture == aivmlib.ModelArchitecture.StyleBertVITS2JPExtra
    assert metadata.manifest.model_format == aivmlib.ModelFormat.ONNX
    assert [style.name for style in metadata.manifest.speakers[1].styles] == ["Neutral", "Happy"]
    assert metadata.style_vectors is not None
