"""Accuracy where images are turned, noisy, or seen from several sides at once."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cosmoformer.models.artifact import Artifact
from cosmoformer.models.gate import HeldOut, paired_bootstrap
from training.data.cache import ImageCache
from training.evaluation import metrics
from training.evaluation.figures import of_inclination, of_probabilities
from training.evaluation.inclination import inclination_told
from training.evaluation.inference import outputs, probabilities
from training.evaluation.metrics import Floats
from training.evaluation.report import Point, Robustness, Views, rounded
from training.evaluation.views import NOISES, ROTATIONS, Change, noisy, turned, views
from training.evaluation.votes import votes_told


def measure_robustness(
    model: Artifact, cache: ImageCache, rows: NDArray[np.int64], known: Floats, device: torch.device
) -> Robustness:
    """Accuracy at the rotations and noises of :mod:`training.evaluation.views`.

    Args:
        model: the artifact.
        cache: labelled images.
        rows: int64 (n,), which of them.
        known: float64 (n, classes), the probabilities of these without any change.
        device: where it is computed.
    """
    labels = cache.labels[rows]

    def point(at: float, change: Change, what: str) -> Point:
        found = known if at == 0 else probabilities(model, cache, rows, change, device=device, what=what)
        return Point(at, rounded(metrics.is_right(found, labels).mean()))

    return Robustness(
        len(rows),
        tuple(point(degrees, turned(degrees), f"rotated by {degrees}°") for degrees in ROTATIONS),
        tuple(point(sigma, noisy(sigma), f"noise of {sigma}") for sigma in NOISES),
    )


def measure_views(
    model: Artifact, cache: ImageCache, rows: NDArray[np.int64], known: Floats, count: int, device: torch.device
) -> Views:
    """Figures without and with test-time augmentation: the mean of what the artifact gives for several views of each image.

    Args:
        model: the artifact.
        cache: images with labels or votes.
        rows: int64 (n,), which of them.
        known: float64 (n, outputs), all that the artifact gives for one view.
        count: how many views, see :func:`training.evaluation.views.views`.
        device: where it is computed.

    Raises:
        ValueError: ``count`` is odd.
    """
    total = np.zeros_like(known)
    for number, change in enumerate(views(count), start=1):
        total += outputs(model, cache, rows, change, device=device, what=f"view {number} of {count}")
    found = total / count
    without, with_views = (_summary(model, cache, rows, each) for each in (known, found))
    return Views(count, len(rows), without, with_views, *_gain(cache, rows, found, known))


def _gain(cache: ImageCache, rows: NDArray[np.int64], found: Floats, known: Floats) -> tuple[float, ...]:
    """How much higher the accuracy is, and the ends of its interval; nothing where there are no classes."""
    if not (count := len(cache.classes)):
        return ()
    labels = cache.labels[rows]
    many, one = (HeldOut.of("", metrics.is_right(each[:, :count], labels)) for each in (found, known))
    verdict = paired_bootstrap(many, one, metrics.RESAMPLES, metrics.SEED)
    return (rounded(verdict.difference), rounded(verdict.low), rounded(verdict.high))


def _summary(model: Artifact, cache: ImageCache, rows: NDArray[np.int64], predictions: Floats) -> dict[str, float]:
    figures: dict[str, float] = {}
    if count := len(cache.classes):
        labels, shares = cache.labels[rows], predictions[:, :count]
        confusion = metrics.confusion_matrix(shares, labels)
        figures = {
            "accuracy": rounded(float(metrics.accuracy(confusion))),
            "macro_f1": rounded(float(metrics.class_scores(confusion).f1.mean())),
            **of_probabilities(shares, labels),
        }
    if votes := votes_told(model.metadata, predictions, cache.targets[rows]):
        figures["votes_rmse"] = votes.rmse
    if found := inclination_told(model.metadata, predictions, cache.targets[rows]):
        told = of_inclination(found)
        figures |= {
            name: told[name]
            for name in ("inclination_median_error", "inclination_quarters_correlation")
            if name in told
        }
    return figures
