"""Where the weights lie in folders as their authors published them. Apart from the converters, which bring onnx."""

from __future__ import annotations

from pathlib import Path

from sokuon.errors import VoiceNotFoundError


def find_weights(source: Path) -> Path:
    """Of a voice: the newest `*.safetensors` that is not hidden (spec voice-files section 1)."""
    found = [path for path in source.glob("*.safetensors") if not path.name.startswith(".")]
    if not found:
        raise VoiceNotFoundError(f"{source} holds no .safetensors file; put the voice's weights there.")
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def find_bert_weights(source: Path) -> Path:
    """Of a BERT in Hugging Face layout: safetensors preferred."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (source / name).is_file():
            return source / name
    raise VoiceNotFoundError(f"{source} holds neither model.safetensors nor pytorch_model.bin.")
