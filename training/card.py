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
from training.evaluate_surveys import RECORD_FILE, surveys_of
from training.evaluation import card_parts
from training.evaluation import report as reports
from training.evaluation.comparison import published
from training.evaluation.report import Report
from training.evaluation.survey_card import frame, section, table
from training.evaluation.surveys import SurveyFigures
from training.loop.recipe import Recipe, from_params

_FORM, _WORDS = Path(__file__).with_name("card.md"), Path(__file__).with_name("card.toml")
_UNKNOWN = "an unrecorded number of"
_UNTOLD = "The data of the run, under their own terms."
_CALIBRATION = "Temperature scaling: Guo et al. 2017, arXiv:1706.04599."


def render(report: Report, recipe: Recipe, run: RunInfo, surveys: Sequence[SurveyFigures] = ()) -> str:
    """The card of a model.

    Args:
        report: what was measured.
        recipe: what it was trained with.
        run: the record of its training.
        surveys: what was measured on its own survey and on others.
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
        frame=frame(model.radii, surveys),
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
        overall=card_parts.overall(report),
        classes=card_parts.classes(report, names),
        robustness=card_parts.robustness(report),
        views=card_parts.views(report),
        votes=card_parts.votes(report) + card_parts.inclination(report),
        domain=card_parts.domain(report),
        mistakes=card_parts.mistakes(report, names),
        surveys=section(surveys, names),
        learned_from=_bullets(of_task.get("learned_from", [_UNTOLD])),
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
    return table(("setting", "value"), values)


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


def _comparison(task: str) -> str:
    rivals = published(task)
    if not rivals:
        return ""
    measure = rivals[0].measure
    rows = [(row.model, row.figure, row.source) for row in rivals]
    return (
        "\nFor comparison, what was published on the same kind of sample with other splits (`python -m training.compare`):\n\n"
        f"{table(('model', measure, 'source'), rows)}\n"
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
    found = [f"**The rarest class**, {card_parts.told(rarest, names)}, is {share}, of which {rarest.recall} are found."]
    if worst != rarest:
        found.append(f"**The class told worst** is {card_parts.told(worst, names)}, with an F1 of {worst.f1}.")
    return found


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


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
        measured = (options.report or options.run / ARTIFACTS / REPORT_FILE).with_name(RECORD_FILE)
        surveys = surveys_of(measured, report.model.sha256) if measured.is_file() else []
        out = options.out or options.run / ARTIFACTS / CARD_FILE
        out.write_text(render(report, recipe, run, surveys), encoding="utf-8")
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
