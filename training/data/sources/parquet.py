"""Parquet files with the images inside: columns ``uid``, ``image`` and the task's label column.

``split``, ``galaxy`` and the task's targets are read where a file has them.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet

from training.data.catalogue import catalogue
from training.tasks import Task


def read(folder: Path, task: Task) -> pd.DataFrame:
    """Read the files of ``folder`` that match ``task.files``, in the order of their names, as one catalogue.

    Raises:
        FileNotFoundError: no file matches.
        ValueError: a file lacks a column, or see :func:`training.data.catalogue.catalogue`.
    """
    paths = task.files_in(folder)
    if not paths:
        raise FileNotFoundError(f"expected parquet files matching {task.files} in {folder}, found none")
    rows = pd.concat([_read_file(path, task) for path in paths], ignore_index=True)
    return catalogue(rows.rename(columns={task.label_column: "label"}), task)


def _read_file(path: Path, task: Task) -> pd.DataFrame:
    needed = ["uid", "image", *([task.label_column] if task.label_column else [])]
    present = set(pyarrow.parquet.read_schema(path).names)
    missing = [column for column in needed if column not in present]
    if missing:
        raise ValueError(
            f"{path} has no columns {missing}; the task {task.name} needs {needed}, it has {sorted(present)}"
        )
    optional = [column for column in ("split", "galaxy", *task.targets) if column in present]
    return pd.read_parquet(path, columns=[*needed, *optional])
