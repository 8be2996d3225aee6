"""The best of several initial weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.loop.small_runs import job
from tests.training.toy import add_toy_model
from training.loop.progress import Stop, Stopped
from training.loop.trainer import Trainer
from training.loop.trials import best_start


def test_a_run_starts_from_the_best_draw(tmp_path: Path) -> None:
    """Each draw is trained for an epoch, those with the highest validation score are taken, and the record names them."""
    add_toy_model(tmp_path / "models")
    several = job(tmp_path / "run", trials=3, learning_rate=0.003)
    start = best_start(several, Stop())
    scores = []
    for seed in range(3):
        alone = Trainer(job(tmp_path / f"alone-{seed}", epochs=1, seed=seed, learning_rate=0.003))
        weights = alone.fit(Stop())
        scores.append(alone.progress.best_score)
        if alone.progress.best_score == max(scores) and scores.count(max(scores)) == 1:
            best = seed, weights
    assert len(set(scores)) > 1  # else any would do
    assert all(torch.equal(start.weights[name], value) for name, value in best[1].items())
    assert start.told.startswith(f"fresh: the best of 3 draws, an epoch each (seed {best[0]}, score {max(scores):.5f}")


def test_trials_that_were_stopped_go_on(tmp_path: Path) -> None:
    """A wish to stop ends them with a checkpoint, and the next time they come to the same weights."""
    add_toy_model(tmp_path / "models")
    several = job(tmp_path / "run", trials=2)
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        best_start(several, stop)
    again, whole = best_start(several, Stop()), best_start(job(tmp_path / "whole", trials=2), Stop())
    assert again.told == whole.told
    assert all(torch.equal(again.weights[name], value) for name, value in whole.weights.items())
