"""Galaxy Zoo 2 as galaxy-datasets has it, divided as CosmoFormer's thesis divides it (section 8.2).

galaxy-datasets lays it out as ``gz2_train_catalog.parquet``, ``gz2_test_catalog.parquet`` and
``images/<first six digits>/<identifier>.jpg``. Its test catalogue, 41,859 galaxies, is the test split; a quarter of its train
catalogue's 167,434 is for validation, which leaves 125,575.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pandas as pd
import pyarrow.parquet
from sklearn.model_selection import train_test_split

from training.data.catalogue import catalogue
from training.tasks import Task

logger = logging.getLogger(__name__)

TRAIN_CATALOGUE, TEST_CATALOGUE = "gz2_train_catalog.parquet", "gz2_test_catalog.parquet"
#: The file of each split, with the columns ``img_path`` (below the folder), ``label`` and, if written here, ``uid``.
PARTITIONS = {"train": "train.parquet", "val": "validation.parquet", "test": "test.parquet"}
#: What galaxies without a ``summary`` are called.
IRREGULAR = "irregular"
VALIDATION_SHARE, SEED = 0.25, 42


def stands_at(folder: Path) -> bool:
    """Whether ``folder`` holds Galaxy Zoo 2: its catalogue, or the partitions of it."""
    return (folder / TRAIN_CATALOGUE).exists() or _partitioned(folder)


def read(folder: Path, task: Task) -> pd.DataFrame:
    """Read the partitions below ``folder``, after writing them there if they are not, as a catalogue.

    Undecided galaxies are left out where the task has classes and :data:`IRREGULAR` is none of them.

    Raises:
        FileNotFoundError: a catalogue of galaxy-datasets is missing.
        ModuleNotFoundError: galaxy-datasets is needed and not installed.
        ValueError: see :func:`training.data.catalogue.catalogue`.
    """
    if _partitioned(folder):
        parts = {split: pd.read_parquet(folder / name) for split, name in PARTITIONS.items()}
    else:
        parts = partition(load(folder, train=True), load(folder, train=False))
        write(parts, folder)
    rows = pd.concat([part.assign(split=split) for split, part in parts.items()], ignore_index=True)
    if "uid" not in rows:
        rows["uid"] = rows["img_path"]
    rows["image"] = [str(folder / path) for path in rows["img_path"]]
    if task.classes and IRREGULAR not in task.classes:
        rows = rows[rows["label"] != IRREGULAR]
    return catalogue(rows, task)


def partition(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Divide galaxy-datasets' two catalogues into three splits (thesis, listings A.2 and A.4).

    Args:
        train: columns ``id_str``, ``img_path`` and ``summary``, in galaxy-datasets' order, on which the draw depends.
        test: likewise.

    Returns:
        By split the columns ``uid``, ``img_path`` and ``label``.
    """
    train, val = train_test_split(train, test_size=VALIDATION_SHARE, random_state=SEED, shuffle=True)
    return {
        split: pd.DataFrame(
            {
                "uid": part["id_str"].astype(str),
                "img_path": part["img_path"],
                "label": part["summary"].astype(object).fillna(IRREGULAR),
            }
        ).reset_index(drop=True)
        for split, part in (("train", train), ("val", val), ("test", test))
    }


def _partitioned(folder: Path) -> bool:
    paths = [folder / name for name in PARTITIONS.values()]
    return all(path.exists() and "img_path" in pyarrow.parquet.read_schema(path).names for path in paths)


def load(root: Path, *, train: bool, download: bool = False) -> pd.DataFrame:
    """One of galaxy-datasets' catalogues, with the paths of its images below ``root`` as ``img_path``.

    Args:
        root: galaxy-datasets' folder.
        train: which of the two.
        download: first fetch what is missing: both catalogues and all images.

    Raises:
        FileNotFoundError: the catalogue is not there, or could not be fetched.
        ModuleNotFoundError: galaxy-datasets is not installed.
    """
    try:
        from galaxy_datasets import gz2  # a large tree, wanted only here
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"reading Galaxy Zoo 2 for the first time needs galaxy-datasets ({error}): pip install 'cosmoformer[gz2]'"
        ) from error
    try:
        rows, _ = gz2(str(root), train, download)
    except FileNotFoundError as error:  # a download that fails is logged, not raised
        path = root / (TRAIN_CATALOGUE if train else TEST_CATALOGUE)
        how = "downloading it failed" if download else "python -m training.download_gz2 downloads it"
        raise FileNotFoundError(f"expected galaxy-datasets' catalogue {path}, found none: {how}") from error
    return rows.assign(img_path=[os.path.relpath(location, root) for location in rows["file_loc"]])


def write(parts: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write the partitions as :data:`PARTITIONS`, unless ``folder`` is read-only."""
    for split, part in parts.items():
        scratch = folder / f"{PARTITIONS[split]}.{os.getpid()}"  # processes that train together all come by here
        try:
            part.to_parquet(scratch, index=False)
            scratch.replace(folder / PARTITIONS[split])
        except OSError as error:  # a folder that many share may be read-only; the partitions can be made again
            logger.warning("the partitions of %s are not kept: %s", folder, error)
            return
