"""Two processes that train one network take the same steps and end together."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
ROOT = Path(__file__).parents[2]
CODE = """
import json, sys
import torch
from pathlib import Path
from sokuon_training import together
from sokuon_training.loop import Run
rank = together.join()
torch.manual_seed(0)
net = torch.nn.Linear(3, 1)
unused = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.SGD([*net.parameters(), unused], 0.1)
together.share(optimizer)
run = Run(Path(sys.argv[1]) / "some.pt", minutes=5)
run.keep(net=net)
torch.manual_seed(rank)
gradients = []
for step in run.steps(3 if rank == 1 else 100):
    optimizer.zero_grad()
    net(torch.randn(4, 3)).mean().backward()
    gradients.append(net.weight.grad[0].tolist())
    optimizer.step()
print(json.dumps({"step": run.step, "weight": net.weight[0].tolist(), "own": gradients, "least": together.least(rank)}))
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no distributed")
def test_two_processes_take_the_mean_of_their_gradients_and_end_together(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "training")])
    running = []
    for rank in range(2):
        (tmp_path / str(rank)).mkdir()
        environment = os.environ | common | {"RANK": str(rank), "PYTHONPATH": path}
        command = [sys.executable, "-c", CODE, str(tmp_path / str(rank))]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
    told = [json.loads(process.communicate(timeout=120)[0].splitlines()[-1]) for process in running]
    assert [x["step"] for x in told] == [3, 3]  # the second asked for no more
    assert told[0]["weight"] == told[1]["weight"]
    assert told[0]["own"] != told[1]["own"]
    torch.manual_seed(0)
    start = torch.nn.Linear(3, 1).weight[0].tolist()
    mean = torch.tensor([x["own"] for x in told]).mean(0).sum(0)
    torch.testing.assert_close(torch.tensor(told[0]["weight"]), torch.tensor(start) - 0.1 * mean)
    assert [x["least"] for x in told] == [0, 0]
