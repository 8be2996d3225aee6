"""A report as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from cosmoformer.terminal import table, text
from training.evaluation.calibrations import Judged
from training.evaluation.inclination import AngleFigures
from training.evaluation.pairs import Difference
from training.evaluation.report import Point, Report
from training.evaluation.votes import VoteFigures

#: Figures of the whole split, as people call them, in the order in which they are printed.
FIGURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "calibration_error": "expected calibration error",
    "calibration_error_before": "the same before temperature scaling",
    "negative_log_likelihood": "negative log-likelihood",
    "negative_log_likelihood_before": "the same before temperature scaling",
    "brier_score": "Brier score",
    "brier_score_before": "the same before temperature scaling",
    "votes_rmse": "root mean square error of vote fractions",
    "inclination_median_error": "median error of inclinations, degrees",
    "inclination_bias": "mean of told less true inclinations, degrees",
    "inclination_within_10": "share off by less than 10 degrees",
    "inclination_within_68": "share within the uncertainty (68 % of a right one)",
    "inclination_within_95": "share within 1.96 times the uncertainty (95 %)",
    "inclination_quarters_correlation": "rank correlation with EFIGI's attribute",
    "inclination_quarters_same_quarter": "share in the same quarter as EFIGI's",
    "inclination_quarters_within_a_quarter": "share at most one quarter off",
    "inclination_quarters_bias": "mean of told less given attribute",
}
Rows = list[tuple[object, ...]]


def show(report: Report, out: Console) -> None:
    """Print a report."""
    _show_overall(report, out)
    if report.classes:
        _show_classes(report, out)
    if found := report.robustness:
        of = f"Accuracy of {found.images:,} galaxies"
        _print(out, f"{of} that are rotated", ("degrees", ">accuracy"), _rows(found.rotation))
        _print(out, f"{of} with Gaussian noise", ("of full scale", ">accuracy"), _rows(found.noise))
    if votes := report.votes:
        show_votes(votes, f"{votes.images:,} galaxies", out)
    if report.inclination and (angles := report.inclination.angles):
        _print(out, f"Inclinations of {angles.images:,} galaxies", ("true, degrees", *BIN_HEADINGS), bin_rows(angles))
    if domain := report.domain:
        flagged: Rows = [(one.name, one.pictures, one.share) for one in (domain.galaxies, *domain.strangers)]
        title = f"Flagged as no galaxy: in_domain below {domain.below}"
        _print(out, title, ("pictures", ">number", ">flagged"), flagged)
    if seen := report.views:
        rows: Rows = [(FIGURES[name], seen.without[name], seen.with_views[name], "") for name in seen.without]
        if seen.gain is not None:
            rows.append(("gain in accuracy", "", f"{seen.gain:+}", f"{seen.gain_low} to {seen.gain_high}"))
        title = f"Test-time augmentation of {seen.images:,} galaxies"
        _print(out, title, ("figure", ">one view", f">{seen.count} views", "95 % interval"), rows)


def show_votes(votes: VoteFigures, sample: str, out: Console) -> None:
    """Print figures of vote fractions; ``sample`` says which galaxies they are of."""
    rows: Rows = [(one.name, one.asked, one.rmse, _known(one.chance), one.calibration_error) for one in votes.questions]
    title = f"Vote fractions of {sample}: RMSE {votes.rmse}, by chance alone {_known(votes.chance)}"
    _print(out, title, ("question", ">asked", ">RMSE", ">by chance", ">calibration error"), rows)


def _known(figure: float | None) -> object:
    """A figure, or what stands for one that a record from before does not have."""
    return "–" if figure is None else figure


def show_differences(found: Sequence[Difference], sample: str, out: Console) -> None:
    """Print figures of two artifacts side by side; ``sample`` says which and on which galaxies."""
    headings = ("figure", ">galaxies", ">first", ">second", ">difference", "95 % interval")
    rows: Rows = [
        (one.name, one.images, one.first, one.second, one.difference, f"{one.interval.low} to {one.interval.high}")
        for one in found
    ]
    _print(out, sample, headings, rows)


def show_calibrations(found: Sequence[Judged], sample: str, out: Console) -> None:
    """Print calibrations side by side; ``sample`` says which galaxies they were judged on, each not fitted on itself."""
    headings = ("calibration", ">numbers", ">log loss", ">difference", "95 % interval", ">ECE", ">accuracy", ">F1")
    rows: Rows = [
        (
            one.name,
            one.parameters,
            one.negative_log_likelihood,
            one.difference,
            f"{one.interval.low} to {one.interval.high}",
            one.calibration_error,
            one.accuracy,
            one.macro_f1,
        )
        for one in found
    ]
    _print(out, f"Calibrations, cross-validated on {sample}", headings, rows)


BIN_HEADINGS = (">galaxies", ">median error", ">bias", ">within the uncertainty")


def bin_rows(angles: AngleFigures) -> Rows:
    """Figures of inclinations by true inclination, a row a bin."""
    return [
        (f"{one.low:g} to {one.high:g}", one.images, one.median_error, one.bias, one.within_68) for one in angles.bins
    ]


def interval(report: Report, name: str) -> str:
    """The 95 % interval of a figure in words; empty where it has none."""
    figures = report.figures
    return f"{figures[f'{name}_low']} to {figures[f'{name}_high']}" if f"{name}_low" in figures else ""


def _show_overall(report: Report, out: Console) -> None:
    model, facts = report.model, report.conditions
    title = f"{model.run}: {model.parameters:,} parameters, {facts.images:,} galaxies of the {facts.split} split"
    known = [(name, told) for name, told in FIGURES.items() if name in report.figures]
    rows: Rows = [(told, report.figures[name], interval(report, name)) for name, told in known]
    if report.prediction_ms is not None:
        rows.append(("time of a prediction, ms", report.prediction_ms, ""))
    if report.batch_image_ms is not None:
        rows.append((f"time of one of {facts.batch} at once, ms", report.batch_image_ms, ""))
    if taken := report.footprint:
        rows.append(("size of the file, MB", round(taken.file_bytes / 1e6, 1), ""))
        rows.append(("memory of a process that predicts, MB", round(taken.memory_bytes / 1e6), ""))
    _print(out, title, ("figure", ">value", "95 % interval"), rows)


def _show_classes(report: Report, out: Console) -> None:
    rows: Rows = [
        (one.name, one.images, one.precision, one.recall, one.f1, f"{one.f1_low} to {one.f1_high}")
        for one in report.classes
    ]
    _print(out, "Classes", ("class", ">galaxies", ">precision", ">recall", ">F1", "95 % interval"), rows)
    names = [one.name for one in report.classes]
    rows = [(name, *counts) for name, counts in zip(names, report.confusion, strict=True)]
    _print(out, "True classes in rows, predicted in columns", ("", *(f">{name}" for name in names)), rows)


def _rows(points: tuple[Point, ...]) -> Rows:
    return [(f"{point.at:g}", point.accuracy) for point in points]


def _print(out: Console, title: str, headings: tuple[str, ...], rows: Rows) -> None:
    shown = table(out, *headings)
    for row in rows:
        shown.add_row(*map(text, row))
    out.print(text(title, "bold"))  # a table's own title is broken at the table's width
    out.print(shown)
    out.print()
