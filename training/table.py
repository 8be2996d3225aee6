"""The thesis's table 8.2 (model, trainable parameters, test accuracy) with this project's own models in it.

    python -m training.table
    python -m training.table --run runs/first --run runs/second
    python -m training.table --artifact model.pt --data galaxies

What others have published stands in ``published.toml``. Own rows are computed: parameters are counted in the artifact, the
accuracy comes from the run's report, or is measured. Without any option the row is that of the bundled model.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.bundled import BUNDLED, bundled_artifact
from cosmoformer.runs.folder import ARTIFACTS, MODEL_FILE, REPORT_FILE
from training.evaluate import count_parameters, evaluate, open_split
from training.evaluation import report
from training.loop.distributed import choose_device

PUBLISHED = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class Row:
    """A model and how it does.

    Attributes:
        sample: what its accuracy was measured on; only rows of one sample can be compared.
        model: name.
        parameters: trainable ones; None where the source does not tell.
        accuracy: on test galaxies, in percent, as text with the digits of its source.
        interval: its 95 % interval, in percent; empty where there is none.
        images: number of test galaxies; None where the source does not tell.
        source: where the figures come from.
    """

    sample: str
    model: str
    parameters: int | None
    accuracy: str
    interval: str
    images: int | None
    source: str


def published(task: str | None = None) -> list[Row]:
    """What others have published; of one task's sample only, if one is named."""
    samples = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["sample"]
    return [
        Row(sample["name"], row["model"], row.get("parameters"), row["accuracy"], "", None, row["source"])
        for sample in samples
        if task is None or sample.get("task") == task
        for row in sample["row"]
    ]


def own_row(model: Artifact, figures: Mapping[str, float], source: str) -> Row:
    """The row of an artifact.

    Args:
        model: the artifact.
        figures: by the names of a report's ``metrics``.
        source: where they come from.
    """
    facts = model.metadata
    rivals = published(facts.task)
    low, high = figures["test_accuracy_low"], figures["test_accuracy_high"]
    return Row(
        sample=rivals[0].sample if rivals else f"Task {facts.task}",
        model=f"CosmoFormer, run {facts.run}",
        parameters=count_parameters(model),
        accuracy=f"{100 * figures['test_accuracy']:.2f}",
        interval=f"{100 * low:.2f} to {100 * high:.2f}",
        images=int(figures["test_images"]),
        source=source,
    )


def row_of_run(folder: Path) -> Row:
    """The row of a finished run's folder.

    Raises:
        ValueError: its report is of another artifact, or is none, or has no figures of the test split.
        FileNotFoundError: the run has no artifact or report yet.
    """
    model = artifact.load((folder / ARTIFACTS / MODEL_FILE).read_bytes())
    found = report.read(folder / ARTIFACTS / REPORT_FILE)
    if found.model.sha256 != model.sha256:
        raise ValueError(f"the report in {folder} is of another artifact: evaluate {MODEL_FILE} again")
    if found.conditions.split != "test":
        raise ValueError(f"the report in {folder} is of the {found.conditions.split} split: evaluate the test split")
    return own_row(model, found.metrics, "the run's report")


def row_of_artifact(path: Path, data: Path, cache: Path, device: torch.device) -> Row:
    """The row of an artifact that is measured now.

    Raises:
        ValueError: see :func:`training.evaluate.open_split`.
        FileNotFoundError: likewise.
    """
    model = artifact.load(path.read_bytes())
    found = evaluate(model, open_split(model, data, cache), device=device)
    return own_row(model, found.metrics, "measured for this table")


def row_of_bundled() -> Row:
    """The row of the model that comes with the package, from the card beside it."""
    model = artifact.load(bundled_artifact())
    figures = json.loads((BUNDLED / "model.json").read_text(encoding="utf-8"))["metrics"]
    return own_row(model, figures, "its card, mlflow/model-card.md")


def as_markdown(rows: Iterable[Row]) -> str:
    """One table for each sample, in the order of their first rows."""
    samples: dict[str, list[Row]] = {}
    for row in rows:
        samples.setdefault(row.sample, []).append(row)
    return "\n\n".join(f"### {sample}\n\n{_table(members)}" for sample, members in samples.items())


def _table(rows: Sequence[Row]) -> str:
    headings = ("Model", "Trainable parameters", "Test accuracy, %", "95 % interval", "Test galaxies", "Source")
    cells = [
        (row.model, _number(row.parameters), row.accuracy, row.interval or "–", _number(row.images), row.source)
        for row in rows
    ]
    lines = [headings, ("---", "---:", "---:", "---:", "---:", "---"), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.table``; the exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.artifact and not options.data:
        parser.error("--artifact is measured on --data: name a folder of labelled galaxies")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        own = [row_of_run(folder) for folder in options.run]
        device = choose_device("auto")
        own += [row_of_artifact(path, options.data, options.cache, device) for path in options.artifact]
        rows = [*published(), *(own or [row_of_bundled()])]
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) if options.json else as_markdown(rows)
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.table", description="Print published accuracies and those of this project's models."
    )
    add = parser.add_argument
    add("--run", type=Path, action="append", default=[], help="folder of a finished training run; may be repeated")
    add("--artifact", type=Path, action="append", default=[], help="artifact to measure on --data; may be repeated")
    add("--data", type=Path, help="labelled galaxies, as training.train takes them")
    add("--cache", type=Path, default=Path(".cache"), help="folder for decoded images (default: .cache)")
    add("--json", action="store_true", help="print JSON instead of Markdown")
    return parser


if __name__ == "__main__":
    sys.exit(main())
