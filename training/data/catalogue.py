"""The catalogue: one table of galaxies, whatever they came from.

A catalogue is a :class:`pandas.DataFrame` with one row an image and the columns

- ``uid``: str, unique;
- ``galaxy``: str, which galaxy the image shows; all images of one galaxy stand in the same split;
- ``split``: ``train``, ``val`` or ``test``;
- ``label``: one of the task's classes, or None where the galaxy has none;
- ``image``: an encoded image file as bytes, the path of one (str), or a :class:`Stored` one; None where it is missing;
- one float32 column for each of the task's targets, NaN where nothing is known.

Its index counts the rows of the source from 0, so that a message about a row can be followed back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.tasks import Task

SPLITS = ("train", "val", "test")
#: What folders and columns of splits are called elsewhere, in lower case.
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
#: Share of galaxies up to which a galaxy's place in [0, 1) means train, then val; the rest is test.
TRAIN_BELOW, VAL_BELOW = 0.8, 0.9
SPLIT_SEED = 0


@runtime_checkable
class Stored(Protocol):
    """A decoded image in a file of many."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def pixels(self) -> NDArray[np.uint8]:
        """The square image, uint8 (S, S, 3); raises OSError where it cannot be read."""
        ...


def catalogue(rows: pd.DataFrame, task: Task) -> pd.DataFrame:
    """The catalogue of a source's rows, complete and checked.

    Args:
        rows: with ``uid``, ``image`` and, for a task with classes, ``label``, which is taken without the blanks around it. An
            image without ``galaxy`` is of a galaxy of its own; one without ``split`` stands where another of its galaxy does, or
            else where :func:`split_of` puts it; targets that are missing are unknown.
        task: names the targets and the allowed labels; without classes any label is allowed.

    Raises:
        ValueError: a uid is missing or stands in two rows, a galaxy stands in two splits, or a split or label is not allowed.
    """
    nameless = rows.index[rows["uid"].isna()]
    if len(nameless):
        raise ValueError(f"{len(nameless)} rows have no uid, the first is row {nameless[0]}")
    uids = rows["uid"].astype(str)
    galaxies = rows["galaxy"].fillna(rows["uid"]).astype(str) if "galaxy" in rows else uids
    labels = rows["label"] if task.label_column else [None] * len(rows)
    table = pd.DataFrame(
        {
            "uid": uids,
            "galaxy": galaxies,
            "split": _splits(rows, galaxies),
            "label": [_text(label) for label in labels],
            "image": [None if pd.isna(image) else image for image in rows["image"]],
        },
        dtype=object,
    )
    known = rows.reindex(columns=list(task.targets))
    table = pd.concat([table, known.astype(np.float32)], axis=1)
    check(table, task.classes)
    return table


def split_named(name: str) -> str | None:
    """The split that is called so here or elsewhere (``Validation`` is ``val``); None where none is."""
    return _SPLIT_NAMES.get(name.strip().lower())


def _splits(rows: pd.DataFrame, galaxies: pd.Series[str]) -> pd.Series[str]:
    """The split of each row; a name that is none's stays for :func:`check` to refuse."""
    drawn = galaxies.map(split_of)
    if "split" not in rows:
        return drawn
    names = map(_text, rows["split"])
    told = pd.Series([name and (split_named(name) or name) for name in names], rows.index, dtype=object)
    of_galaxy = told.groupby(galaxies).transform("first")
    return told.where(told.notna(), of_galaxy.where(of_galaxy.notna(), drawn))


def _text(value: object) -> str | None:
    """What a cell says; None where it says nothing."""
    return None if pd.isna(value) else str(value).strip() or None


def split_of(galaxy: str, seed: int = SPLIT_SEED) -> str:
    """The split of a galaxy by a digest of its identifier: other galaxies, and how many there are, have no say in it."""
    digest = hashlib.sha256(f"{seed}:{galaxy}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return "train" if place < TRAIN_BELOW else "val" if place < VAL_BELOW else "test"


def check(table: pd.DataFrame, classes: Sequence[str]) -> None:
    """Check a catalogue.

    Raises:
        ValueError: as :func:`catalogue`.
    """
    _check_allowed(table, "split", SPLITS)
    if classes:
        _check_allowed(table[table["label"].notna()], "label", classes)
    twice = table["uid"][table["uid"].duplicated()]
    if len(twice):
        raise ValueError(
            f"{len(twice)} uids stand in two rows, the first is {twice.iloc[0]} (row {twice.index[0]}): uids must be unique"
        )
    splits_of_galaxy = table.groupby("galaxy")["split"].nunique()
    leaking = splits_of_galaxy.index[splits_of_galaxy > 1]
    if len(leaking):
        where = sorted(set(table["split"][table["galaxy"] == leaking[0]]))
        raise ValueError(
            f"{len(leaking)} galaxies stand in more than one split, the first is {leaking[0]} in {' and '.join(where)}: "
            "what is learned of it would be tested on it. Put all images of a galaxy in one split"
        )


def _check_allowed(table: pd.DataFrame, column: str, allowed: Sequence[str]) -> None:
    wrong = table[~table[column].isin(allowed)]
    if len(wrong):
        values = sorted({str(value) for value in wrong[column]})
        raise ValueError(
            f"unknown {column}s {values}, the first in row {wrong.index[0]} (uid {wrong['uid'].iloc[0]}); "
            f"allowed are {list(allowed)}"
        )
