"""Whether the galaxies of a training split tell classes apart."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from training.data.cache import ImageCache

_log = logging.getLogger(__name__)


def check_classes(train: ImageCache, data: Path, *, labels_alone: bool) -> None:
    """Log the classes of a training split with how many galaxies each has, and refuse what cannot be told apart.

    Args:
        train: the split of a task with classes.
        data: where it was read from.
        labels_alone: whether nothing else teaches: neither votes nor teachers.

    Raises:
        ValueError: there are fewer than two classes, or labels alone teach and all are one class's.
    """
    counts = [int((train.labels == number).sum()) for number in range(len(train.classes))]
    told = ", ".join(f"{name} ({count:,})" for name, count in zip(train.classes, counts, strict=True))
    _log.info("classes, with their galaxies in the training split: %s", told)
    if len(train.classes) < 2 or (labels_alone and np.count_nonzero(counts) < 2):
        raise ValueError(
            f"expected galaxies of two or more classes to learn from in {data}, found in its training split {told or 'none'}; "
            "where classes are folders, name the folder that these stand in"
        )
