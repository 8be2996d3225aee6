"""What each of several processes does in ``test_distributed``: `torchrun -m tests.training.two_processes FOLDER`."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from tests.training.loop.test_trainer import TASK, job
from tests.training.toy import add_toy_model
from training.loop.distributed import Place, take_place
from training.loop.progress import Stop
from training.loop.record import RunRecord
from training.loop.trainer import Trainer
from training.tasks import Task


class Disagreeing(Task):
    """Every process has another opinion of an epoch: the first sees no progress, the others always do."""

    seen = 0

    def judge(
        self, predictions: NDArray[np.float64], labels: NDArray[np.int64], targets: NDArray[np.float32]
    ) -> dict[str, float]:
        """A score by process and epoch."""
        Disagreeing.seen += 1
        return {"score": float(Disagreeing.seen * dist.get_rank())}


def run(folder: Path, place: Place) -> dict[str, object]:
    """Train until one process has lost its patience; what this one saw."""
    add_toy_model(folder / f"models-{place.rank}")
    task = Disagreeing(TASK.name, TASK.label_column, TASK.classes, questions=TASK.questions)
    trainer = Trainer(replace(job(folder / "run", epochs=20, patience=2), place=place, task=task))
    trainer.fit(Stop(), RunRecord(folder / "run", "two", {}, {}) if place.is_first else None)
    mean = place.mean(torch.tensor(float(place.rank)))
    place.leave()
    return {"epochs": trainer.epoch, "mean": mean, "left": not dist.is_initialized()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with take_place("cpu") as here:
        found = run(Path(sys.argv[1]), here)
    (Path(sys.argv[1]) / f"{here.rank}.json").write_text(json.dumps(found))
