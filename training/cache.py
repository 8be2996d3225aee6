"""Decode every image of a catalogue once, into a memory-mapped array of uint8 pixels.

Decoding a JPEG or WebP costs more than a training step on its pixels; a cache is decoded once and then read by the
operating system's page cache.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class ImageCache:
    """Decoded images of one split.

    Attributes:
        pixels: uint8 (N, S, S, 3), RGB, memory-mapped.
        labels: int64 (N,), indices into ``classes``.
        uids: the N galaxies' identifiers.
        classes: class names.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    uids: tuple[str, ...]
    classes: tuple[str, ...]

    def images(self, rows: slice | NDArray[np.int64]) -> torch.Tensor:
        """The images of some rows, copied out of the map: uint8 (N, 3, S, S)."""
        return torch.from_numpy(np.array(self.pixels[rows])).permute(0, 3, 1, 2)


def open_or_build(table: pd.DataFrame, classes: Sequence[str], size: int, folder: Path) -> ImageCache:
    """Open the cache in ``folder``, or decode ``table`` into it first.

    Args:
        table: a catalogue (see :mod:`training.catalogue`).
        classes: the order of class names that ``labels`` will index.
        size: side of the square images in pixels; others are resized with Lanczos.
        folder: where ``pixels.npy`` and ``index.json`` are kept.
    """
    index_path = folder / "index.json"
    wanted = {"size": size, "classes": list(classes), "uids": table["uid"].tolist(), "labels": table["label"].tolist()}
    if not index_path.exists() or json.loads(index_path.read_text()) != wanted:
        _build(table, size, folder)
        index_path.write_text(json.dumps(wanted))
    position = {name: index for index, name in enumerate(classes)}
    return ImageCache(
        pixels=np.load(folder / "pixels.npy", mmap_mode="r"),
        labels=np.array([position[label] for label in table["label"]], dtype=np.int64),
        uids=tuple(table["uid"]),
        classes=tuple(classes),
    )


def _build(table: pd.DataFrame, size: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").unlink(missing_ok=True)
    pixels = np.lib.format.open_memmap(
        folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=(len(table), size, size, 3)
    )

    def decode(row: int) -> None:
        try:
            with Image.open(io.BytesIO(table["image"].iloc[row])) as image:
                pixels[row] = np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))
        except OSError as error:
            raise ValueError(
                f"row {row} (uid {table['uid'].iloc[row]}): its image cannot be decoded: {error}"
            ) from error

    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter's lock
        list(pool.map(decode, range(len(table))))
    pixels.flush()
