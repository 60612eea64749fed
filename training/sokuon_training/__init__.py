"""Training of small JP-Extra voices for Sokuon: torch reference model, data preparation, losses, export."""

from sokuon_training.config import ModelConfig
from sokuon_training.encoder import TextInput
from sokuon_training.export import VoiceInfo, random_model, random_voice
from sokuon_training.synthesizer import Output, Scales, Synthesizer

__all__ = [
    "ModelConfig",
    "Output",
    "Scales",
    "Synthesizer",
    "TextInput",
    "VoiceInfo",
    "random_model",
    "random_voice",
]
