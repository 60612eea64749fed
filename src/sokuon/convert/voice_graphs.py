"""Joins the network's parts into the three graphs of a voice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from sokuon.convert.decoder import decoder, decoder_tensors
from sokuon.convert.duration import duration_predictor, stochastic_duration_predictor
from sokuon.convert.flow import FLOW_KERNEL, flow
from sokuon.convert.graph import Graph
from sokuon.convert.layers import Scope, StackShape
from sokuon.convert.text_encoder import text_encoder
from sokuon.convert.weights import Checkpoint
from sokuon.formats.contracts import DECODER, ENCODER, FLOW
from sokuon.storage.tensors import F32, TensorFileWriter
from sokuon.voices.published import SourceConfig

# Training-only tensors, and the coupling that sampling leaves out (spec model-synthesizer section 10).
DEAD = (r"enc_q\..*", r"sdp\.post_.*", r"sdp\.flows\.1\..*", r"iteration", r"dur_disc\..*")

Progress = Callable[[str], None]


def write_graphs(
    tensors: Mapping[str, npt.NDArray[Any]], source: Path, config: SourceConfig, folder: Path, progress: Progress
) -> F32:
    """Write encoder, flow and decoder into `folder`; returns the speaker table [speakers, G].

    Raises WeightError unless every tensor of the checkpoint is used exactly once or known to be dead.
    """
    checkpoint = Checkpoint(tensors, source)
    speakers = checkpoint.take("emb_g.weight", (None, config.speaker_channels))
    for name, write in (("encoder", _write_encoder), ("flow", _write_flow), ("decoder", _write_decoder)):
        progress(name)
        with TensorFileWriter(folder / f"{name}.weights") as weights:
            write(checkpoint, config, folder, weights)
    checkpoint.finish(DEAD)
    return speakers


def _write_encoder(checkpoint: Checkpoint, config: SourceConfig, folder: Path, weights: TensorFileWriter) -> None:
    graph = Graph(ENCODER, weights)
    root, c, g_width = Scope(graph, checkpoint), config.hidden_channels, config.speaker_channels
    shape = StackShape(c, config.filter_channels, config.kernel, config.heads, config.layers, g_width)
    speaker = graph.input("speaker")
    prior = text_encoder(root.at("enc_p"), speaker, shape)
    fixed = duration_predictor(root.at("dp"), prior.hidden, speaker, c, g_width)
    sampled = stochastic_duration_predictor(root.at("sdp"), prior.hidden, speaker, c, g_width)
    graph.save(folder, [prior.mean, prior.log_std, fixed, sampled])


def _write_flow(checkpoint: Checkpoint, config: SourceConfig, folder: Path, weights: TensorFileWriter) -> None:
    graph = Graph(FLOW, weights)
    c = config.hidden_channels
    shape = StackShape(c, config.filter_channels, FLOW_KERNEL, config.heads, 0, config.speaker_channels)
    z = flow(Scope(graph, checkpoint).at("flow"), graph.input("z_prior"), graph.input("speaker"), shape)
    graph.save(folder, [z])


def _write_decoder(checkpoint: Checkpoint, config: SourceConfig, folder: Path, weights: TensorFileWriter) -> None:
    graph = Graph(DECODER, weights)
    graph.save(folder, [decoder(graph, decoder_tensors(checkpoint, config.decoder), config.decoder)])
