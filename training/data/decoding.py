"""Decode the images of a catalogue into one file of pixels.

An image looks as it would to the classify function: the same formats are read, turned and padded to a square by the same
code, and what that would reject is skipped here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from cosmoformer.cpus import cpu_limit
from cosmoformer.errors import ImageRejected
from cosmoformer.images.decoding import decode
from cosmoformer.images.picture import Limits
from cosmoformer.terminal import console, progress
from training.data.catalogue import Stored

#: An image that stands in two splits is kept in the one that comes first: a training set can spare it best.
ORDER = ("test", "val", "train")
LIMITS = Limits(image_bytes=2**30, image_pixels=2**28)
_CHUNK = 256  # images decoded ahead of the file: 38 MB at 224 pixels a side


@dataclass(frozen=True)
class Skipped:
    """An image that was left out.

    Attributes:
        uid: its identifier.
        row: its row in the source, counted from 0.
        reason: a sentence.
    """

    uid: str
    row: int
    reason: str


@dataclass(frozen=True)
class Decoded:
    """What stands in a file of pixels.

    Attributes:
        rows: position in the catalogue of each image in the file; first those of the test split, then val, then train.
        digests: SHA-256 of each encoded image, or of its pixels where they are stored as they are, hex.
        skipped: images that are not in the file, by split.
    """

    rows: list[int]
    digests: list[str]
    skipped: dict[str, list[Skipped]]


def decode_all(table: pd.DataFrame, size: int, kept: float, path: Path) -> Decoded:
    """Decode a catalogue's images, resize what is kept with Lanczos and write them one after another, uint8 (size, size, 3) each.

    Images that are missing or broken are skipped, and so are copies of an image that already stands in another split.
    """
    splits, uids = table["split"].tolist(), table["uid"].tolist()
    order = [row for split in ORDER for row in range(len(table)) if splits[row] == split]
    decoded = Decoded([], [], {split: [] for split in ORDER})
    first: dict[str, int] = {}  # of each digest, the row where it came first
    with path.open("wb") as file:
        for row, image in zip(order, _read_all(table["image"].tolist(), order, size, kept), strict=True):
            if isinstance(image, str):
                reason = image
            elif splits[same := first.setdefault(image.digest, row)] != splits[row]:
                reason = f"The same image stands in the {splits[same]} split, as {uids[same]}."
            else:
                file.write(image.pixels.data)
                decoded.rows.append(row)
                decoded.digests.append(image.digest)
                continue
            decoded.skipped[splits[row]].append(Skipped(uids[row], int(table.index[row]), reason))
    return decoded


@dataclass(frozen=True)
class _Image:
    digest: str
    pixels: NDArray[np.uint8]


def _read_all(
    images: Sequence[bytes | str | Stored | None], order: Sequence[int], size: int, kept: float
) -> Iterator[_Image | str]:
    """The images in an order, each as :func:`_read` gives it; how far it is shows on a terminal."""
    bar, show = progress(console(stderr=True), "decoding", len(order))
    with bar, ThreadPoolExecutor(cpu_limit()) as pool:  # Pillow decodes outside the interpreter's lock
        for start in range(0, len(order), _CHUNK):
            chunk = [images[row] for row in order[start : start + _CHUNK]]
            yield from pool.map(lambda image: _read(image, size, kept), chunk)
            show(start + len(chunk))


def _read(source: bytes | str | Stored | None, size: int, kept: float) -> _Image | str:
    """An image, or the reason why there is none."""
    if source is None:
        return "It has no image."
    try:
        if isinstance(source, Stored):
            pixels = source.pixels()
            content = pixels.tobytes()
        else:
            content = source if isinstance(source, bytes) else Path(source).read_bytes()
            pixels = decode(content, LIMITS).pixels
    except OSError as error:
        name = source.path if isinstance(source, Stored) else error.filename
        return f"{name} cannot be read: {error.strerror or error}."
    except ImageRejected as rejection:
        return rejection.detail
    picture = Image.fromarray(pixels)
    side = max(1, round(picture.width * kept))  # as the artifact cuts it out of an original
    start = (picture.width - side) // 2
    box = (start, start, start + side, start + side)
    resized = picture.resize((size, size), Image.Resampling.LANCZOS, box)
    return _Image(hashlib.sha256(content).hexdigest(), np.asarray(resized))


def told(skipped: Sequence[Skipped], named: int = 3) -> str:
    """Skipped images in words, the first few by name."""
    lines = [f"row {image.row} (uid {image.uid}): {image.reason}" for image in skipped[:named]]
    return " ".join([*lines, "..."] if len(skipped) > named else lines)
