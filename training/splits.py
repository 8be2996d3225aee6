"""The decoded images of a task's splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.cache import ImageCache, open_or_build
from training.catalogue import read_parquet_folder
from training.tasks import Task


def open_splits(
    task: Task, data: Path, cache: Path, size: int, names: Sequence[str], classes: Sequence[str] | None = None
) -> dict[str, ImageCache]:
    """Open the named splits, decoding them first where that has not been done.

    Args:
        task: names the files, the label column and the classes.
        data: folder of parquet files.
        cache: folder that decoded images are kept in.
        size: side of the images, pixels.
        names: which splits, of :data:`training.catalogue.SPLITS`.
        classes: the order of class names that labels index, where it is not the task's own.
    """
    table = read_parquet_folder(data, task.label_column, task.classes, task.files)
    return {
        name: open_or_build(
            table[table["split"] == name].reset_index(drop=True),
            classes or task.classes,
            size,
            cache / f"{task.name}-{size}" / name,
        )
        for name in names
    }
