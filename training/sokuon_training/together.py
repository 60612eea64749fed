"""Several processes that train one network: each on crops of its own, all by the mean of their gradients.

Start refine.py once for each, with a work folder for each (the same checkpoint, if any, in all) and the same arguments:
`RANK=0 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29511 python -m sokuon_training.refine WORK ...`, then RANK=1.
"""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from torch import Tensor, distributed

PATIENCE = timedelta(hours=2)  # one may be paused


def join() -> int:
    """Meet the others, if the environment tells of any; this process's number."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        distributed.init_process_group("gloo", timeout=PATIENCE)
    return distributed.get_rank() if distributed.is_initialized() else 0


def least(value: float) -> float:
    """The least of what the processes have: all must ask, and then do the same."""
    if not distributed.is_initialized():
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    distributed.all_reduce(shared, distributed.ReduceOp.MIN)
    return float(shared)


def share(optimizer: torch.optim.Optimizer) -> None:
    """From now on every step of the optimizer takes the mean of the processes' gradients. A weight without a gradient
    must have none in any process."""
    if distributed.is_initialized():
        optimizer.register_step_pre_hook(lambda some, *_: _average(some))


def _average(optimizer: torch.optim.Optimizer) -> None:
    gradients: list[Tensor] = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
    flat = torch.cat([x.reshape(-1) for x in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, part in zip(gradients, flat.split([x.numel() for x in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
