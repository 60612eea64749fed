"""What every training script shares: device, checkpoints, running averages of weights, clean stops, progress lines."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from rich.console import Console
from torch import nn

from sokuon_training.together import least

console = Console(highlight=False, width=160)


class Ema:
    """Exponential moving average of a module's weights."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.shadow = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.steps += 1
        rate = 1 - min(self.decay, self.steps / (self.steps + 10))
        for k, v in module.state_dict().items():
            if v.dtype.is_floating_point:
                self.shadow[k].lerp_(v, rate)
            else:
                self.shadow[k].copy_(v)


class Run:
    """One training run: counts steps, saves every few minutes, stops at SIGTERM, SIGINT or the deadline."""

    def __init__(self, checkpoint: Path, minutes: float, save_every_s: float = 180.0) -> None:
        self.checkpoint = checkpoint
        self.deadline = time.time() + 60 * minutes
        self.save_every_s = save_every_s
        self.stopped = False
        self.step = 0
        self.parts: dict[str, Any] = {}
        self.found = frozenset[str]()  # which parts the checkpoint held
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        _note_pid(checkpoint.parent / "pids")

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopped = True

    def keep(self, **parts: Any) -> None:
        """Objects with state_dict/load_state_dict, or Ema, that a checkpoint holds."""
        self.parts |= parts

    def resume(self) -> bool:
        """Load the checkpoint if there is one."""
        if not self.checkpoint.exists():
            return False
        data = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.step, self.found = data["step"], frozenset(data)
        for name, part in self.parts.items():
            if name not in data:
                continue
            if isinstance(part, Ema):
                part.shadow, part.steps = data[name]["shadow"], data[name]["steps"]
            else:
                part.load_state_dict(data[name])
        console.print(f"resumed {self.checkpoint.name} at step {self.step}")
        return True

    @property
    def minutes_left(self) -> float:
        return max(0.0, (self.deadline - time.time()) / 60)

    def save(self) -> None:
        data: dict[str, Any] = {"step": self.step}
        for name, part in self.parts.items():
            is_ema = isinstance(part, Ema)
            data[name] = {"shadow": part.shadow, "steps": part.steps} if is_ema else part.state_dict()
        partial = self.checkpoint.with_suffix(".part")
        torch.save(data, partial)
        partial.rename(self.checkpoint)

    def steps(self, most: int) -> Iterator[int]:
        """Step numbers until `most`, a signal or the deadline; saves on the way and at the end. Of several processes
        (together.py) the first that ends ends all."""
        saved = time.time()
        while least(0.0 if self.step >= most or self.stopped else self.minutes_left) > 0:
            yield self.step
            self.step += 1
            if time.time() - saved > self.save_every_s:
                self.save()
                saved = time.time()
        self.save()
        console.print(f"stopped at step {self.step}")


class Log:
    """Mean of named numbers over some steps, one line each."""

    def __init__(self, every: int) -> None:
        self.every, self.sums, self.count = every, dict[str, float](), 0
        self.started, self.cpu = time.time(), time.process_time()

    def add(self, step: int, **numbers: float) -> None:
        for k, v in numbers.items():
            self.sums[k] = self.sums.get(k, 0.0) + v
        self.count += 1
        if self.count < self.every:
            return
        wall, cpu = (time.time() - self.started) / self.count, (time.process_time() - self.cpu) / self.count
        means = "  ".join(f"{k} {v / self.count:.4f}" for k, v in self.sums.items())
        console.print(f"{time.strftime('%H:%M:%S')} step {step}  {means}  {wall:.2f} s/step (cpu {cpu:.2f})")
        self.sums, self.count, self.started, self.cpu = {}, 0, time.time(), time.process_time()


def device_of(name: str) -> torch.device:
    """The device asked for; one thread on a CPU, where two processes of one thread beat one of two."""
    if name == "cpu":
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return torch.device(name)


def half_convolutions(device: torch.device, wanted: bool) -> torch.autocast:
    """Inside it convolutions are computed in bf16 if that is wanted: for processors with AMX, and GPUs."""
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def _note_pid(path: Path) -> None:
    """Append this process to the list of running trainings, for whoever wants to pause them."""
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")
