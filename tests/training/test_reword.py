"""The text encoder's later training: what it leaves alone, what it aims at, and the voice that comes of it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("pyworld")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

from sokuon_training import published, republish, reword  # noqa: E402
from sokuon_training.acoustic import Acoustic  # noqa: E402
from sokuon_training.deberta import tokens  # noqa: E402
from sokuon_training.latents import LatentMap  # noqa: E402
from sokuon_training.loop import Ema, Run  # noqa: E402
from sokuon_training.prepare import Label  # noqa: E402
from sokuon_training.prosody import Contour  # noqa: E402
from sokuon_training.texts import Batches, Item  # noqa: E402

BUILTIN = ROOT / "training" / "builtin"
SLOTS = {"first": 13, "second": 17}
FRAMES_PER_SLOT = 3


def item(name: str, slots: int, latents: LatentMap, vocabulary: list[str]) -> Item:
    """A recording of random latents, one character for two slots."""
    rng = np.random.default_rng(slots)
    frames, text = slots * FRAMES_PER_SLOT, "はるのひ" * 5
    counts = [2] * (slots // 2) + [slots % 2]
    label = Label(
        name, text[: len(counts) - 2], counts, rng.integers(1, 40, slots).tolist(), [0] * slots, [0] * slots,
        [FRAMES_PER_SLOT] * slots, 0, [0.0] * frames, [0.0] * frames,
    )  # fmt: skip
    z = rng.standard_normal((latents.channels, frames)).astype(np.float32)
    contour = Contour(np.zeros(frames, np.float32), np.zeros(frames, np.float32))
    ids = tokens(label.text, {c: i for i, c in enumerate(vocabulary)})
    return Item(label, z, contour, np.ones(frames, np.bool_), ids)


@pytest.fixture
def voice() -> tuple[Acoustic, reword.Goals]:
    """The published voice, and goals of two recordings."""
    torch.manual_seed(0)
    model, vocabulary = published.acoustic(BUILTIN)
    latents = LatentMap.load(BUILTIN / "latents.npz")
    items = [item(name, slots, latents, vocabulary) for name, slots in SLOTS.items()]
    batches = Batches(items, latents, seed=0, crop=reword.WHOLE)
    return model, reword.Goals(batches, model.synthesizer.flow, torch.zeros(1, 32, 1), seed=0)


def test_goals_are_what_the_flow_makes_whoever_asked_first(voice: tuple[Acoustic, reword.Goals]) -> None:
    model, goals = voice
    short, long = goals.batches.items
    together = goals.of([short, long], [3, 0])[1]
    batch, alone = goals.of([short], [3])
    assert together.shape[2] == SLOTS["second"] * FRAMES_PER_SLOT
    torch.testing.assert_close(together[:1, :, : alone.shape[2]], alone)
    assert not together[0, :, alone.shape[2] :].any()
    silent = batch.z.clone()
    silent[:, goals.empty] = 0
    with torch.no_grad():
        made = model.synthesizer.flow(silent, batch.z_mask, torch.zeros(1, 32, 1))
    assert float((alone - made).abs().max()) < 0.01  # half precision


def test_frames_that_open_a_sentence_weigh_more(voice: tuple[Acoustic, reword.Goals]) -> None:
    batch, _ = voice[1].of(voice[1].batches.items, [0, 0])
    weights = reword.weights_of(batch, 2.0)[:, 0]
    opening = reword.OPENING_SLOTS * FRAMES_PER_SLOT
    assert bool((weights[:, :opening] == 2).all())
    assert bool((weights[1, opening:] == 1).all())
    assert not weights[0, SLOTS["first"] * FRAMES_PER_SLOT :].any()


def test_a_step_moves_text_encoder_bert_and_durations_alone(voice: tuple[Acoustic, reword.Goals]) -> None:
    model, goals = voice
    before = {k: v.clone() for k, v in model.state_dict().items()}
    heard = torch.from_numpy(np.setdiff1d(np.arange(96), goals.batches.latents.empty_channels))
    optimizer = torch.optim.AdamW(reword.groups_of(model), 1e-3)
    reword.hold_stochastic(model, True)
    batch, goal = goals.draw(2)
    sum(reword.losses_of(model, batch, goal, heard, 2.0, True)).backward()
    optimizer.step()
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert {"bert.embeddings.word_embeddings.weight", "synthesizer.enc_p.emb.weight"} <= moved
    assert any(k.startswith("synthesizer.dp.") for k in moved)
    assert any(k.startswith(reword.POSTERIOR) for k in moved)
    held = (*reword.HELD, "synthesizer.sdp.flows.")
    assert not [k for k in moved if k.startswith(held)]


def test_an_untrained_checkpoint_gives_the_published_voice_back(tmp_path: Path) -> None:
    model, vocabulary = published.acoustic(BUILTIN)
    reword.spread_by(model, 1 / reword.TEMPER)
    run = Run(tmp_path / reword.CHECKPOINT, minutes=1)
    run.keep(average=Ema(model, 0.9))
    run.save()
    (tmp_path / "latents.npz").write_bytes((BUILTIN / "latents.npz").read_bytes())
    wanted, made = published.tensors(BUILTIN, ""), republish.voice_tensors(tmp_path, BUILTIN)
    assert made.keys() == wanted.keys()
    for name, value in made.items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-3)
    republish.save_bert_of(tmp_path, BUILTIN, tmp_path / "bert")
    assert published.vocabulary(tmp_path) == vocabulary
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "bert" / name).read_bytes() == (BUILTIN / "bert" / name).read_bytes()
