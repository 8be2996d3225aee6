"""Two artifacts on the same galaxies: what differs, and whether that could be chance.

Both are right and wrong on mostly the same galaxies. A bootstrap that draws galaxies, and takes both artifacts' answers for
each, has the interval of the difference, which is narrower than those of the two figures suggest (Efron & Tibshirani 1993).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from training.evaluation import metrics
from training.evaluation.metrics import Floats, Interval, Labels
from training.evaluation.report import rounded


@dataclass(frozen=True)
class Difference:
    """One figure of two artifacts.

    Attributes:
        name: of the figure.
        images: galaxies that it is of.
        first: of the first artifact.
        second: of the second.
        difference: second less first.
        interval: of the difference, 95 %, by a paired bootstrap over galaxies.
    """

    name: str
    images: int
    first: float
    second: float
    difference: float
    interval: Interval


def differences(first: Floats, second: Floats, labels: Labels) -> list[Difference]:
    """Accuracy, macro F1 and log loss.

    Args:
        first: float64 (N, classes), class probabilities by the first artifact.
        second: likewise, by the second.
        labels: int64 (N,).
    """
    pair = (first, second)
    right = [(metrics.is_right(told, labels).astype(np.float64),) for told in pair]
    chosen = [(labels.astype(np.float64), told.argmax(axis=1).astype(np.float64)) for told in pair]
    losses = [(metrics.losses(told, labels),) for told in pair]
    return [
        _difference("accuracy", _mean, *right),
        _difference("macro F1", partial(_macro_f1, classes=first.shape[1]), *chosen),
        _difference("log loss", _mean, *losses),
    ]


def difference_of_shares(name: str, first: Floats, second: Floats, shares: Floats) -> Difference:
    """The root mean square error of what is told of the shares of volunteers' votes.

    Args:
        name: of the figure.
        first: float64 (N, classes), by the first artifact.
        second: likewise, by the second.
        shares: float64 (N, classes), the volunteers'; NaN where they were not asked.
    """
    known = np.isfinite(shares).all(axis=1)
    squares = [(((told[known] - shares[known]) ** 2).mean(axis=1),) for told in (first, second)]
    return _difference(name, _root_mean, *squares)


def _mean(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=1))


def _root_mean(squares: Floats) -> Floats:
    return np.asarray(np.sqrt(squares.mean(axis=1)))


def _macro_f1(truth: Floats, given: Floats, classes: int) -> Floats:
    of_classes = []
    for place in range(classes):
        is_true, is_given = truth == place, given == place
        both = (is_true & is_given).sum(axis=1)
        of_classes.append(2 * both / np.maximum(is_true.sum(axis=1) + is_given.sum(axis=1), 1))
    return np.asarray(np.mean(of_classes, axis=0))


def _difference(
    name: str, figure: Callable[..., Floats], first: tuple[Floats, ...], second: tuple[Floats, ...]
) -> Difference:
    """What differs in a figure, which takes columns (R, N) and gives (R,)."""
    count = len(first)
    was, now = (float(figure(*(column[None] for column in columns))[0]) for columns in (first, second))
    interval = metrics.bootstrap(lambda *drawn: figure(*drawn[count:]) - figure(*drawn[:count]), *first, *second)
    ends = Interval(rounded(interval.low), rounded(interval.high))
    return Difference(name, len(first[0]), rounded(was), rounded(now), rounded(now - was), ends)
