"""Measure where inclinations fail: a model's, and beside it the classical ones from the axis ratios of isophotes.

    python -m training.evaluate_inclination --artifact model.pt --data galaxies --out inclination

``training.evaluate`` measures a model alone. Here both are measured on the same galaxies, those whose isophote is found, and on
kinds of galaxies that are known to mislead (:data:`KINDS`), where the catalogue has the columns. The folder given by ``--out``
gets ``axis_ratio.json``. Needs photutils (``pip install 'cosmoformer[inclination]'``).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
from numpy.typing import NDArray
from rich.console import Console

from cosmoformer.cpus import cpu_limit
from cosmoformer.errors import CosmoFormerError
from cosmoformer.images.decoding import decode
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.terminal import console, progress, table, text
from training import tasks
from training.data.catalogue import SPLITS
from training.data.decoding import LIMITS
from training.data.sources import open_catalogue
from training.evaluate import open_split
from training.evaluation.axis_ratio import THICKNESS, axis_ratio, inclination
from training.evaluation.inclination import Figure, InclinationFigures, inclination_figures, tells_inclination
from training.evaluation.inference import outputs
from training.tasks import Task

RECORD_FILE = "axis_ratio.json"
_AT_ONCE = 16  # pictures that a process gets


@dataclass(frozen=True)
class Kind:
    """Galaxies with something about them, by a column of the catalogue.

    Attributes:
        name: in words.
        column: of the catalogue.
        low: least value.
        high: what the value is below.
    """

    name: str
    column: str
    low: float = -np.inf
    high: float = np.inf


#: Of rendered galaxies (:data:`cosmoformer.render.catalogue.COLUMNS`) and of EFIGI's.
KINDS = (
    Kind("bulge with over 30 % of the light", "bulge_share", low=0.3),
    Kind("bar with over 10 % of the disc", "bar_share", low=0.1),
    Kind("strong arms", "arm_share", low=0.6),
    Kind("thin disc, q0 below 0.14", "thickness", high=0.14),
    Kind("thick disc, q0 above 0.24", "thickness", low=0.24),
    Kind("small, below 5 pixels a scale length", "scale_length", high=5.0),
    Kind("noisy, below 5 times the noise", "signal_to_noise", high=5.0),
    Kind("neighbours as bright as half of it", "neighbours", low=0.5),
    Kind("dusty, optical depth above 0.7", "optical_depth", low=0.7),
    Kind("elliptical (T below -3)", "efigi_T", high=-3.0),
    Kind("lenticular or early spiral (T -3 to 2)", "efigi_T", low=-3.0, high=2.5),
    Kind("late spiral (T 3 to 8)", "efigi_T", low=2.5, high=8.5),
    Kind("irregular (T above 8)", "efigi_T", low=8.5),
    Kind("barred", "efigi_bar_length", low=0.5),
    Kind("perturbed", "efigi_perturbation", low=0.5),
)


@dataclass(frozen=True)
class Row:
    """Two estimates on the same galaxies.

    Attributes:
        kind: which galaxies, in words.
        images: how many there are.
        found: share of them whose isophote is found; all that follows is of these.
        model: the model's figures.
        axis_ratio: the axis ratios'.
    """

    kind: str
    images: int
    found: float
    model: InclinationFigures
    axis_ratio: InclinationFigures


@dataclass(frozen=True)
class Record:
    """A model's inclinations and the classical ones.

    Attributes:
        sha256: of the artifact.
        run: that it comes from.
        split: the split that was measured.
        set: its version (``ImageCache.version``).
        thickness: q₀ that axis ratios were turned into angles with.
        rows: of all galaxies, and kind by kind.
    """

    sha256: str
    run: str
    split: str
    set: str
    thickness: float
    rows: tuple[Row, ...]


def measure(model: Artifact, data: Path, cache: Path, split: str, workers: int) -> Record:
    """Measure both on one split.

    Raises:
        ValueError: the artifact tells no inclinations, or see :func:`training.evaluate.open_split`.
        FileNotFoundError: there are no data.
    """
    if not tells_inclination(model.metadata):
        raise ValueError(f"the artifact of {model.metadata.run} tells no inclinations")
    images = open_split(model, data, cache, split)
    told = outputs(model, images, what=f"{split} galaxies")
    task = tasks.find(model.metadata.task)
    found = open_catalogue(data, task).set_index("uid").loc[list(images.uids)]
    ratios = axis_ratios(found["image"].tolist(), workers)
    classical = inclination(ratios)
    facts = _facts(data, task).reindex(images.uids)
    rows = []
    for name, chosen in _kinds(facts, len(ratios)):
        is_found = chosen & np.isfinite(ratios)
        if not is_found.any():
            continue
        targets = images.targets[is_found]
        both = (
            inclination_figures(told[is_found, 0], told[is_found, 1], targets),
            inclination_figures(classical[is_found], None, targets),
        )
        rows.append(Row(name, int(chosen.sum()), round(float(is_found.sum() / chosen.sum()), 4), *both))
    return Record(model.sha256, model.metadata.run, split, images.version, THICKNESS, tuple(rows))


def axis_ratios(pictures: list[bytes | str], workers: int) -> NDArray[np.float64]:
    """Axis ratios of encoded pictures, at their own size, or of files; NaN where nothing is found."""
    parts = [pictures[start : start + _AT_ONCE] for start in range(0, len(pictures), _AT_ONCE)]
    found: list[float] = []
    bar, done = progress(console(stderr=True), "isophotes", len(pictures))
    with bar, ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for ratios in pool.map(_ratios, parts):
            found += ratios
            done(len(found))
    return np.array(found)


def _ratios(pictures: list[bytes | str]) -> list[float]:
    contents = [one if isinstance(one, bytes) else Path(one).read_bytes() for one in pictures]
    return [axis_ratio(decode(content, LIMITS).pixels) for content in contents]


def _facts(data: Path, task: Task) -> pd.DataFrame:
    """The columns of :data:`KINDS` that the catalogue's files have, by uid."""
    wanted = {kind.column for kind in KINDS}
    parts = []
    for path in task.files_in(data) if data.is_dir() else ():
        present = wanted & set(pyarrow.parquet.read_schema(path).names)
        parts.append(pd.read_parquet(path, columns=["uid", *sorted(present)]))
    return pd.concat(parts).set_index("uid") if parts else pd.DataFrame()


def _kinds(facts: pd.DataFrame, count: int) -> list[tuple[str, NDArray[np.bool_]]]:
    """Names and members of all galaxies and of each kind; of rendered ones also those that nothing is about."""
    known = [kind for kind in KINDS if kind.column in facts]
    found = [("all", np.full(count, True))]
    for kind in known:
        values = facts[kind.column].to_numpy(np.float64)
        found.append((kind.name, (values >= kind.low) & (values < kind.high)))
    if "thickness" in facts and len(found) > 1:
        is_known = facts["thickness"].notna().to_numpy()
        found.append(("none of these", is_known & ~np.any([members for _, members in found[1:]], axis=0)))
    return found


def show(record: Record, out: Console) -> None:
    """Print a record: medians of errors and shares within 10 degrees, or the same quarter and correlation, kind by kind."""
    figures = (
        ("angles", "median_error", "median error"),
        ("angles", "within_10", "within 10 degrees"),
        ("quarters", "correlation", "correlation"),
        ("quarters", "same_quarter", "same quarter"),
        ("quarters", "within_a_quarter", "within a quarter"),
    )
    for part, name, words in figures:
        rows = [row for row in record.rows if getattr(row.model, part)]
        if not rows:
            continue
        shown = table(out, "galaxies", ">number", ">found", ">model", "95 % interval", ">axis ratio", "95 % interval")
        for row in rows:
            both = [_cells(getattr(getattr(side, part), name)) for side in (row.model, row.axis_ratio)]
            shown.add_row(*map(text, (row.kind, row.images, row.found, *both[0], *both[1])))
        out.print(text(f"{words}, of the {record.split} split", "bold"))
        out.print(shown)
        out.print()


def _cells(figure: Figure) -> tuple[float, str]:
    return figure.value, f"{figure.low} to {figure.high}"


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.evaluate_inclination``; the exit status."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        model = artifact.load(options.artifact.read_bytes())
        record = measure(model, options.data, options.cache, options.split, options.workers or cpu_limit())
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / RECORD_FILE).write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    except ImportError as error:
        print(f"error: {error}: pip install 'cosmoformer[inclination]'", file=sys.stderr)
        return 1
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    show(record, console())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate_inclination",
        description="Measure a model's inclinations beside those from the axis ratios of isophotes.",
    )
    add = parser.add_argument
    add("--artifact", type=Path, required=True, help="TorchScript file that training wrote")
    add("--data", type=Path, required=True, help="galaxies of known inclination, as training.train takes them")
    add("--split", choices=SPLITS, default="test", help="which of them (default: test)")
    add("--out", type=Path, help=f"folder for {RECORD_FILE}")
    add("--cache", type=Path, default=Path(".cache"), help="folder for decoded images (default: .cache)")
    add("--workers", type=int, default=0, help="processes that measure isophotes (default: one for each CPU)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
