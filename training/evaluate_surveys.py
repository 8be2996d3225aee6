"""Measure an artifact on other surveys: accuracy, confidence and ``in_domain``, by the galaxy's size in the frame and by colour.

    python -m training.evaluate_surveys --artifact cosmoformer/bundled/model.pt --data galaxies --out surveys.json

``training/surveys.toml`` says which surveys there are, and which classes are right for their labels.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models import artifact
from cosmoformer.terminal import console, text
from training.evaluation.surveys import Group, SurveyFigures, figures_of, read_surveys, survey_figures

RECORD_FILE = "surveys.json"
#: Groups of a survey's figures, by what they are groups of.
PARTS = {
    "shown": "shown",
    "class given": "by_class",
    "half-light radius": "by_size",
    "mean brightness": "by_brightness",
}


def show(figures: SurveyFigures, out: Console) -> None:
    """Print a survey's figures as tables."""
    out.print(text(f"{figures.name}: {figures.images:,} galaxies, {figures.with_class:,} of them with a class", "bold"))
    for heading, groups in PARTS.items():
        table = Table(heading, "galaxies", "accuracy", "95 % interval", "confidence", "no galaxy")
        for row in rows_of(getattr(figures, groups)):
            table.add_row(*row)
        out.print(table)


def rows_of(groups: Iterable[Group]) -> list[tuple[str, ...]]:
    """The cells of a table, a row each group."""
    return [
        (
            one.name.replace("_", " "),
            f"{one.images:,}",
            _told(one.accuracy),
            "–" if one.low is None else f"{one.low:.4f} to {one.high:.4f}",
            _told(one.confidence),
            _told(one.flagged),
        )
        for one in groups
    ]


def _told(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def surveys_of(path: Path, sha256: str) -> list[SurveyFigures]:
    """What a record of an artifact has, by its digest.

    Raises:
        ValueError: it is of another artifact, or no record.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["sha256"] == sha256:
            return [figures_of(members) for members in record["surveys"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no record of surveys: {error!r}; measure it again") from None
    raise ValueError(f"{path} is of the artifact {record['sha256']}, not of {sha256}; measure it again")


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.evaluate_surveys``; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate_surveys", description="Measure an artifact on galaxies of other surveys."
    )
    parser.add_argument("--artifact", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with the surveys' parquet files")
    parser.add_argument(
        "--most",
        type=int,
        default=1000,
        help="galaxies of each that are zoomed and coloured, 0 for all (default: 1000)",
    )
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        model = artifact.load(options.artifact.read_bytes())
        found = []
        for survey in read_surveys(options.data, options.most):
            found.append(survey_figures(model, survey))
            show(found[-1], console())
        if options.out:
            record = {"sha256": model.sha256, "surveys": [asdict(figures) for figures in found]}
            options.out.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
