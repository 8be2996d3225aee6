"""Which galaxies a step sees: a pure function of seed and epoch, so that a resumed run sees what it would have seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def epoch_order(count: int, seed: int, epoch: int, weights: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
    """Rows in the order of one epoch, int64 (count,).

    Args:
        count: rows of the training split.
        seed: the run's.
        epoch: which one, from 0.
        weights: (count,), how often each row is to be drawn relative to others; rows are then drawn with replacement.
    """
    generator = np.random.default_rng((seed, epoch))
    if weights is None:
        return generator.permutation(count)
    return generator.choice(count, size=count, p=weights / weights.sum())


def batch_rows(
    order: NDArray[np.int64], step: int, batch_size: int, rank: int = 0, world_size: int = 1
) -> NDArray[np.int64]:
    """This process's share of a step's rows, in ascending order, so that the memory map is read forwards."""
    mine = order[step * batch_size : (step + 1) * batch_size][rank::world_size]
    return np.sort(mine)
