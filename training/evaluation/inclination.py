"""How well inclinations are told: against known angles, and against EFIGI's quarters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosmoformer.models.artifact import Metadata
from training.evaluation.metrics import Floats, Interval, bootstrap
from training.tasks.inclination import ERROR, INCLINATION, shortening

BIN = 15.0  # degrees
#: Standard deviations of a normal distribution that hold 95 %.
_WITHIN_95 = 1.96
_DIGITS = 5


@dataclass(frozen=True)
class Figure:
    """A figure with the ends of its 95 % interval, by a bootstrap over galaxies."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value} ({self.low} to {self.high})"


@dataclass(frozen=True)
class AngleBin:
    """Galaxies whose true inclination is in one interval.

    Attributes:
        low: lower end, degrees.
        high: upper end.
        images: how many.
        median_error: median of the absolute error, degrees.
        bias: mean of told less true angles, degrees.
        within_68: share whose truth is within the told uncertainty; None where none is told.
    """

    low: float
    high: float
    images: int
    median_error: float
    bias: float
    within_68: float | None


@dataclass(frozen=True)
class AngleFigures:
    """Told against known angles.

    Attributes:
        images: galaxies whose angle is known, and told.
        median_error: median of the absolute error, degrees.
        bias: mean of told less true angles, degrees.
        within_10: share that is off by less than 10 degrees.
        within_68: share whose truth is within the told uncertainty, which shall be 68 %; None where none is told.
        within_95: the same with 1.96 times the uncertainty, which shall be 95 %.
        bins: by true inclination.
    """

    images: int
    median_error: Figure
    bias: Figure
    within_10: Figure
    within_68: Figure | None
    within_95: Figure | None
    bins: tuple[AngleBin, ...]


@dataclass(frozen=True)
class QuarterFigures:
    """Told angles against EFIGI's attribute, on its own scale (:func:`training.tasks.inclination.shortening`).

    Attributes:
        images: galaxies whose quarter is known, and whose angle is told.
        correlation: Spearman's, which no reading of the scale changes.
        same_quarter: share whose told angle is nearest to the quarter that people gave.
        within_a_quarter: share whose nearest quarter is that, or the next.
        bias: mean of told less given, 0 to 1.
    """

    images: int
    correlation: Figure
    same_quarter: Figure
    within_a_quarter: Figure
    bias: Figure


@dataclass(frozen=True)
class InclinationFigures:
    """How well inclinations are told; each part is None where no image has what it needs."""

    angles: AngleFigures | None
    quarters: QuarterFigures | None

    def words(self) -> list[str]:
        """The chief figures, a sentence each."""
        found = []
        if self.angles:
            one = self.angles
            found.append(f"Inclinations: median error {one.median_error.value:.2f} degrees on {one.images:,} of them.")
        if self.quarters:
            other = self.quarters
            found.append(f"EFIGI's attribute: correlation {other.correlation.value:.3f} on {other.images:,} of them.")
        return found


def tells_inclination(metadata: Metadata) -> bool:
    """Whether an artifact tells an inclination and its uncertainty."""
    return {INCLINATION, ERROR} <= set(metadata.values)


def inclination_told(metadata: Metadata, outputs: Floats, targets: NDArray[np.floating]) -> InclinationFigures | None:
    """How well an artifact tells inclinations; None where it tells none, or no image has a known one.

    Args:
        metadata: of the artifact.
        outputs: all that it gives, (N, names).
        targets: the images' targets, (N, 2) where they are of the task ``inclination``.
    """
    if not tells_inclination(metadata) or targets.shape[1] != 2 or not np.isfinite(targets).any():
        return None
    angle, error = (outputs[:, metadata.names.index(value.name)] for value in (INCLINATION, ERROR))
    return inclination_figures(angle, error, targets)


def inclination_figures(angle: Floats, error: Floats | None, targets: NDArray[np.floating]) -> InclinationFigures:
    """Compare told angles with what is known.

    Args:
        angle: float64 (N,), degrees; NaN where none was told, which no figure counts.
        error: float64 (N,), the told uncertainty; None where none is told.
        targets: (N, 2), degrees and quarters, NaN where unknown.
    """
    degrees, quarters = targets.astype(np.float64).T
    rows = np.isfinite(angle) & np.isfinite(degrees)
    is_rated = np.isfinite(angle) & np.isfinite(quarters)
    return InclinationFigures(
        angle_figures(angle[rows], None if error is None else error[rows], degrees[rows]) if rows.any() else None,
        quarter_figures(angle[is_rated], quarters[is_rated]) if is_rated.any() else None,
    )


def angle_figures(told: Floats, error: Floats | None, true: Floats) -> AngleFigures:
    """Figures of told against true angles, float64 (N,) degrees each."""
    off = np.abs(told - true)
    return AngleFigures(
        images=len(true),
        median_error=_figure(lambda drawn: np.median(drawn, axis=1), off),
        bias=_mean(told - true),
        within_10=_mean(off < 10),
        within_68=None if error is None else _mean(off <= error),
        within_95=None if error is None else _mean(off <= _WITHIN_95 * error),
        bins=tuple(_bin(told, error, true, low) for low in np.arange(0.0, 90.0, BIN)),
    )


def _bin(told: Floats, error: Floats | None, true: Floats, low: float) -> AngleBin:
    rows = (true >= low) & ((true < low + BIN) | (low + BIN >= 90))
    off = np.abs(told - true)[rows]
    if not len(off):
        return AngleBin(low, low + BIN, 0, 0.0, 0.0, None if error is None else 0.0)
    covered = None if error is None else _rounded((off <= error[rows]).mean())
    bias = _rounded((told - true)[rows].mean())
    return AngleBin(float(low), float(low + BIN), len(off), _rounded(np.median(off)), bias, covered)


def quarter_figures(told: Floats, given: Floats) -> QuarterFigures:
    """Figures of told angles, float64 (N,) degrees, against quarters from 0 to 1, float64 (N,)."""
    scale = shortening(told)
    steps = np.abs(np.rint(4 * scale) - 4 * given)
    return QuarterFigures(
        images=len(given),
        correlation=_figure(_correlations, _ranks(scale), _ranks(given)),
        same_quarter=_mean(steps < 0.5),
        within_a_quarter=_mean(steps < 1.5),
        bias=_mean(scale - given),
    )


def _ranks(numbers: Floats) -> Floats:
    """Ranks of which equal numbers share their mean: correlated, they give Spearman's coefficient."""
    _, place, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2)[place])


def _correlations(one: Floats, other: Floats) -> Floats:
    """Pearson's coefficient of each row of two arrays (R, N); 0 where one does not vary."""
    one, other = (side - side.mean(axis=1, keepdims=True) for side in (one, other))
    spread = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.asarray((one * other).sum(axis=1) / np.where(spread > 0, spread, np.inf))


def _mean(numbers: NDArray[Any]) -> Figure:
    return _figure(lambda drawn: drawn.mean(axis=1), numbers.astype(np.float64))


def _figure(figure: Callable[..., Floats], *columns: Floats) -> Figure:
    interval: Interval = bootstrap(figure, *columns, resamples=_RESAMPLES)
    value = figure(*(column[None] for column in columns))[0]
    return Figure(*map(_rounded, (value, interval.low, interval.high)))


_RESAMPLES = 2000  # of medians of thousands of galaxies, which cost more than means do


def _rounded(value: float | np.floating) -> float:
    return round(float(value), _DIGITS)


def inclination_of(members: Mapping[str, Any]) -> InclinationFigures:
    """The figures of which these are the members, as a report has them."""
    angles, quarters = members["angles"], members["quarters"]
    return InclinationFigures(angles and _angles_of(angles), quarters and _quarters_of(quarters))


def _angles_of(members: Mapping[str, Any]) -> AngleFigures:
    figures = {
        name: _figure_of(members[name]) for name in ("median_error", "bias", "within_10", "within_68", "within_95")
    }
    return AngleFigures(**{**members, **figures, "bins": tuple(AngleBin(**one) for one in members["bins"])})


def _quarters_of(members: Mapping[str, Any]) -> QuarterFigures:
    figures = {name: _figure_of(value) for name, value in members.items() if name != "images"}
    return QuarterFigures(images=members["images"], **figures)


def _figure_of(members: Mapping[str, float] | None) -> Any:
    return None if members is None else Figure(**members)
