"""The best of several initial weights: each is trained for an epoch, and the run goes on from the one that did best.

So the notebook "Galaxy Imagery Classification" chose its weights (select_best_initial_weights).
"""

from __future__ import annotations

import logging
from dataclasses import replace

from training.loop.initial_weights import FRESH, Start
from training.loop.job import Job
from training.loop.progress import Stop
from training.loop.trainer import Trainer

_log = logging.getLogger(__name__)
_FOLDER = "trials"


def best_start(job: Job, stop: Stop) -> Start:
    """Weights to start from: those of ``recipe.trials`` draws that have the best validation score after an epoch.

    Each trial keeps its checkpoint, so that one that was stopped goes on.

    Args:
        job: what the run is made of, without weights to start from.
        stop: looked at every few steps.

    Raises:
        Stopped: ``stop`` was set.
    """
    best, score = Start(), float("-inf")
    for number in range(job.recipe.trials):
        recipe = replace(job.recipe, trials=1, epochs=1, minutes=0.0, seed=job.recipe.seed + number)
        folder = job.folder / _FOLDER / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        trial = Trainer(replace(job, recipe=recipe, folder=folder))
        weights = trial.fit(stop)
        found = trial.progress.best_score
        _log.info("initial weights %d of %d: validation score %.5f", number + 1, job.recipe.trials, found)
        if number == 0 or found > score:
            told = (
                f"{FRESH}: the best of {job.recipe.trials} draws, an epoch each (seed {recipe.seed}, score {found:.5f})"
            )
            best, score = Start(weights, told), found
    return best
