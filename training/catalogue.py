"""The catalogue: one table of galaxies, whatever they came from.

A catalogue is a :class:`pandas.DataFrame` with one row a galaxy and the columns ``uid`` (str, unique), ``split`` (one of
``train``, ``val``, ``test``), ``label`` (one of the task's classes) and ``image`` (encoded image file, bytes).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

SPLITS = ("train", "val", "test")


def read_parquet_folder(
    folder: Path, label_column: str, classes: Sequence[str], pattern: str = "*.parquet"
) -> pd.DataFrame:
    """Read labelled galaxies from parquet files with the columns ``uid``, ``split``, ``image`` and ``label_column``.

    Rows without a label are left out.

    Raises:
        FileNotFoundError: no file matches.
        ValueError: a label is none of ``classes``, a split is unknown, or a galaxy stands in two rows.
    """
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise FileNotFoundError(f"expected parquet files matching {pattern} in {folder}, found none")
    columns = ["uid", "split", "image", label_column]
    table = pd.concat([pd.read_parquet(path, columns=columns) for path in paths], ignore_index=True)
    table = table.rename(columns={label_column: "label"}).dropna(subset=["label"]).reset_index(drop=True)
    _check(table, classes)
    return table


def _check(table: pd.DataFrame, classes: Sequence[str]) -> None:
    wrong_labels = sorted(set(table["label"]) - set(classes))
    if wrong_labels:
        raise ValueError(f"unknown labels {wrong_labels}; allowed are {list(classes)}")
    wrong_splits = sorted(set(table["split"]) - set(SPLITS))
    if wrong_splits:
        raise ValueError(f"unknown splits {wrong_splits}; allowed are {list(SPLITS)}")
    twice = table["uid"][table["uid"].duplicated()]
    if len(twice):
        raise ValueError(
            f"{len(twice)} galaxies stand in two rows, the first is {twice.iloc[0]}: one would leak between splits"
        )
