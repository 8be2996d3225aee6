"""Figures of merit as a report has them: rounded, by name or by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from training.evaluation import metrics
from training.evaluation.domain import DomainFigures
from training.evaluation.inclination import Figure, InclinationFigures
from training.evaluation.metrics import Bin, Floats, Intervals, Labels
from training.evaluation.report import ClassFigures, Mistake, Robustness, Views, rounded
from training.evaluation.votes import VoteFigures

_MISTAKES = 20  # as many as the picture of them shows


@dataclass(frozen=True)
class OfClasses:
    """How well classes are told, as a report has it; all is empty for a model or images without classes.

    Attributes:
        figures: of the whole split, by name.
        classes: one by one.
        confusion: galaxies of each class (row) that were given each class (column).
        before: reliability diagram without temperature scaling.
        after: the same with it.
        mistakes: the surest ones.
    """

    figures: dict[str, float] = field(default_factory=dict)
    classes: tuple[ClassFigures, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    before: tuple[Bin, ...] = ()
    after: tuple[Bin, ...] = ()
    mistakes: tuple[Mistake, ...] = ()


def of_classes(
    probabilities: Floats, labels: Labels, names: Sequence[str], temperature: float, uids: Sequence[str]
) -> OfClasses:
    """All figures of class probabilities.

    Args:
        probabilities: float64 (N, classes), with temperature scaling.
        labels: int64 (N,).
        names: of the classes.
        uids: of the N galaxies.
        temperature: that was used.
    """
    before = metrics.undo_temperature(probabilities, temperature)
    confusion = metrics.confusion_matrix(probabilities, labels)
    intervals = metrics.bootstrap_intervals(confusion)
    return OfClasses(
        overall(confusion, intervals) | calibration(probabilities, before, labels),
        by_class(confusion, intervals, names),
        tuple(map(tuple, confusion.tolist())),
        reliability(before, labels),
        reliability(probabilities, labels),
        tuple(
            Mistake(
                uids[row], names[labels[row]], names[probabilities[row].argmax()], rounded(probabilities[row].max())
            )
            for row in metrics.surest_mistakes(probabilities, labels)[:_MISTAKES]
        ),
    )


def overall(confusion: NDArray[np.int64], intervals: Intervals) -> dict[str, float]:
    """Figures of a whole split by name, with the ends of their 95 % intervals."""
    scores = metrics.class_scores(confusion)
    figures = {
        "accuracy": float(metrics.accuracy(confusion)),
        "accuracy_low": intervals.accuracy.low,
        "accuracy_high": intervals.accuracy.high,
        "macro_f1": float(scores.f1.mean()),
        "macro_f1_low": intervals.macro_f1.low,
        "macro_f1_high": intervals.macro_f1.high,
        "macro_precision": float(scores.precision.mean()),
        "macro_recall": float(scores.recall.mean()),
    }
    return {name: rounded(value) for name, value in figures.items()}


def of_probabilities(probabilities: Floats, labels: Labels) -> dict[str, float]:
    """Figures by name that depend on the probabilities, not only on which is highest."""
    figures = {
        "calibration_error": metrics.calibration_error(probabilities, labels),
        "negative_log_likelihood": metrics.negative_log_likelihood(probabilities, labels),
        "brier_score": metrics.brier_score(probabilities, labels),
    }
    return {name: rounded(value) for name, value in figures.items()}


def calibration(after: Floats, before: Floats, labels: Labels) -> dict[str, float]:
    """Figures by name with temperature scaling (``after``) and without (``before``)."""
    without = {f"{name}_before": value for name, value in of_probabilities(before, labels).items()}
    return of_probabilities(after, labels) | without


def reliability(probabilities: Floats, labels: Labels) -> tuple[Bin, ...]:
    """The bins of a reliability diagram."""
    return tuple(
        replace(
            one,
            low=rounded(one.low),
            high=rounded(one.high),
            confidence=rounded(one.confidence),
            accuracy=rounded(one.accuracy),
        )
        for one in metrics.reliability(probabilities, labels)
    )


def by_class(confusion: NDArray[np.int64], intervals: Intervals, classes: Sequence[str]) -> tuple[ClassFigures, ...]:
    """How well each class is found."""
    scores = metrics.class_scores(confusion)
    return tuple(
        ClassFigures(
            name=name,
            images=int(confusion[index].sum()),
            precision=rounded(scores.precision[index]),
            recall=rounded(scores.recall[index]),
            f1=rounded(scores.f1[index]),
            f1_low=rounded(intervals.f1[index].low),
            f1_high=rounded(intervals.f1[index].high),
        )
        for index, name in enumerate(classes)
    )


def flat(classes: Sequence[ClassFigures], robustness: Robustness | None, views: Views | None) -> dict[str, float]:
    """The nested figures of a report by flat name, as a tracking server takes them."""
    figures: dict[str, float] = {}
    for one in classes:
        figures |= {
            f"precision_{one.name}": one.precision,
            f"recall_{one.name}": one.recall,
            f"f1_{one.name}": one.f1,
            f"f1_{one.name}_low": one.f1_low,
            f"f1_{one.name}_high": one.f1_high,
        }
    if robustness:
        figures |= {f"accuracy_rotated_{point.at:g}": point.accuracy for point in robustness.rotation}
        figures |= {f"accuracy_noise_{point.at:g}": point.accuracy for point in robustness.noise}
    if views:
        figures |= {f"{name}_1_view": value for name, value in views.without.items()}
        figures |= {f"{name}_{views.count}_views": value for name, value in views.with_views.items()}
    return figures


def of_votes(votes: VoteFigures | None) -> dict[str, float]:
    """Figures of vote fractions by flat name; none where there are no votes."""
    if votes is None:
        return {}
    figures = {"votes_rmse": votes.rmse, "votes_rmse_low": votes.rmse_low, "votes_rmse_high": votes.rmse_high}
    for one in votes.questions:
        figures |= {
            f"votes_rmse_{one.name}": one.rmse,
            f"votes_calibration_error_{one.name}": one.calibration_error,
            f"votes_accuracy_{one.name}": one.accuracy,
        }
    return {name: value for name, value in figures.items() if value is not None}


def of_domain(domain: DomainFigures | None) -> dict[str, float]:
    """Shares of galaxies, and of what is none, that are flagged as no galaxy; none where the model does not tell."""
    if domain is None:
        return {}
    figures = {"flagged_galaxies": domain.galaxies.share, "flagged_strangers": domain.strangers_share}
    return figures | {f"flagged_{one.name.replace(' ', '_')}": one.share for one in domain.strangers}


def of_inclination(inclination: InclinationFigures | None) -> dict[str, float]:
    """Figures of inclinations by flat name, with the ends of their intervals; none where there are none."""
    if inclination is None:
        return {}
    figures: dict[str, float] = {}
    for prefix, part in (("inclination", inclination.angles), ("inclination_quarters", inclination.quarters)):
        for name, one in vars(part).items() if part else ():
            if isinstance(one, Figure):
                name = f"{prefix}_{name}"
                figures |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    return figures
