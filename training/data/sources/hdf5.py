"""An HDF5 file in the layout of Galaxy10 DECaLS, ``Galaxy10_DECals.h5`` (Leung & Bovy; 17,736 galaxies).

It has the data sets ``images``, uint8 (N, S, S, 3), the task's ``numbers`` (``ans``: each galaxy's class by its place among the
task's), and ``ra`` and ``dec``, degrees. Nothing is made of ``pxscale``, arcseconds a pixel. A galaxy is known by its place in
the sky, so that two images of one never stand in two splits; an image by its row.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.data.catalogue import catalogue
from training.tasks import Task

SUFFIXES = (".h5", ".hdf5")
IMAGES, PLACE = "images", ("ra", "dec")
_FEWEST_ROWS = 64  # that are read at once


def read(path: Path, task: Task) -> pd.DataFrame:
    """Read the file at ``path`` as a catalogue; its images stay there until they are decoded.

    Raises:
        ValueError: it is no HDF5 file, lacks a data set or has another one than the layout's, the task has no such file, or see
            :func:`training.data.catalogue.catalogue`.
    """
    if not task.numbers:
        raise ValueError(
            f"{path} has its classes as numbers, and the task {task.name} has none: take the task galaxy10"
        )
    try:
        with h5py.File(path) as file:
            _check(path, file, task)
            numbers, ra, dec = (np.asarray(file[name]) for name in (task.numbers, *PLACE))
    except OSError as error:
        raise ValueError(f"{path} is no HDF5 file: {error}") from None
    if len(wrong := np.flatnonzero((numbers < 0) | (numbers >= len(task.classes)))):
        raise ValueError(
            f"{path} has the class {numbers[wrong[0]]} in row {wrong[0]}; the task {task.name} has 0 to {len(task.classes) - 1}"
        )
    stack = _Stack(path)
    rows = {
        "uid": [f"row-{row:05}" for row in range(len(numbers))],
        "galaxy": [f"{east:.5f}{north:+.5f}" for east, north in zip(ra, dec, strict=True)],
        "label": [task.classes[number] for number in numbers],
        "image": [StoredImage(stack, row) for row in range(len(numbers))],
    }
    return catalogue(pd.DataFrame(rows), task)


def _check(path: Path, file: Mapping[str, Any], task: Task) -> None:
    needed = (IMAGES, task.numbers, *PLACE)
    if missing := [name for name in needed if name not in file]:
        raise ValueError(f"{path} has no data sets {missing}; expected {', '.join(needed)}, it has {sorted(file)}")
    images = file[IMAGES]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (images.shape[1], images.shape[1], 3):
        raise ValueError(f"{path}: expected images of uint8 (N, S, S, 3), got {images.dtype} {images.shape}")
    lengths = {name: len(file[name]) for name in needed}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{path}: expected data sets of one length, got {lengths}")


@dataclass
class _Stack:
    """The images of a file. A part as long as the file's chunks is kept: an image by itself would cost as much."""

    path: Path
    _start: int = 0
    _part: NDArray[np.uint8] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def image(self, row: int) -> NDArray[np.uint8]:
        with self._lock:
            if self._part is None or not self._start <= row < self._start + len(self._part):
                self._load(row)
            assert self._part is not None
            image: NDArray[np.uint8] = self._part[row - self._start]
            return image

    def _load(self, row: int) -> None:
        with h5py.File(self.path) as file:
            images = file[IMAGES]
            step = max(_FEWEST_ROWS, images.chunks[0] if images.chunks else 0)
            self._start = row - row % step
            self._part = np.asarray(images[self._start : self._start + step])


@dataclass(frozen=True)
class StoredImage:
    """A decoded image in a file of many (see :class:`training.data.catalogue.Stored`)."""

    stack: _Stack
    row: int

    @property
    def path(self) -> Path:
        """The file."""
        return self.stack.path

    def pixels(self) -> NDArray[np.uint8]:
        """The image, uint8 (S, S, 3).

        Raises:
            OSError: it cannot be read.
        """
        return self.stack.image(self.row)
