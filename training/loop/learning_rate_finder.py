"""Find a learning rate: try ever larger ones, a step each, and see where the loss falls fastest (Smith 2017, section 3.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console
from rich.table import Table

from training.data.sampler import batch_rows
from training.loop.job import Job
from training.loop.trainer import Trainer

_FROM, _TO = 1e-6, 1.0
_SMOOTHING = 0.9
_DIVERGED = 4.0  # times the best smoothed loss
_SETTLED = 10  # steps after which the smoothed loss says something


@dataclass(frozen=True)
class Trial:
    """One step at one learning rate; ``loss`` is smoothed over the steps before."""

    learning_rate: float
    loss: float


def find_learning_rate(job: Job, steps: int = 100) -> float:
    """Print losses by learning rate and a suggestion.

    Args:
        job: what would be trained; nothing of it is kept.
        steps: how many to try, from 1e-6 to 1, at equal ratios.

    Returns:
        The learning rate where the loss falls fastest.
    """
    trials = sweep(job, steps)
    chosen = suggest(trials)
    table = Table("learning rate", "loss", title="Learning rates tried")
    for trial in trials[:: max(len(trials) // 20, 1)]:
        table.add_row(f"{trial.learning_rate:.2e}", f"{trial.loss:.4f}")
    console = Console(quiet=not job.place.is_first)
    console.print(table)
    console.print(f"The loss falls fastest at {chosen:.1e}: --set learning_rate={chosen:.1e}")
    return chosen


def sweep(job: Job, steps: int) -> list[Trial]:
    """Train at rising learning rates until the loss leaves the ground, or ``steps`` are done."""
    trainer = Trainer(replace(job, folder=job.folder / "learning-rates"))
    trainer.network.train()
    generator = np.random.default_rng(job.recipe.seed)
    size = job.recipe.batch_size
    drawn = (generator.choice(trainer.rows, size, replace=False) for _ in range(steps))
    rows = [batch_rows(order, 0, size, job.place.rank, job.place.world_size) for order in drawn]
    trials: list[Trial] = []
    average, best = 0.0, math.inf
    for index, batch in enumerate(trainer.feeder.batches(rows)):
        rate = _FROM * (_TO / _FROM) ** (index / max(steps - 1, 1))
        average = _SMOOTHING * average + (1 - _SMOOTHING) * job.place.mean(trainer.step(batch, rate))
        smooth = average / (1 - _SMOOTHING ** (index + 1))
        if index >= _SETTLED and not smooth < _DIVERGED * best:
            break
        best = min(best, smooth)
        trials.append(Trial(rate, smooth))
    return trials


def suggest(trials: list[Trial]) -> float:
    """The learning rate of the steepest fall of the loss over the logarithm of the learning rate.

    Raises:
        ValueError: there are too few trials to tell.
    """
    if len(trials) < _SETTLED:
        raise ValueError(f"expected {_SETTLED} trials or more, to tell where the loss falls, got {len(trials)}")
    logs = np.log([trial.learning_rate for trial in trials])
    slopes = np.gradient([trial.loss for trial in trials], logs)
    first = len(trials) // 10  # the smoothed loss has settled by then
    return trials[first + int(np.argmin(slopes[first:]))].learning_rate
