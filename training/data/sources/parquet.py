"""Parquet files with the images inside: columns ``uid``, ``image`` and the task's label column.

``split``, ``galaxy`` and the task's targets are read where a file has them. An image is an encoded file, or what Hugging Face's
``datasets`` makes of one: a struct of its ``bytes`` and its ``path``, which is below the parquet file's folder and counts where
there are no bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
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
    return read_rows(path, [*needed, *optional])


def read_rows(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Columns of a file, or all, with each ``image`` as bytes, as the path of a file (str), or None.

    Raises:
        ValueError: the column ``image`` holds something else.
    """
    kind = pyarrow.parquet.read_schema(path).field("image").type
    in_struct = pyarrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    if not _is_binary(kind.field("bytes").type if in_struct else kind):
        raise ValueError(
            f"{path}, column image: expected encoded image files, as binary or in a struct of bytes and path, got {kind}"
        )
    rows = pd.read_parquet(path, columns=columns and list(columns))
    if in_struct:
        rows["image"] = [_unpacked(image, path.parent) for image in rows["image"]]
    return rows


def _is_binary(kind: pyarrow.DataType) -> bool:
    types = pyarrow.types
    tests = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_null)
    return any(test(kind) for test in tests)


def _unpacked(image: Mapping[str, Any] | None, folder: Path) -> bytes | str | None:
    content: bytes | None = image["bytes"] if image else None
    path: str | None = image.get("path") if image else None
    return str(folder / path) if content is None and path else content
