"""A CSV file with a row for each image: columns ``path`` and, for a task with classes, ``label``.

``uid`` (else the path), ``galaxy``, ``split`` and the task's targets are read where the file has them. Paths are relative to the
file's folder. An empty label means that the image has none. A row without a path has no image; without a uid it is called
``row 7`` or the like.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from training.data.catalogue import catalogue
from training.tasks import Task


def read(path: Path, task: Task) -> pd.DataFrame:
    """Read the CSV file at ``path`` as a catalogue; row 0 is the line after the header.

    Raises:
        ValueError: a column is missing, a target is no number, or see :func:`training.data.catalogue.catalogue`.
    """
    rows = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])  # a class may be called None
    needed = ["path", *(["label"] if task.label_column else [])]
    if missing := [column for column in needed if column not in rows]:
        raise ValueError(f"{path} has no columns {missing}; expected {', '.join(needed)}, ... and got {list(rows)}")
    for target in set(task.targets) & set(rows):
        rows[target] = pd.to_numeric(rows[target])
    rows["image"] = [None if pd.isna(name) else str(path.parent / name) for name in rows["path"]]
    named = rows["path"].where(rows["path"].notna(), [f"row {row}" for row in rows.index])
    rows["uid"] = rows["uid"].where(rows["uid"].notna(), named) if "uid" in rows else named
    return catalogue(rows, task)
