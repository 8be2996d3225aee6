"""A table of what a model said of each galaxy, as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.cache import ImageCache


def write_predictions(
    path: Path, cache: ImageCache, predictions: NDArray[np.float64], names: Sequence[str] = ()
) -> None:
    """Write a CSV file with a row for each galaxy: uid, label, predicted class and the classes' probabilities.

    Where there are no classes, the other outputs stand behind the uid, under these names.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if not cache.classes:
            rows.writerow(["uid", *names])
            rows.writerows(
                [uid, *(f"{one:.6f}" for one in found)] for uid, found in zip(cache.uids, predictions, strict=True)
            )
            return
        rows.writerow(["uid", "label", "predicted", *(f"p_{name}" for name in cache.classes)])
        for uid, label, found in zip(cache.uids, cache.labels, predictions, strict=True):
            shares = [f"{share:.6f}" for share in found]
            rows.writerow([uid, cache.classes[label], cache.classes[int(found.argmax())], *shares])
