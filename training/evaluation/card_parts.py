"""The parts of a model card that are made of a report's figures, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from training.evaluation.report import ClassFigures, Report
from training.evaluation.report_tables import BIN_HEADINGS, FIGURES, bin_rows, interval
from training.evaluation.survey_card import table
from training.evaluation.votes import VOLUNTEERS

_MOST_MISTAKES = 6


def overall(report: Report) -> str:
    """A table of the figures that sum a model up."""
    known = [(name, told) for name, told in FIGURES.items() if name in report.figures]
    rows = [(told, report.figures[name], _interval(report, name)) for name, told in known]
    return table(("figure", "value", "95 % interval"), rows)


def _interval(report: Report, name: str) -> str:
    return interval(report, name) or "–"


def classes(report: Report, names: Mapping[str, str]) -> str:
    """A table of the classes' figures; empty for a model without classes."""
    if not report.classes:
        return ""
    rows = [
        (told(one, names), one.images, one.precision, one.recall, one.f1, f"{one.f1_low} to {one.f1_high}")
        for one in report.classes
    ]
    return table(("class", "galaxies", "precision", "recall", "F1", "95 % interval of F1"), rows)


def mistakes(report: Report, names: Mapping[str, str]) -> str:
    """The classes that are taken for each other most often."""
    words = [told(one, names) for one in report.classes]
    pairs = [
        (count, words[true], words[given], sum(row))
        for true, row in enumerate(report.confusion)
        for given, count in enumerate(row)
        if true != given and count
    ]
    if not pairs:
        return ""
    rows = [(true, given, count, f"{100 * count / total:.1f} %") for count, true, given, total in sorted(pairs)[::-1]]
    return (
        f"\nThe {sum(count for count, *_ in pairs):,} mistakes, the most frequent first:\n\n"
        f"{table(('is', 'was taken for', 'galaxies', 'of its class'), rows[:_MOST_MISTAKES])}\n"
        + _surest(report, names)
    )


def _surest(report: Report, names: Mapping[str, str]) -> str:
    """The mistakes that look least like ones; empty in a report that does not have them."""
    rows = [
        (f"`{one.uid}`", *(in_words(name, names) for name in (one.true, one.given)), one.confidence)
        for one in report.mistakes
    ]
    if not rows:
        return ""
    return (
        "\nThose that it was surest of (the command above, with `--out`, draws them into `pictures/mistakes.png`; the galaxies' "
        f"pictures are not ours to hand on):\n\n{table(('galaxy', 'is', 'was taken for', 'probability'), rows)}\n"
    )


def told(one: ClassFigures, names: Mapping[str, str]) -> str:
    """A class in words."""
    return in_words(one.name, names)


def in_words(name: str, names: Mapping[str, str]) -> str:
    """The name of a class in words."""
    return names.get(name, name.replace("_", " "))


def robustness(report: Report) -> str:
    """Accuracy of turned and of noisy images; empty where that was not measured."""
    if (found := report.robustness) is None:
        return ""
    rotation = table(
        ("rotated by", *(f"{point.at:g}°" for point in found.rotation)),
        [("accuracy", *(point.accuracy for point in found.rotation))],
    )
    noise = table(
        ("noise, of full scale", *(f"{point.at:g}" for point in found.noise)),
        [("accuracy", *(point.accuracy for point in found.noise))],
    )
    return (
        f"\nRotated, and with Gaussian noise ({found.images:,} galaxies drawn at random, on {report.conditions.device}):\n\n"
        f"{rotation}\n\n{noise}\n"
    )


def views(report: Report) -> str:
    """What the mean over several views brings; empty likewise."""
    if (found := report.views) is None:
        return ""
    rows = [(FIGURES[name], found.without[name], found.with_views[name]) for name in found.without]
    gain = (
        f" The accuracy changes by {found.gain:+} (95 % interval {found.gain_low} to {found.gain_high})."
        if found.gain is not None
        else ""
    )
    return (
        f"\nTest-time augmentation: the mean over {found.count} views of each of {found.images:,} galaxies, {found.count // 2} "
        f"rotations and their mirror images.{gain} What is served looks once.\n\n"
        f"{table(('figure', 'one view', f'{found.count} views'), rows)}\n"
    )


def votes(report: Report) -> str:
    """The errors of the vote fractions, question by question; empty likewise."""
    if (votes := report.votes) is None:
        return ""
    knows_accuracy = all(one.accuracy is not None for one in votes.questions)
    knows_chance = votes.chance is not None
    headings = (
        "question",
        "asked, of 100",
        "RMSE",
        *(["by chance"] if knows_chance else []),
        "calibration error",
        *(["accuracy"] if knows_accuracy else []),
    )
    rows = [
        (
            one.name,
            f"{100 * one.asked:.1f}",
            one.rmse,
            *([one.chance] if knows_chance else []),
            one.calibration_error,
            *([one.accuracy] if knows_accuracy else []),
        )
        for one in votes.questions
    ]
    return (
        f"\nVote fractions, against those of Galaxy Zoo's volunteers on the {votes.images:,} of these galaxies of which all are "
        f"known: root mean square error **{votes.rmse}** over all answers, of cumulative fractions, as the Galaxy Zoo Challenge "
        "scored. The calibration error is the mean difference between told and voted fractions, bin by bin, each galaxy "
        "counted by how many were asked"
        f"{', and so is the accuracy, of the most likely answer' if knows_accuracy else ''}."
        + (
            f" By chance: the error that a model would show which told the true fractions, as a galaxy has {VOLUNTEERS} "
            f"volunteers; {votes.chance} over all answers, {100 * (votes.chance / votes.rmse) ** 2:.0f} % of the mean square."
            if votes.chance and votes.rmse
            else ""
        )
        + "\n\n"
        f"{table(headings, rows)}\n"
    )


def domain(report: Report) -> str:
    """What is marked as no galaxy; empty likewise."""
    if (domain := report.domain) is None:
        return ""
    rows = [(one.name, one.pictures, one.share) for one in domain.strangers]
    return (
        f"\nFlagged as no galaxy, since `in_domain` is below {domain.below}: {domain.galaxies.share} of the "
        f"{domain.galaxies.name} split's galaxies, and **{domain.strangers_share}** of pictures that are none, by generators "
        f"that the score did not learn from:\n\n{table(('pictures', 'number', 'share that is flagged'), rows)}\n"
    )


def inclination(report: Report) -> str:
    """What is told of inclinations, by the true ones; empty likewise."""
    if report.inclination is None or (angles := report.inclination.angles) is None:
        return ""
    headings = ("true inclination, degrees", *(heading.removeprefix(">") for heading in BIN_HEADINGS))
    return (
        "\nBy true inclination; the bias is the mean of told less true angles, and the uncertainty is calibrated to hold the "
        f"truth in 68 % of all galaxies, not in each row:\n\n{table(headings, bin_rows(angles))}\n"
    )
