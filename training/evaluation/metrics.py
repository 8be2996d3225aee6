"""Figures of merit of class probabilities, in numpy.

``probabilities`` are float64 (N, K), rows that sum to 1; ``labels`` are int64 (N,), indices of the true classes. The predicted
class is the most probable one, of equals the first. Where a denominator is zero (a class that was never predicted) the figure
is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
RESAMPLES = 10_000
SEED = 0
_TAILS = (2.5, 97.5)  # percentiles: what is between them is 95 %
_DRAWN_AT_ONCE = 500  # resamples, which lie in memory side by side
_TINY = float(np.finfo(np.float32).tiny)  # artifacts compute in float32: what underflowed there is no larger

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """The 95 % interval of a figure."""

    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """How well each class is found.

    Attributes:
        precision: float64 (..., K), of the galaxies that were given a class, the share that belongs there.
        recall: float64 (..., K), of the galaxies of a class, the share that was found.
        f1: float64 (..., K), their harmonic mean.
    """

    precision: Floats
    recall: Floats
    f1: Floats


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of the figures that a confusion matrix gives; ``f1`` has one for each class."""

    accuracy: Interval
    macro_f1: Interval
    f1: tuple[Interval, ...]


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram: the predictions whose confidence is in (low, high].

    Attributes:
        low: its lower edge.
        high: its upper edge.
        images: how many predictions are in it.
        confidence: their mean confidence; 0 where there are none.
        accuracy: how many of them are right, as a share; 0 where there are none.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def is_right(probabilities: Floats, labels: Labels) -> NDArray[np.bool_]:
    """Which predictions are right, bool (N,)."""
    return np.asarray(probabilities.argmax(axis=1) == labels)


def surest_mistakes(probabilities: Floats, labels: Labels) -> NDArray[np.int64]:
    """Rows of all wrong predictions, int64 (M,), those with the highest probability first."""
    wrong = np.flatnonzero(~is_right(probabilities, labels))
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def confusion_matrix(probabilities: Floats, labels: Labels) -> NDArray[np.int64]:
    """How many galaxies of each class (row) were given each class (column), int64 (K, K)."""
    classes = probabilities.shape[1]
    cells = labels * classes + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def accuracy(confusion: NDArray[np.int64]) -> Floats:
    """Share of right predictions, of one or many confusion matrices (..., K, K)."""
    return np.asarray(np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1)), dtype=np.float64)


def class_scores(confusion: NDArray[np.int64]) -> Scores:
    """Precision, recall and F1 of every class, of one or many confusion matrices (..., K, K)."""
    found = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    return Scores(_ratio(found, predicted), _ratio(found, true), _ratio(2 * found, true + predicted))


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Floats:
    return np.asarray(part / np.maximum(whole, 1), dtype=np.float64)


def bootstrap_intervals(confusion: NDArray[np.int64], resamples: int = RESAMPLES, seed: int = SEED) -> Intervals:
    """95 % intervals by the percentile bootstrap over galaxies (Efron & Tibshirani 1993, section 13.3).

    Drawing N galaxies with replacement draws their cells of the confusion matrix with the matrix's shares as chances: the
    matrix of a resample is multinomial, and is drawn as such.

    Args:
        confusion: int64 (K, K), see :func:`confusion_matrix`.
        resamples: number of draws.
        seed: of the draws; the same seed gives the same intervals.
    """
    total = int(confusion.sum())
    drawn = np.random.default_rng(seed).multinomial(total, confusion.ravel() / total, resamples)
    matrices = drawn.reshape(resamples, *confusion.shape)
    f1 = class_scores(matrices).f1
    return Intervals(
        _interval(accuracy(matrices)), _interval(f1.mean(axis=1)), tuple(_interval(column) for column in f1.T)
    )


def _interval(values: Floats) -> Interval:
    low, high = np.percentile(values, _TAILS)
    return Interval(float(low), float(high))


def bootstrap_root_mean(squares: Floats, resamples: int = RESAMPLES, seed: int = SEED) -> Interval:
    """95 % interval of a root mean square error by the percentile bootstrap over galaxies.

    Args:
        squares: float64 (N,), each galaxy's mean square error.
        resamples: number of draws.
        seed: of the draws; the same seed gives the same interval.
    """
    return bootstrap(lambda drawn: np.sqrt(drawn.mean(axis=1)), squares, resamples=resamples, seed=seed)


def bootstrap(
    figure: Callable[..., Floats], *columns: Floats, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """95 % interval of any figure by the percentile bootstrap over galaxies.

    Args:
        figure: of many samples at once: takes a float64 (R, N) for each column, gives (R,).
        *columns: float64 (N,), what is known of each galaxy.
        resamples: number of draws.
        seed: of the draws; the same seed gives the same interval.
    """
    generator, count, found = np.random.default_rng(seed), len(columns[0]), []
    for start in range(0, resamples, _DRAWN_AT_ONCE):
        rows = generator.integers(0, count, (min(_DRAWN_AT_ONCE, resamples - start), count))
        found.append(figure(*(column[rows] for column in columns)))
    return _interval(np.concatenate(found))


def reliability(probabilities: Floats, labels: Labels, bins: int = BINS) -> tuple[Bin, ...]:
    """Confidence against accuracy in equal bins of the confidence (Guo et al. 2017, section 2)."""
    confidence, right = probabilities.max(axis=1), is_right(probabilities, labels)
    edges = np.linspace(0, 1, bins + 1)
    place = np.digitize(confidence, edges[1:-1], right=True)
    found = []
    for index in range(bins):
        inside = place == index
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if count else (0.0, 0.0)
        found.append(Bin(float(edges[index]), float(edges[index + 1]), count, *means))
    return tuple(found)


def calibration_error(probabilities: Floats, labels: Labels, bins: int = BINS) -> float:
    """Expected calibration error of the predicted class (Guo et al. 2017, equation 3)."""
    gaps = [part.images * abs(part.accuracy - part.confidence) for part in reliability(probabilities, labels, bins)]
    return sum(gaps) / len(labels)


def negative_log_likelihood(probabilities: Floats, labels: Labels) -> float:
    """Mean of -log p of the true class, nats (Guo et al. 2017, equation 6, over N)."""
    return float(losses(probabilities, labels).mean())


def losses(probabilities: Floats, labels: Labels) -> Floats:
    """-log p of each galaxy's true class, nats, float64 (N,)."""
    true = probabilities[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.maximum(true, _TINY)))


def brier_score(probabilities: Floats, labels: Labels) -> float:
    """Mean squared distance between probabilities and truth, summed over classes: 0 to 2 (Brier 1950, equation 2)."""
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def undo_temperature(probabilities: Floats, temperature: float) -> Floats:
    """The probabilities before temperature scaling.

    A softmax of logits over the temperature T gives the logits back as T·log p, up to a constant (Guo et al. 2017, equation 9).
    """
    logits = temperature * np.log(np.maximum(probabilities, _TINY))
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)
