"""A folder for each class: ``<class>/<image>``, or ``train/<class>/<image>`` and likewise for ``val`` and ``test``, under these
names or others that are usual (:func:`training.data.catalogue.split_named`).

Folders below a class's are the class's too.

An image's identifier is its path below the folder. Only files with an image's suffix are taken.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from cosmoformer.images.formats import has_image_suffix
from training.data.catalogue import catalogue, split_named
from training.tasks import Task

logger = logging.getLogger(__name__)


def read(folder: Path, task: Task) -> pd.DataFrame:
    """Read the images below ``folder``, in the order of their paths, as a catalogue.

    Raises:
        FileNotFoundError: there is no image where one is looked for.
        ValueError: folders of splits stand beside others, or see :func:`training.data.catalogue.catalogue`.
    """
    below = _below(folder)
    splits = {path: split for path in below if (split := split_named(path.name))}
    if splits:
        if others := sorted(path.name for path in below if path not in splits):
            raise ValueError(
                f"{folder} has folders of splits, {sorted(path.name for path in splits)}, beside others, {others}: "
                "put every class below its split"
            )
        found = [(path, label, split) for place, split in splits.items() for path, label in _images(place)]
        rows = pd.DataFrame(found, columns=["path", "label", "split"])
    else:
        rows = pd.DataFrame(_images(folder), columns=["path", "label"])
    if rows.empty:
        raise FileNotFoundError(f"expected images in a folder for each class below {folder}, found none")
    rows["uid"] = [path.relative_to(folder).as_posix() for path in rows["path"]]
    rows["image"] = [str(path) for path in rows["path"]]
    return catalogue(rows, task)


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[tuple[Path, str]]:
    """Images with the class that each shows: the folder that they stand in, at whatever depth."""
    found: list[tuple[Path, str]] = []
    for label in _below(folder):
        images = [path for path in sorted(label.rglob("*")) if _is_image(path, folder)]
        if not images:
            logger.warning("no image stands in %s, so no galaxy has that class there", label)
        found += [(path, label.name) for path in images]
    return found


def _is_image(path: Path, folder: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return has_image_suffix(path.name) and not is_hidden
