"""The decoded images of a task's splits."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from training.data.cache import ImageCache, open_or_build
from training.data.decoding import told
from training.data.sources import open_catalogue
from training.tasks import Task

logger = logging.getLogger(__name__)


class EmptySplit(ValueError):
    """A split that is needed has no image."""


def open_splits(
    task: Task,
    data: Path,
    cache: Path,
    size: int,
    names: Sequence[str],
    classes: Sequence[str] | None = None,
    *,
    every: bool = False,
) -> dict[str, ImageCache]:
    """Open the named splits, decoding them first where that has not been done.

    The training split has the galaxies with a label or a target; the others only those that the task can judge.

    Args:
        task: names the files, the label column, the classes and the targets.
        data: whatever :func:`training.data.sources.open_catalogue` reads.
        cache: folder that decoded images are kept in.
        size: side of the images, pixels.
        names: which splits, of :data:`training.data.catalogue.SPLITS`.
        classes: the order of class names that labels index, where it is not the task's own.
        every: whether the training split also has the galaxies without a label or a target.

    Raises:
        FileNotFoundError: there is no data.
        EmptySplit: a named split has no image.
        ValueError: the data are not what the task needs, or no image can be decoded.
    """
    task = task.with_classes(classes) if classes else task
    found = open_catalogue(data, task)
    table = _useful(found, task)
    suffix = ""
    if every and len(more := found[found["split"].eq("train") | found.index.isin(table.index)]) > len(table):
        table, suffix = more, "-every"  # in a folder of its own: runs that need fewer do not push these out
    if table.empty:
        raise ValueError(f"no galaxy in {data} has a label, or a target that is learned")
    caches = open_or_build(table, task, size, cache / f"{_place(task, data, size)}{suffix}")
    for name in names:
        if name not in caches or not len(caches[name].labels):
            counts = table["split"].value_counts().to_dict()
            why = told(caches[name].skipped) if name in caches else "Add galaxies, or say which split each is in."
            raise EmptySplit(f"no image for the {name} split in {data}, whose galaxies are {counts}. {why}")
        if skipped := caches[name].skipped:
            total = len(skipped) + len(caches[name].labels)
            logger.warning("%d of %d images of the %s split are skipped: %s", len(skipped), total, name, told(skipped))
    return {name: caches[name] for name in names}


def open_voted(task: Task, data: Path, cache: Path, size: int, split: str) -> ImageCache:
    """The galaxies of one split of which every target is known, whether they have a class or not.

    Args:
        task: as for :func:`open_splits`.
        data: likewise.
        cache: likewise; these images are kept apart from others.
        size: likewise.
        split: its name.

    Raises:
        FileNotFoundError: there is no data.
        EmptySplit: there is no such galaxy.
        ValueError: as for :func:`open_splits`.
    """
    found = open_catalogue(data, task)
    targets = found[list(task.targets)]
    table = found[found["split"].eq(split) & targets.notna().all(axis=1)]
    if table.empty or targets.columns.empty:
        raise EmptySplit(f"no galaxy of the {split} split in {data} has a vote for every answer")
    place = _place(task, data, size)
    return open_or_build(table, task, size, cache / f"{place}-voted-{split}")[split]


def _place(task: Task, data: Path, size: int) -> str:
    """Name of the folder of decoded images: other tasks, sides, crops and data do not push these out."""
    of_data = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:8]
    return f"{task.name}-{size}-{100 * task.kept:.0f}-{of_data}"


def _useful(table: pd.DataFrame, task: Task) -> pd.DataFrame:
    judged = task.judged(table)
    learnable = (table["split"] == "train") & table[list(task.targets)].notna().any(axis=1)
    return table[judged | learnable]
