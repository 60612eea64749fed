"""Joins the network's parts into the three networks of a voice: their weights, and graphs on these weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from sokuon.convert.decoder import decoder, decoder_tensors
from sokuon.convert.duration import duration_predictor, stochastic_duration_predictor
from sokuon.convert.flow import FLOW_KERNEL, flow
from sokuon.convert.graph import Graph, Value
from sokuon.convert.layers import Scope, StackShape
from sokuon.convert.text_encoder import text_encoder
from sokuon.convert.weights import Checkpoint
from sokuon.errors import WeightError
from sokuon.formats.contracts import DECODER, ENCODER, FLOW, Contract
from sokuon.formats.voice import Manifest
from sokuon.storage.tensors import F32, TensorFile, TensorFileWriter
from sokuon.voices.published import SourceConfig

# Training-only tensors, and the coupling that sampling leaves out (spec model-synthesizer section 10).
DEAD = (r"enc_q\..*", r"sdp\.post_.*", r"sdp\.flows\.1\..*", r"iteration", r"dur_disc\..*")

_ENCODER_STACK, _FLOW_STACK = "enc_p.encoder.", "flow.flows.0.enc."

Progress = Callable[[str], None]


def write_weights(
    tensors: Mapping[str, npt.NDArray[Any]], source: Path, config: SourceConfig, folder: Path, progress: Progress
) -> F32:
    """Write the weights of encoder, flow and decoder into `folder`; returns the speaker table [speakers, G].

    Raises WeightError unless every tensor of the checkpoint is used exactly once or known to be dead.
    """
    checkpoint = Checkpoint(tensors, source)
    speakers = checkpoint.take("emb_g.weight", (None, config.speaker_channels))
    stack = _stack(config)
    shapes = {ENCODER.name: stack, FLOW.name: replace(stack, kernel=FLOW_KERNEL)}
    for contract in (ENCODER, FLOW, DECODER):
        progress(contract.name)
        with TensorFileWriter(folder / f"{contract.name}.weights") as weights:
            graph = Graph(contract, weights)
            if contract is DECODER:
                decoder(graph, decoder_tensors(checkpoint, config.decoder), config.decoder)
            else:
                _EMITTERS[contract.name](Scope(graph, checkpoint), shapes[contract.name])
        checkpoint.release()
    checkpoint.finish(DEAD)
    return speakers


def voice_graph(folder: Path, contract: Contract) -> Graph:
    """The finished graph of one of a converted voice's networks, on the weights in `folder`. Raises VoiceError."""
    manifest, weights = Manifest.read(folder), TensorFile(folder / f"{contract.name}.weights")
    graph = Graph(contract, weights)
    if contract is DECODER:
        names = {name.removeprefix("dec."): weights[name] for name in weights}
        graph.name_outputs([decoder(graph, names, manifest.decoder)])
    else:
        written = Scope(graph, Checkpoint(weights, weights.path))
        graph.name_outputs(_EMITTERS[contract.name](written, _written_stack(written, manifest)))
    return graph


def _encoder(root: Scope, shape: StackShape) -> list[Value]:
    c, g_width = shape.channels, shape.speaker
    speaker = root.graph.input("speaker")
    prior = text_encoder(root.at("enc_p"), speaker, shape)
    fixed = duration_predictor(root.at("dp"), prior.hidden, speaker, c, g_width)
    sampled = stochastic_duration_predictor(root.at("sdp"), prior.hidden, speaker, c, g_width)
    return [prior.mean, prior.log_std, fixed, sampled]


def _flow(root: Scope, shape: StackShape) -> list[Value]:
    return [flow(root.at("flow"), root.graph.input("z_prior"), root.graph.input("speaker"), shape)]


_EMITTERS: dict[str, Callable[[Scope, StackShape], list[Value]]] = {ENCODER.name: _encoder, FLOW.name: _flow}


def _stack(config: SourceConfig) -> StackShape:
    """The text encoder's transformer; the flow's couplings differ in kernel and layers."""
    return StackShape(
        config.hidden_channels,
        config.filter_channels,
        config.kernel,
        config.heads,
        config.layers,
        config.speaker_channels,
    )


def _written_stack(root: Scope, manifest: Manifest) -> StackShape:
    """The same from the tensors in the file. Raises WeightError."""
    c, g_width = manifest.decoder.latent_channels, manifest.decoder.speaker_channels
    prefix = _FLOW_STACK if root.graph.contract is FLOW else _ENCODER_STACK
    table = f"{prefix}attn_layers.0.emb_rel_k"
    if table not in root.checkpoint:
        return StackShape(c, 0, 0, 0, 0, g_width)  # WaveNet couplings
    head = root.checkpoint.shape(table)[0]
    if not head or c % head:
        raise WeightError(f"{root.graph.contract.name}.weights has heads of {head}, which do not fit {c} channels.")
    layers = len(root.checkpoint.names(prefix.replace(".", r"\.") + r"attn_layers\.\d+\.emb_rel_k"))
    filters, kernel = root.conv_shape(f"{prefix}ffn_layers.0.conv_1", c)
    return StackShape(c, filters, kernel, c // head, layers, g_width)
