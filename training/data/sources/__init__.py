"""Where galaxies come from: each module reads one kind of source as a catalogue (see :mod:`training.data.catalogue`)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from training.data.sources import folders, gz2, hdf5, parquet, table
from training.tasks import Task


def open_catalogue(data: Path, task: Task) -> pd.DataFrame:
    """Read the catalogue of whatever stands at ``data``: a CSV or HDF5 file, Galaxy Zoo 2, parquet files or folders.

    Raises:
        FileNotFoundError: nothing that is accepted stands there.
        ValueError: see :func:`training.data.catalogue.catalogue`.
    """
    if data.is_file() and data.suffix.lower() == ".csv":
        return table.read(data, task)
    if data.is_file() and data.suffix.lower() in hdf5.SUFFIXES:
        return hdf5.read(data, task)
    if data.is_dir():
        if gz2.stands_at(data):
            return gz2.read(data, task)
        if task.files_in(data):
            return parquet.read(data, task)
        if any(path.is_dir() for path in data.iterdir()):
            return folders.read(data, task)
    needed = " and ".join(["uid, image", task.label_column or "vote fractions"])
    raise FileNotFoundError(
        f"no data at {data}. Accepted are a CSV file with the columns path and label; an HDF5 file in the layout of "
        f"Galaxy10 DECaLS; a folder with parquet files {task.files} that have the columns {needed}; a folder with "
        f"{gz2.TRAIN_CATALOGUE}; and a folder with a folder of images for each class"
    )
