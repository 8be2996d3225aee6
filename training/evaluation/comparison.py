"""Models side by side: what others have published (``published.toml``) and what runs of this project recorded, as rows of tables.

Only rows of one sample can be compared.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cosmoformer.runs.folder import ARTIFACTS, METRICS_FILE, RUN_FILE, RunInfo, read_run
from training.evaluation import report as reports
from training.evaluation.inclination import InclinationFigures, inclination_of
from training.evaluation.report import Report
from training.loop.initial_weights import FRESH
from training.tasks.inclination import TASK as INCLINATION_TASK

PUBLISHED = Path(__file__).parents[1] / "published.toml"
ACCURACY, RMSE = "Test accuracy, %", "RMSE of fractions"
MEDIAN_ERROR, SAME_QUARTER = "Median error, degrees", "In the same quarter, %"
#: Samples of the task ``inclination``: what its labels are makes two of one task.
RENDERED, EFIGI = (
    "Inclinations of rendered galaxies",
    "Inclinations of EFIGI's galaxies (Baillard et al. 2011), in quarters",
)
_REPORTS, _AXIS_RATIOS = "report*.json", "axis_ratio*.json"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A model and how it does.

    Attributes:
        sample: what it was measured on.
        measure: what ``figure`` is.
        model: name.
        figure: as text with the digits of its source.
        interval: its 95 % interval; empty where there is none.
        images: number of test galaxies; None where the source does not tell.
        parameters: trainable ones; None likewise.
        pretrained: what its weights had learned before; ``none`` for nothing, empty where the source does not tell.
        side: of its images, pixels; None likewise.
        epochs: passes over the training galaxies; None likewise.
        prediction_ms: time of one prediction on one thread, milliseconds; None where it was not measured.
        source: where the figures come from.
    """

    sample: str
    measure: str
    model: str
    figure: str
    interval: str = ""
    images: int | None = None
    parameters: int | None = None
    pretrained: str = ""
    side: int | None = None
    epochs: float | None = None
    prediction_ms: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Sample:
    """Galaxies that models are compared on.

    Attributes:
        name: for people.
        measure: what is compared.
        task: whose catalogue holds them; empty for none of this project's.
        rows: what others have published.
    """

    name: str
    measure: str
    task: str = ""
    rows: tuple[Row, ...] = field(default=())


def samples() -> list[Sample]:
    """Samples that somebody published about, with what was published."""
    found = []
    for one in tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["sample"]:
        measure = {"accuracy": ACCURACY, "rmse": RMSE}[one.get("measure", "accuracy")]
        rows = tuple(Row(sample=one["name"], measure=measure, **row) for row in one["row"])
        found.append(Sample(one["name"], measure, one.get("task", ""), rows))
    return found


def published(task: str) -> tuple[Row, ...]:
    """What others have published on a task's kind of galaxies; nothing where nobody did."""
    return next((one.rows for one in samples() if one.task == task), ())


def recorded(folder: Path, source: str) -> list[Row]:
    """The rows of a run's folder, or of a record of one: a row for each report in it.

    Args:
        folder: with ``run.json``, ``metrics.jsonl`` and the reports, which may stand among the run's artifacts. What axis
            ratios come to on the same galaxies (``axis_ratio*.json``) is a row, too.
        source: what is said of where the figures come from.

    Raises:
        ValueError: a report is none, or has no figures of the test split.
        FileNotFoundError: there is no report.
    """
    place = folder / ARTIFACTS if (folder / ARTIFACTS).is_dir() else folder
    paths = sorted(place.glob(_REPORTS))
    if not paths:
        raise FileNotFoundError(f"expected {_REPORTS} in {place}: the run has not been measured")
    run = read_run(folder) if (folder / RUN_FILE).is_file() else None
    rows = [row_of(reports.read(path), run, _passes(folder, run), source) for path in paths]
    return rows + [_classical(path, source) for path in sorted(place.glob(_AXIS_RATIOS))]


def row_of(found: Report, run: RunInfo | None, epochs: float | None, source: str) -> Row:
    """The row of a report.

    Args:
        found: what was measured.
        run: that the model comes from; None where it is not known.
        epochs: passes over the training galaxies; None likewise.
        source: where the figures come from.

    Raises:
        ValueError: they are not of the test split.
    """
    if found.conditions.split != "test":
        raise ValueError(
            f"the report of {found.model.run} is of the {found.conditions.split} split: evaluate the test split"
        )
    measure, figure, interval, images = _figure(found)
    return Row(
        sample=_sample_of(found),
        measure=measure,
        model=f"{run.params.get('model', 'unknown')}, run {run.run}" if run else f"run {found.model.run}",
        figure=figure,
        interval=interval,
        images=images,
        parameters=found.model.parameters,
        pretrained=_pretrained(run.params.get("initial_weights", "")) if run else "",
        side=found.model.input_size,
        epochs=epochs,
        prediction_ms=found.prediction_ms,
        source="; ".join([source, *_with_views(found, run)]),
    )


def samples_of(task: str) -> tuple[str, ...]:
    """Names of the samples that a task's models are compared on."""
    if task == INCLINATION_TASK.name:
        return (RENDERED, EFIGI)
    return (next((one.name for one in samples() if one.task == task), f"Task {task}"),)


def _sample_of(found: Report) -> str:
    if inclination := found.inclination:
        return RENDERED if inclination.angles else EFIGI
    return samples_of(found.sample)[0]


def _classical(path: Path, source: str) -> Row:
    """What ``training.evaluate_inclination`` found of axis ratios, on all galaxies whose isophote is found."""
    record = json.loads(path.read_text(encoding="utf-8"))
    found = inclination_of(record["rows"][0]["axis_ratio"])
    measure, figure, interval, images = _figure_of_inclination(found)
    return Row(
        sample=RENDERED if found.angles else EFIGI,
        measure=measure,
        model=f"axis ratio of the isophote (photutils), q0 = {record['thickness']}",
        figure=figure,
        interval=interval,
        images=images,
        source=source,
    )


def _with_views(found: Report, run: RunInfo | None) -> list[str]:
    """What more views of an image make of the figure, where that was measured on all galaxies."""
    if run and (count := int(run.params.get("views", "1"))) > 1:
        return [f"{count} views"]
    seen = found.views
    if seen is None or found.votes is None or found.classes or seen.images != found.votes.images:
        return []
    return [f"{seen.with_views['votes_rmse']:.4f} with {seen.count} views"]


def _figure(found: Report) -> tuple[str, str, str, int]:
    """What is compared, its value and interval, and on how many galaxies."""
    figures = found.figures
    if found.classes:
        ends = [100 * figures[f"accuracy_{end}"] for end in ("low", "high")]
        told = f"{100 * figures['accuracy']:.2f}", f"{ends[0]:.2f} to {ends[1]:.2f}"
        return ACCURACY, *told, found.conditions.images
    if found.inclination:
        return _figure_of_inclination(found.inclination)
    if found.votes is None:
        raise ValueError(f"the report of {found.model.run} tells neither classes nor votes: nothing can be compared")
    votes = found.votes
    ends_of_votes = f"{votes.rmse_low:.4f} to {votes.rmse_high:.4f}" if votes.rmse_low is not None else ""
    return RMSE, f"{votes.rmse:.4f}", ends_of_votes, votes.images


def _figure_of_inclination(found: InclinationFigures) -> tuple[str, str, str, int]:
    if angles := found.angles:
        error = angles.median_error
        return MEDIAN_ERROR, f"{error.value:.2f}", f"{error.low:.2f} to {error.high:.2f}", angles.images
    assert found.quarters is not None
    share = found.quarters.same_quarter
    return (
        SAME_QUARTER,
        f"{100 * share.value:.1f}",
        f"{100 * share.low:.1f} to {100 * share.high:.1f}",
        found.quarters.images,
    )


def _pretrained(told: str) -> str:
    """What a run tells of its initial weights, without digests."""
    if told.startswith(FRESH):
        return "none"
    return told.partition(" (")[0]


def _passes(folder: Path, run: RunInfo | None) -> float | None:
    """How often a run went over its training galaxies."""
    path = folder / METRICS_FILE
    if run is None or not path.is_file() or not {"batch_size", "train_images"} <= set(run.params):
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    step = max((int(json.loads(line)["step"]) for line in lines), default=0)
    return step * int(run.params["batch_size"]) / int(run.params["train_images"])


def as_markdown(rows: Iterable[Row]) -> str:
    """One table for each sample, in the order of their first rows."""
    by_sample: dict[str, list[Row]] = {}
    for row in rows:
        by_sample.setdefault(row.sample, []).append(row)
    return "\n\n".join(f"### {sample}\n\n{_table(members)}" for sample, members in by_sample.items())


def _table(rows: Sequence[Row]) -> str:
    headings = (
        *("Model", "Parameters", "Pretrained", "Side, px", "Epochs", rows[0].measure),
        *("95 % interval", "Test galaxies", "Prediction, ms", "Source"),
    )
    lines = [headings, ("---", *["---:"] * (len(headings) - 2), "---")]
    for row in rows:
        epochs = "" if row.epochs is None else f"{row.epochs:.3g}"
        milliseconds = "" if row.prediction_ms is None else f"{row.prediction_ms:.3g}"
        middle = (_number(row.parameters), row.pretrained, _number(row.side), epochs, row.figure)
        lines.append((row.model, *middle, row.interval, _number(row.images), milliseconds, row.source))
    return "\n".join(f"| {' | '.join(cell or '–' for cell in line)} |" for line in lines)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
