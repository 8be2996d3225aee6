"""What an artifact takes: bytes of its file, and memory of a process that predicts with it.

python -m training.evaluation.footprint model.pt
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

_SIDE = 424  # pixels of an original


@dataclass(frozen=True)
class Footprint:
    """What an artifact takes.

    Attributes:
        file_bytes: size of its file.
        memory_bytes: resident memory of a process of its own after a prediction; torch alone takes most of it.
    """

    file_bytes: int
    memory_bytes: int


def footprint(path: Path) -> Footprint:
    """Measure the artifact at ``path`` in a process of its own.

    Raises:
        ValueError: it cannot be loaded.
    """
    command = [sys.executable, "-m", __name__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"the memory that {path} takes cannot be measured: {done.stderr.strip()[-300:]}")
    return Footprint(**json.loads(done.stdout))


def main(argv: list[str]) -> None:
    """Entry point of the process: load, predict, and print what it took as JSON."""
    import psutil
    import torch

    from cosmoformer.models import artifact

    torch.set_num_threads(1)
    path = Path(argv[0])
    artifact.load(path.read_bytes()).predict(torch.zeros(1, 3, _SIDE, _SIDE, dtype=torch.uint8))
    print(json.dumps(asdict(Footprint(path.stat().st_size, psutil.Process().memory_info().rss))))


if __name__ == "__main__":
    main(sys.argv[1:])
