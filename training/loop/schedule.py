"""How a run's epochs are laid out: which side their images have, and how many fit into the time that there is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from training.loop.checkpoint import Progress
from training.loop.recipe import Recipe


def side_of(epoch: int, epochs: int, recipe: Recipe) -> int:
    """Side of an epoch's images, pixels.

    Args:
        epoch: which one, from 0.
        epochs: how many there are.
        recipe: has the sides.
    """
    share = epoch / epochs
    return next((side for side, until in recipe.sides if share < until), recipe.image_size)


def epochs_that_fit(done: int, left_s: float, seconds: Mapping[int, float], recipe: Recipe) -> int:
    """How many epochs a run can have in all, ``recipe.epochs`` at most.

    Args:
        done: epochs behind.
        left_s: time that is left, seconds.
        seconds: what an epoch took, by the side of its images; at least one. Other sides are taken to cost by their pixels.
        recipe: has the sides.
    """

    def needed_s(epochs: int) -> float:
        return sum(_cost_s(side_of(epoch, epochs, recipe), seconds) for epoch in range(done, epochs))

    fewest, most = done, max(done, recipe.epochs)
    while fewest < most:
        tried = (fewest + most + 1) // 2
        if needed_s(tried) <= left_s:
            fewest = tried
        else:
            most = tried - 1
    return fewest


def _cost_s(side: int, seconds: Mapping[int, float]) -> float:
    nearest = min(seconds, key=lambda known: abs(known - side))
    return seconds[nearest] * (side / nearest) ** 2


def planned(progress: Progress, done: int, recipe: Recipe) -> int:
    """Epochs that a run shall have, 0 where the recipe's number stands: it has no minutes, or no epoch has been measured.

    Args:
        progress: what the run took so far.
        done: epochs behind.
        recipe: has the minutes.
    """
    if not recipe.minutes or not progress.epoch_s:
        return 0
    return epochs_that_fit(done, 60 * recipe.minutes - progress.spent_s, progress.epoch_s, recipe)


class Stopwatch:
    """Measures what a run takes as a whole, and what an epoch takes without the first step, for which a model is compiled."""

    def __init__(self) -> None:
        self._lap_began: float | None = None
        self._first_step_at = self._step_s = self._judging_s = 0.0

    def start(self) -> None:
        """Training begins, or goes on."""
        self._lap_began = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last lap; 0 before the start."""
        if self._lap_began is None:
            return 0.0
        now = time.monotonic()
        seconds, self._lap_began = now - self._lap_began, now
        return seconds

    def count(self, done: int) -> None:
        """So many steps of an epoch are done."""
        if done == 1:
            self._first_step_at = time.monotonic()

    def settle(self, steps: int) -> None:
        """An epoch's steps are done, on the device too; of a single one nothing is learned."""
        if steps > 1:
            self._step_s = (time.monotonic() - self._first_step_at) / (steps - 1)

    @contextmanager
    def judging(self) -> Iterator[None]:
        """A block that judges an epoch."""
        began = time.monotonic()
        yield
        self._judging_s = time.monotonic() - began

    def epoch_s(self, steps: int) -> float:
        """Seconds that an epoch of so many steps takes, judging included; 0 where none has been measured."""
        return self._step_s * steps + self._judging_s if self._step_s else 0.0
