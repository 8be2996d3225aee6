"""A folder for each class: ``<class>/<image>``, or ``train/<class>/<image>`` and likewise for ``val`` and ``test``.

Folders below a class's are the class's too.

An image's identifier is its path below the folder. Only files with an image's suffix are taken.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cosmoformer.images.formats import has_image_suffix
from training.data.catalogue import SPLITS, catalogue
from training.tasks import Task


def read(folder: Path, task: Task) -> pd.DataFrame:
    """Read the images below ``folder``, in the order of their paths, as a catalogue.

    Raises:
        FileNotFoundError: there is no image where one is looked for.
        ValueError: folders of splits stand beside others, or see :func:`training.data.catalogue.catalogue`.
    """
    names = {path.name for path in _below(folder)}
    if split_names := names & set(SPLITS):
        if others := names - set(SPLITS):
            raise ValueError(
                f"{folder} has folders of splits, {sorted(split_names)}, beside others, {sorted(others)}: "
                "put every class below its split"
            )
        found = [(path, label, split) for split in sorted(split_names) for path, label in _images(folder / split)]
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
    files = ((path, label.name) for label in _below(folder) for path in sorted(label.rglob("*")))
    return [
        (path, label)
        for path, label in files
        if has_image_suffix(path.name) and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
