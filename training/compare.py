"""One table of all models of a task: what others have published, and what runs of this project recorded.

    python -m training.compare --task gz2_votes
    python -m training.compare --run runs/first --run runs/second
    python -m training.compare --artifact model.pt --data galaxies
    python -m training.compare --write

What others have published stands in ``published.toml``, own runs in ``training/runs``. ``--write`` brings the tables in
``training/README.md`` up to date.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models import artifact
from cosmoformer.runs.folder import ARTIFACTS, MODEL_FILE, REPORT_FILE
from training.evaluate import evaluate, open_split
from training.evaluation import report
from training.evaluation.comparison import Row, as_markdown, recorded, row_of, samples, samples_of
from training.loop.distributed import choose_device

RECORDS, README = Path(__file__).with_name("runs"), Path(__file__).with_name("README.md")
BEGIN, END = "<!-- compare: python -m training.compare --write -->", "<!-- /compare -->"


def all_rows(more: Iterable[Row] = ()) -> list[Row]:
    """Published rows sample by sample, each with the recorded ones and ``more`` behind it; other samples come last."""
    own = [row for folder in record_folders() for row in recorded(folder, f"[record]({RECORDS.name}/{folder.name})")]
    own += more
    known = samples()
    rows = [row for one in known for row in (*one.rows, *(row for row in own if row.sample == one.name))]
    names = {one.name for one in known}
    return rows + [row for row in own if row.sample not in names]


def record_folders() -> list[Path]:
    """The runs whose measurements come with the project."""
    return sorted({path.parent for path in RECORDS.glob("*/report*.json")})


def of_task(rows: Iterable[Row], task: str) -> list[Row]:
    """Rows on the galaxies of one task.

    Raises:
        ValueError: there is none.
    """
    rows = list(rows)
    names = samples_of(task)
    if not (found := [row for row in rows if row.sample in names]):
        tasks = sorted(one.task for one in samples() if one.task)
        raise ValueError(f"nothing is known of the task {task!r}; of these there are rows: {', '.join(tasks)}")
    return found


def row_of_run(folder: Path) -> list[Row]:
    """The rows of a finished run's folder.

    Raises:
        ValueError: its report is of another artifact, or see :func:`training.evaluation.comparison.recorded`.
        FileNotFoundError: the run has no report yet.
    """
    rows = recorded(folder, "the run's report")
    model = folder / ARTIFACTS / MODEL_FILE
    if model.is_file() and report.read(folder / ARTIFACTS / REPORT_FILE).model.sha256 != artifact.digest(
        model.read_bytes()
    ):
        raise ValueError(f"the report in {folder} is of another artifact: evaluate {MODEL_FILE} again")
    return rows


def row_of_artifact(path: Path, data: Path, cache: Path, task: str, device: torch.device) -> Row:
    """The row of an artifact that is measured now, on the galaxies of its own task or of the one named.

    Raises:
        ValueError: see :func:`training.evaluate.open_split`.
        FileNotFoundError: likewise.
    """
    model = artifact.load(path.read_bytes())
    sample = "" if task == model.metadata.task else task
    images = open_split(model, data, cache, sample=sample)
    return row_of(
        evaluate(model, images, device=device, sample=sample, timed=True), None, None, "measured for this table"
    )


def with_tables(readme: str) -> str:
    """The text of a README with tables of all that is recorded between its markers.

    Raises:
        ValueError: it has no markers.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"expected the markers {BEGIN} and {END}, one after the other")
    return f"{before}{BEGIN}\n\n{as_markdown(all_rows())}\n\n{END}{after}"


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.compare``; the exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.artifact and not options.data:
        parser.error("--artifact is measured on --data: name a folder of labelled galaxies")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        own = [row for folder in options.run for row in row_of_run(folder)]
        device = choose_device("auto")
        own += [row_of_artifact(path, options.data, options.cache, options.task, device) for path in options.artifact]
        rows = all_rows(own)
        rows = of_task(rows, options.task) if options.task else rows
        if options.write:
            README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) if options.json else as_markdown(rows)
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.compare", description="Print what others have published beside this project's models."
    )
    add = parser.add_argument
    add("--task", default="", help="only models on this task's galaxies (default: all)")
    add("--run", type=Path, action="append", default=[], help="folder of a finished training run; may be repeated")
    add("--artifact", type=Path, action="append", default=[], help="artifact to measure on --data; may be repeated")
    add("--data", type=Path, help="labelled galaxies, as training.train takes them")
    add("--cache", type=Path, default=Path(".cache"), help="folder for decoded images (default: .cache)")
    add("--json", action="store_true", help="print JSON instead of Markdown")
    add("--write", action="store_true", help=f"bring the tables in {README.name} up to date")
    return parser


if __name__ == "__main__":
    sys.exit(main())
