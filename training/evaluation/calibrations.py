"""What could be done to logits so that confidence means something, compared by cross-validation; and what chance alone does.

A calibration with more parameters fits the galaxies that it is fitted on better: each is judged on galaxies that it was not
fitted on. And the calibration error of a finite sample is never 0: even of galaxies whose classes are drawn from a model's own
probabilities some bins have too many that are right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from training.artifact.calibration import Adjust, fit, warmed
from training.evaluation import metrics
from training.evaluation.metrics import Floats, Interval, Labels
from training.evaluation.report import rounded

FOLDS, REPEATS = 10, 10
DRAWS = 10_000
GOAL = 0.01  # of the calibration error
TEMPERATURE = "temperature"


@dataclass(frozen=True)
class Calibration:
    """A kind of calibration.

    Attributes:
        name: in words.
        adjust: what it does to logits.
        parameters: how many numbers it has for a number of classes, all 0 where it does nothing.
    """

    name: str
    adjust: Adjust
    parameters: Callable[[int], int]


def _biased(values: Tensor, logits: Tensor) -> Tensor:
    return warmed(values[0], logits) + values[1:]


def _diagonal(values: Tensor, logits: Tensor) -> Tensor:
    scales, biases = values.chunk(2)
    return logits / scales.exp() + biases


def _by_class(values: Tensor, logits: Tensor) -> Tensor:
    return logits / values.exp()[logits.argmax(dim=1)][:, None]


def _by_margin(values: Tensor, logits: Tensor) -> Tensor:
    first, second = logits.topk(2, dim=1).values.unbind(dim=1)
    return logits / (values[0] + values[1] * torch.log1p(first - second)).exp()[:, None]


CALIBRATIONS = (
    Calibration(TEMPERATURE, warmed, lambda classes: 1),
    Calibration("temperature and a bias for each class (Alexandari et al. 2020)", _biased, lambda classes: 1 + classes),
    Calibration("diagonal Dirichlet calibration (Kull et al. 2019)", _diagonal, lambda classes: 2 * classes),
    Calibration("a temperature for each predicted class", _by_class, lambda classes: classes),
    Calibration("a temperature that depends on how far the first class is ahead", _by_margin, lambda classes: 2),
)


@dataclass(frozen=True)
class Judged:
    """A calibration on galaxies that it was not fitted on; means over the repeats.

    Attributes:
        name: of the calibration.
        parameters: how many were fitted.
        negative_log_likelihood: nats.
        calibration_error: of the predicted class.
        accuracy: a calibration with biases can change the class.
        macro_f1: likewise.
        difference: of the negative log-likelihood from that of one temperature; less is better.
        interval: of that difference, 95 %, by a bootstrap over galaxies.
    """

    name: str
    parameters: int
    negative_log_likelihood: float
    calibration_error: float
    accuracy: float
    macro_f1: float
    difference: float
    interval: Interval


@dataclass(frozen=True)
class Floor:
    """The calibration error of a model whose probabilities are true, on as many galaxies.

    Attributes:
        measured: what the model's is.
        mean: over draws of classes from the model's own probabilities.
        interval: that 95 % of draws are in.
        within_goal: share of draws of at most :data:`GOAL`.
        as_high: share of draws of at least what was measured.
    """

    measured: float
    mean: float
    interval: Interval
    within_goal: float
    as_high: float


def compare(logits: Tensor, labels: Tensor, repeats: int = REPEATS) -> list[Judged]:
    """Judge every calibration on galaxies that it was not fitted on, in the order of :data:`CALIBRATIONS`.

    Args:
        logits: float (N, classes), before any calibration.
        labels: int64 (N,), at least :data:`FOLDS` of each class.
        repeats: how many times the galaxies are divided, each time otherwise; the same number gives the same figures.
    """
    judged: list[Judged] = []
    reference: Floats | None = None
    for kind in CALIBRATIONS:
        start = torch.zeros(kind.parameters(logits.shape[1]), dtype=logits.dtype)
        drawn = [_held_out(kind.adjust, start, logits, labels, seed) for seed in range(repeats)]
        losses = np.mean([metrics.losses(told, labels.numpy()) for told in drawn], axis=0)
        reference = losses if reference is None else reference
        judged.append(_judged(kind.name, len(start), drawn, labels.numpy(), losses - reference))
    return judged


def _held_out(adjust: Adjust, start: Tensor, logits: Tensor, labels: Tensor, seed: int) -> Floats:
    """Probabilities of each galaxy by a calibration that was fitted on others, float64 (N, classes)."""
    told = torch.empty_like(logits)
    for learned, held in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(logits, labels):
        fitted = fit(adjust, start, logits[learned], labels[learned])
        told[held] = adjust(fitted, logits[held]).softmax(dim=1)
    return told.numpy().astype(np.float64)


def _judged(name: str, parameters: int, drawn: list[Floats], labels: Labels, differences: Floats) -> Judged:
    confusions = np.stack([metrics.confusion_matrix(told, labels) for told in drawn])
    interval = metrics.bootstrap(lambda picked: picked.mean(axis=1), differences)
    return Judged(
        name,
        parameters,
        rounded(fmean(metrics.negative_log_likelihood(told, labels) for told in drawn)),
        rounded(fmean(metrics.calibration_error(told, labels) for told in drawn)),
        rounded(metrics.accuracy(confusions).mean()),
        rounded(metrics.class_scores(confusions).f1.mean()),
        rounded(differences.mean()),
        _ends(interval.low, interval.high),
    )


def floor(probabilities: Floats, labels: Labels, draws: int = DRAWS) -> Floor:
    """What chance alone makes of the calibration error.

    Args:
        probabilities: float64 (N, classes).
        labels: int64 (N,).
        draws: how many times classes are drawn; the same number gives the same figures.
    """
    generator = np.random.default_rng(metrics.SEED)
    edges = probabilities.cumsum(axis=1)[:, :-1]
    errors = np.array(
        [
            metrics.calibration_error(probabilities, (generator.random((len(edges), 1)) > edges).sum(axis=1))
            for _ in range(draws)
        ]
    )
    measured = metrics.calibration_error(probabilities, labels)
    ends = _ends(*np.percentile(errors, (2.5, 97.5)))
    shares = ((errors <= GOAL).mean(), (errors >= measured).mean())
    return Floor(rounded(measured), rounded(errors.mean()), ends, *map(rounded, shares))


def _ends(low: float, high: float) -> Interval:
    return Interval(rounded(low), rounded(high))
