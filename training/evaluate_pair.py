"""Measure two artifacts on the same galaxies: what differs, with the interval of the difference.

    python -m training.evaluate_pair --artifacts first.pt second.pt --data galaxies --split val --out pair.json

Choose on the validation split: what was chosen on the test split is judged too well by it. With ``--task clean5_votes`` class
probabilities are also set against the shares of the volunteers' votes, which that task learns.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.terminal import console
from cosmoformer.votes.fractions import to_cumulative
from cosmoformer.votes.tree import TREES
from training import tasks
from training.data.cache import ImageCache
from training.data.catalogue import SPLITS
from training.evaluate import check_fits, open_split
from training.evaluation.inference import outputs
from training.evaluation.metrics import Floats
from training.evaluation.pairs import Difference, difference_of_shares, differences
from training.evaluation.report_tables import show_differences
from training.tasks import Task


@dataclass(frozen=True)
class PairRecord:
    """What was found.

    Attributes:
        runs: that the two artifacts come from.
        sha256: of the artifacts.
        split: the split that was measured.
        set: its version (``ImageCache.version``), with the first artifact's side.
        differences: figure by figure, the second's less the first's.
    """

    runs: tuple[str, ...]
    sha256: tuple[str, ...]
    split: str
    set: str
    differences: list[Difference]


def measure(
    models: tuple[Artifact, Artifact], caches: tuple[ImageCache, ImageCache], split: str, task: Task
) -> PairRecord:
    """Compare two artifacts.

    Args:
        models: the two.
        caches: the same galaxies, as each takes them.
        split: whose galaxies they are.
        task: names the columns; where it has one for each class, shares of votes are compared too.

    Raises:
        ValueError: the artifacts have other classes, the galaxies are not the same or have none of these classes.
    """
    first, second = models
    if not first.metadata.classes or first.metadata.classes != second.metadata.classes:
        raise ValueError(f"expected two artifacts of the same classes, got {[one.metadata.classes for one in models]}")
    if caches[0].uids != caches[1].uids:
        raise ValueError("the two artifacts' galaxies are not the same: name the task of both by --task")
    if not caches[0].classes:
        raise ValueError(f"the galaxies of the task {task.name} have no classes: name another by --task")
    for model, cache in zip(models, caches, strict=True):
        check_fits(model, cache)
    told = [outputs(model, cache, what=f"{split} galaxies") for model, cache in zip(models, caches, strict=True)]
    count, columns = len(first.metadata.classes), task.targets
    found = differences(told[0][:, :count], told[1][:, :count], caches[0].labels)
    if len(columns) == count:
        shares, of_classes = normalised(caches[0].targets), [one[:, :count] for one in told]
        of_votes = [_shares(model, one, columns) for model, one in zip(models, told, strict=True)]
        for name, (one, other) in {"class probabilities": of_classes, "told votes": of_votes}.items():
            found.append(difference_of_shares(f"RMSE of {name} against shares of votes", one, other, shares))
    runs, digests = tuple(one.metadata.run for one in models), tuple(one.sha256 for one in models)
    return PairRecord(runs, digests, split, caches[0].version, found)


def _shares(model: Artifact, told: Floats, columns: Sequence[str]) -> Floats:
    """What an artifact says of the shares of some votes: by the fractions that it tells, or else by its probabilities."""
    facts = model.metadata
    if facts.fractions is None:
        return told[:, : len(facts.classes)]
    tree = TREES[facts.fractions.tree]
    start = len(facts.classes)
    fractions = to_cumulative(tree, told[:, start : start + len(tree.labels)])
    return normalised(fractions[:, [tree.challenge_columns.index(column) for column in columns]])


def normalised(votes: NDArray[np.floating]) -> Floats:
    """Votes (N, K) as shares of their sum, float64 (N, K); NaN where it is 0 or not known."""
    asked = votes.sum(axis=1, keepdims=True, dtype=np.float64)
    return np.asarray(votes / np.where(asked > 0, asked, np.nan))


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.evaluate_pair``; the exit status."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        first, second = (artifact.load(path.read_bytes()) for path in options.artifacts)
        task = options.task or first.metadata.task
        caches = [open_split(one, options.data, options.cache, options.split, task) for one in (first, second)]
        record = measure((first, second), (caches[0], caches[1]), options.split, tasks.find(task))
        if options.out:
            options.out.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    show_differences(record.differences, f"{' and '.join(record.runs)} on the {record.split} split", console())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate_pair",
        description="Measure two artifacts on the same galaxies: what differs, with the interval of the difference.",
    )
    add = parser.add_argument
    add("--artifacts", type=Path, nargs=2, required=True, metavar="FILE", help="TorchScript files that training wrote")
    add("--data", type=Path, required=True, help="labelled galaxies, as training.train takes them")
    add(
        "--task",
        default="",
        help="whose galaxies and columns, such as clean5_votes (default: the first artifact's own)",
    )
    add("--split", choices=SPLITS, default="val", help="which of them (default: val)")
    add("--out", type=Path, help="file for what was found, as JSON")
    add("--cache", type=Path, default=Path(".cache"), help="folder for decoded images (default: .cache)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
