"""Several processes: what they must agree on, and how they part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_processes_agree_on_the_end_and_part(tmp_path: Path) -> None:
    """When one process would stop early all do, with the same figures, and none is bound to the others afterwards."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, "-m", "tests.training.two_processes", str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second == {"epochs": 3, "mean": 0.5, "left": True}
