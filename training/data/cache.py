"""Decode every image of a catalogue once, into a memory-mapped array of uint8 pixels.

Decoding a JPEG or WebP costs more than a training step on its pixels; a cache is decoded once and then read by the
operating system's page cache. All splits stand in one file, since an image must not stand in two of them; labels and targets are
taken from the catalogue each time, so that a corrected label costs no decoding.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from training.data.catalogue import Stored
from training.data.decoding import ORDER, Decoded, Skipped, decode_all, told
from training.tasks import Task

__all__ = ["ImageCache", "Skipped", "open_or_build"]

PIXELS, INDEX, LOCK = "pixels.u8", "index.json", "lock"


@dataclass(frozen=True)
class ImageCache:
    """Decoded images of one split.

    Attributes:
        pixels: uint8 (N, S, S, 3), RGB, memory-mapped.
        labels: int64 (N,), indices into ``classes``; -1 where a galaxy has no label.
        targets: float32 (N, T), the task's targets; NaN where nothing is known.
        uids: the N images' identifiers.
        classes: class names.
        version: 16 hexadecimal digits, a digest of every image's uid, split, label, targets and encoded file (or stored pixels).
        skipped: images that were left out: missing, broken, or standing in another split too.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    targets: NDArray[np.float32]
    uids: tuple[str, ...]
    classes: tuple[str, ...]
    version: str
    skipped: tuple[Skipped, ...]

    def images(self, rows: slice | NDArray[np.int64]) -> torch.Tensor:
        """The images of some rows, copied out of the map: uint8 (N, 3, S, S)."""
        return torch.from_numpy(np.array(self.pixels[rows])).permute(0, 3, 1, 2)

    def labelled(self) -> ImageCache:
        """Those with a label; the very same where all have one. The pixels of some are copied out of the map."""
        rows = np.flatnonzero(self.labels >= 0)
        if len(rows) == len(self.labels):
            return self
        uids = tuple(self.uids[row] for row in rows)
        version = hashlib.sha256(f"{self.version} labelled".encode()).hexdigest()[:16]
        return replace(
            self,
            pixels=self.pixels[rows],
            labels=self.labels[rows],
            targets=self.targets[rows],
            uids=uids,
            version=version,
        )


def open_or_build(table: pd.DataFrame, task: Task, size: int, folder: Path) -> dict[str, ImageCache]:
    """Open the cache in ``folder``, or decode the catalogue into it first.

    A cache that was interrupted while it was made, or made of other images, is made again. Processes that share a folder wait
    for each other.

    Args:
        table: a catalogue (see :mod:`training.data.catalogue`).
        task: names the targets, and the classes that ``labels`` index; without classes they are the catalogue's, sorted.
        size: side of the square images in pixels; others are resized with Lanczos, after the task's ``kept`` is cut out.
        folder: where the pixels and their index are kept.

    Returns:
        The cache of each split that the catalogue names.

    Raises:
        ValueError: no image can be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = _fingerprint(table, size, task.kept)
    with locked(folder / LOCK):
        decoded = _read_index(folder, wanted)
        if decoded is None:
            decoded = _build(table, size, task.kept, folder, wanted)
        pixels = np.memmap(folder / PIXELS, np.uint8, "r", shape=(len(decoded.rows), size, size, 3))
    return _splits(table, task, decoded, pixels)


def _splits(table: pd.DataFrame, task: Task, decoded: Decoded, pixels: NDArray[np.uint8]) -> dict[str, ImageCache]:
    classes = task.classes or tuple(sorted(set(table["label"].dropna())))
    kept = table.iloc[decoded.rows]
    position = {name: index for index, name in enumerate(classes)}
    caches, start = {}, 0
    for split in ORDER:
        rows = kept[kept["split"] == split]
        part = slice(start, start := start + len(rows))
        if split not in set(table["split"]):
            continue
        caches[split] = ImageCache(
            pixels=pixels[part],
            labels=np.array([position.get(label, -1) for label in rows["label"]], dtype=np.int64),
            targets=rows[list(task.targets)].to_numpy(np.float32),
            uids=tuple(rows["uid"]),
            classes=classes,
            version=_version(rows, task.targets, decoded.digests[part]),
            skipped=tuple(decoded.skipped[split]),
        )
    return caches


def _version(rows: pd.DataFrame, targets: tuple[str, ...], digests: list[str]) -> str:
    columns = zip(
        rows["uid"], rows["split"], rows["label"], rows[list(targets)].to_numpy().tolist(), digests, strict=True
    )
    lines = sorted(json.dumps(values) for values in columns)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _fingerprint(table: pd.DataFrame, size: int, kept: float) -> str:
    """What the pixels depend on. Files are known by path, size and time: reading them all would cost as much as decoding."""
    digest = hashlib.sha256(f"{size} {kept}\n".encode())
    for row, uid, split, image in zip(table.index, table["uid"], table["split"], table["image"], strict=True):
        digest.update(json.dumps([int(row), uid, split, _source(image)]).encode())
    return digest.hexdigest()


def _source(image: bytes | str | Stored | None) -> str:
    if isinstance(image, bytes):
        return hashlib.sha256(image).hexdigest()
    if isinstance(image, Stored):
        return _source(str(image.path))  # which row of it stands beside
    try:
        status = Path(str(image)).stat()
    except OSError:
        return f"{image} missing"
    return f"{image} {status.st_size} {status.st_mtime_ns}"


def _build(table: pd.DataFrame, size: int, kept: float, folder: Path, fingerprint: str) -> Decoded:
    index, scratch = folder / INDEX, folder / f"{PIXELS}.part"
    decoded = decode_all(table, size, kept, scratch)
    if not decoded.rows:
        scratch.unlink()
        skipped = [image for split in ORDER for image in decoded.skipped[split]]
        raise ValueError(f"none of {len(table)} images can be decoded: {told(skipped)}")
    # The index comes last and goes first: pixels that have one are whole. Who still reads the old ones keeps them.
    index.unlink(missing_ok=True)
    scratch.replace(folder / PIXELS)
    scratch = index.with_suffix(".part")
    scratch.write_text(json.dumps({"fingerprint": fingerprint, "size": size, **asdict(decoded)}))
    scratch.replace(index)
    return decoded


def _read_index(folder: Path, fingerprint: str) -> Decoded | None:
    """What the cache in ``folder`` holds, if that is what is wanted."""
    try:
        index = json.loads((folder / INDEX).read_text())
        size = (folder / PIXELS).stat().st_size
    except FileNotFoundError:
        return None
    if index.get("fingerprint") != fingerprint or size != len(index["rows"]) * index["size"] ** 2 * 3:
        return None
    skipped = {split: [Skipped(**image) for image in images] for split, images in index["skipped"].items()}
    return Decoded(index["rows"], index["digests"], skipped)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A block that one process at a time is in: the others wait."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
        yield
