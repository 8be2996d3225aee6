"""The model card: what a model is, what it was made of, how well it does and where it does badly, in Markdown.

    python -m training.card --run runs/first --out mlflow/model-card.md

No figure is typed by hand: ``card.md`` is the form, ``card.toml`` has the words, and all else comes from the run and its report.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from string import Template
from typing import Any

from cosmoformer.errors import CosmoFormerError
from cosmoformer.runs.folder import ARTIFACTS, CARD_FILE, MODEL_FILE, REPORT_FILE, RunInfo, read_run
from training.evaluation import report as reports
from training.evaluation.comparison import published
from training.evaluation.report import ClassFigures, Report
from training.evaluation.report_tables import BIN_HEADINGS, FIGURES, bin_rows, interval
from training.loop.recipe import Recipe, from_params

_FORM, _WORDS = Path(__file__).with_name("card.md"), Path(__file__).with_name("card.toml")
_UNKNOWN = "an unrecorded number of"
_CALIBRATION = "Temperature scaling: Guo et al. 2017, arXiv:1706.04599."


def render(report: Report, recipe: Recipe, run: RunInfo) -> str:
    """The card of a model.

    Args:
        report: what was measured.
        recipe: what it was trained with.
        run: the record of its training.
    """
    model, facts = report.model, report.conditions
    words = tomllib.loads(_WORDS.read_text(encoding="utf-8"))
    of_task, of_model = words["task"].get(model.task, {}), words["model"].get(recipe.model, {})
    names = of_task.get("names", {})
    return Template(_FORM.read_text(encoding="utf-8")).substitute(
        run=model.run,
        does=_does(report, of_task),
        model=of_model.get("is", recipe.model),
        size=model.input_size,
        parameters=f"{model.parameters:,}",
        crop=f"{100 * model.crop:.1f} %",
        sha256=model.sha256,
        sample=of_task.get("sample", f"Task `{model.task}`."),
        train_images=_count(run.params, "train_images"),
        val_images=_count(run.params, "val_images"),
        images=f"{facts.images:,}",
        data_version=model.data_version,
        split=facts.split,
        set_version=facts.set,
        recipe=run.params.get("recipe", "unnamed"),
        device=run.tags.get("device", "an unrecorded device"),
        initial_weights=run.params.get("initial_weights", "unrecorded"),
        augmentation=_augmentation(recipe),
        calibrated=_calibrated(report),
        settings=_settings(recipe),
        command=_command(report),
        overall=_overall(report),
        classes=_classes(report, names),
        robustness=_robustness(report),
        views=_views(report),
        votes=_votes(report) + _inclination(report),
        domain=_domain(report),
        comparison=_comparison(model.task),
        weaknesses=_bullets(
            [
                *_weak(report, names),
                *of_task.get("weaknesses", []),
                *words["with_domain" if report.domain else "without_domain"],
            ]
        ),
        citations=_bullets([*of_task.get("citations", []), *of_model.get("citations", []), *_methods(report)]),
    )


def recipe_of(run: RunInfo) -> Recipe:
    """The recipe among what a run was asked for."""
    return from_params({name: text for name, text in run.params.items() if name in Recipe.__dataclass_fields__})


def _does(report: Report, of_task: Mapping[str, Any]) -> str:
    model = report.model
    classes = f"It says which of these classes an image shows: {', '.join(model.classes)}." if model.classes else ""
    does = str(of_task.get("does", classes))
    if not model.fractions:
        return does
    asked = len(model.fractions.questions)
    begins = f"{does}\nIt also tells" if does else "It tells"
    return (
        f"{begins} how volunteers would answer the {asked} questions of Galaxy Zoo's decision tree"
        f" `{model.fractions.tree}`: {len(model.fractions.labels)} vote fractions, each of those who would be asked."
    )


def _count(params: Mapping[str, str], name: str) -> str:
    return f"{int(params[name]):,}" if name in params else _UNKNOWN


def _augmentation(recipe: Recipe) -> str:
    if isinstance(recipe.augmentation, str):
        return f"Augmentation: the preset `{recipe.augmentation}`."
    return "Augmentation: its own table, in the run's parameters."


def _calibrated(report: Report) -> str:
    if report.inclination:
        factor = report.model.temperature
        return (
            f" The uncertainty, times {factor}, was fitted on the\nvalidation split: 68 % of its angles are within it."
        )
    if not report.classes:
        return ""
    return f" The temperature ({report.model.temperature}) was fitted on the\nvalidation split."


def _settings(recipe: Recipe) -> str:
    values = [
        (f"`{field.name}`", getattr(recipe, field.name)) for field in fields(recipe) if field.name != "augmentation"
    ]
    return _table(("setting", "value"), values)


def _command(report: Report) -> str:
    """What measures the same again."""
    words = ["python -m training.evaluate --artifact", MODEL_FILE, "--data …"]
    if report.conditions.split != "test":
        words.append(f"--split {report.conditions.split}")
    if report.robustness:
        words.append("--robustness")
    if report.views:
        words.append(f"--views {report.views.count}")
    if report.conditions.device == "cpu":
        words.append("--device cpu")
    if (drawn := _drawn(report)) < report.conditions.images:
        words.append(f"--subset {drawn}")
    return " ".join(words)


def _drawn(report: Report) -> int:
    found = report.robustness or report.views
    return found.images if found else report.conditions.images


def _overall(report: Report) -> str:
    known = [(name, told) for name, told in FIGURES.items() if name in report.figures]
    rows = [(told, report.figures[name], _interval(report, name)) for name, told in known]
    return _table(("figure", "value", "95 % interval"), rows)


def _interval(report: Report, name: str) -> str:
    return interval(report, name) or "–"


def _classes(report: Report, names: Mapping[str, str]) -> str:
    if not report.classes:
        return ""
    rows = [
        (_told(one, names), one.images, one.precision, one.recall, one.f1, f"{one.f1_low} to {one.f1_high}")
        for one in report.classes
    ]
    return _table(("class", "galaxies", "precision", "recall", "F1", "95 % interval of F1"), rows)


def _told(one: ClassFigures, names: Mapping[str, str]) -> str:
    return names.get(one.name, one.name.replace("_", " "))


def _robustness(report: Report) -> str:
    if (found := report.robustness) is None:
        return ""
    rotation = _table(
        ("rotated by", *(f"{point.at:g}°" for point in found.rotation)),
        [("accuracy", *(point.accuracy for point in found.rotation))],
    )
    noise = _table(
        ("noise, of full scale", *(f"{point.at:g}" for point in found.noise)),
        [("accuracy", *(point.accuracy for point in found.noise))],
    )
    return (
        f"\nRotated, and with Gaussian noise ({found.images:,} galaxies drawn at random, on {report.conditions.device}):\n\n"
        f"{rotation}\n\n{noise}\n"
    )


def _views(report: Report) -> str:
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
        f"{_table(('figure', 'one view', f'{found.count} views'), rows)}\n"
    )


def _votes(report: Report) -> str:
    if (votes := report.votes) is None:
        return ""
    knows_accuracy = all(one.accuracy is not None for one in votes.questions)
    headings = ("question", "asked, of 100", "RMSE", "calibration error", *(["accuracy"] if knows_accuracy else []))
    rows = [
        (
            one.name,
            f"{100 * one.asked:.1f}",
            one.rmse,
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
        f"{', and so is the accuracy, of the most likely answer' if knows_accuracy else ''}.\n\n"
        f"{_table(headings, rows)}\n"
    )


def _inclination(report: Report) -> str:
    if report.inclination is None or (angles := report.inclination.angles) is None:
        return ""
    headings = ("true inclination, degrees", *(heading.removeprefix(">") for heading in BIN_HEADINGS))
    return (
        "\nBy true inclination; the bias is the mean of told less true angles, and the uncertainty is calibrated to hold the "
        f"truth in 68 % of all galaxies, not in each row:\n\n{_table(headings, bin_rows(angles))}\n"
    )


def _domain(report: Report) -> str:
    if (domain := report.domain) is None:
        return ""
    rows = [(one.name, one.pictures, one.share) for one in domain.strangers]
    return (
        f"\nFlagged as no galaxy, since `in_domain` is below {domain.below}: {domain.galaxies.share} of the "
        f"{domain.galaxies.name} split's galaxies, and **{domain.strangers_share}** of pictures that are none, by generators "
        f"that the score did not learn from:\n\n{_table(('pictures', 'number', 'share that is flagged'), rows)}\n"
    )


def _comparison(task: str) -> str:
    rivals = published(task)
    if not rivals:
        return ""
    measure = rivals[0].measure
    rows = [(row.model, row.figure, row.source) for row in rivals]
    return (
        "\nFor comparison, what was published on the same kind of sample with other splits (`python -m training.compare`):\n\n"
        f"{_table(('model', measure, 'source'), rows)}\n"
    )


def _weak(report: Report, names: Mapping[str, str]) -> list[str]:
    return _weak_classes(report, names) if report.classes else _weak_questions(report)


def _weak_questions(report: Report) -> list[str]:
    if report.votes is None:
        return []
    worst = max(report.votes.questions, key=lambda one: one.rmse)
    return [f"**The question told worst** is `{worst.name}`, with a root mean square error of {worst.rmse}."]


def _methods(report: Report) -> list[str]:
    return [_CALIBRATION] if report.classes else []


def _weak_classes(report: Report, names: Mapping[str, str]) -> list[str]:
    rarest = min(report.classes, key=lambda one: one.images)
    worst = min(report.classes, key=lambda one: one.f1)
    total = report.conditions.images
    share = f"{rarest.images:,} of {total:,} galaxies ({100 * rarest.images / total:.1f} %)"
    found = [f"**The rarest class**, {_told(rarest, names)}, is {share}, of which {rarest.recall} are found."]
    if worst != rarest:
        found.append(f"**The class told worst** is {_told(worst, names)}, with an F1 of {worst.f1}.")
    return found


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.card``; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m training.card", description="Write the card of a finished run's model."
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--report", type=Path, help=f"another report than the run's own {ARTIFACTS}/{REPORT_FILE}")
    parser.add_argument("--out", type=Path, help=f"where to write it (default: {ARTIFACTS}/{CARD_FILE} of the run)")
    options = parser.parse_args(argv)
    try:
        run = read_run(options.run)
        recipe = recipe_of(run)
        report = reports.read(options.report or options.run / ARTIFACTS / REPORT_FILE)
        out = options.out or options.run / ARTIFACTS / CARD_FILE
        out.write_text(render(report, recipe, run), encoding="utf-8")
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
