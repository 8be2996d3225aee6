"""Runs of seconds: a toy model that tells colours apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.training.galaxies import labelled_csv
from training.data.cache import ImageCache
from training.data.splits import open_splits
from training.loop import checkpoint
from training.loop.distributed import Place
from training.loop.job import Job
from training.loop.progress import Stop
from training.loop.recipe import Recipe
from training.loop.trainer import Trainer
from training.tasks import TASKS, Task

PLACE = Place(0, 1, torch.device("cpu"))
TASK = Task("colours", "label", ("red", "green", "blue"), questions=(("red_share", "other_share"),))


def coloured(count: int, seed: int, noise: float = 40.0) -> ImageCache:
    """Images whose class is their strongest colour; a third have no class, but votes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    pixels = random.normal(90, noise, (count, 16, 16, 3))
    pixels[np.arange(count), :, :, labels] += 40
    targets = np.stack([labels == 0, labels != 0], axis=1).astype(np.float32)
    if seed == 0:
        labels = np.where(np.arange(count) % 3, labels, -1)
    uids = tuple(f"{seed}-{index}" for index in range(count))
    return ImageCache(pixels.clip(0, 255).astype(np.uint8), labels, targets, uids, TASK.classes, f"version-{seed}", ())


def job(folder: Path, **changes: object) -> Job:
    fields: dict[str, object] = {
        "model": "toy",
        "image_size": 16,
        "epochs": 4,
        "batch_size": 8,
        "learning_rate": 0.02,
        "dropout": 0.2,
        "target_weight": 1.0,
    }
    recipe = Recipe(**(fields | changes))  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    return Job(recipe, TASK, coloured(96, 0), coloured(60, 1), folder, PLACE)


def ordered_run(folder: Path, classes: tuple[str, ...], labels: dict[str, str]) -> tuple[Path, Path]:
    """A finished run of the task ``own`` whose classes stand in this order: its checkpoint, and the CSV file of its galaxies."""
    table = labelled_csv(folder, labels)
    splits = open_splits(TASKS["own"], table, folder / "cache", 16, ("train", "val"), classes)
    recipe = Recipe(model="toy", task="own", image_size=16, epochs=1, batch_size=4, foreign_pictures=0)
    place = folder / "run"
    place.mkdir()
    job = Job(recipe, TASKS["own"].with_classes(classes), splits["train"], splits["val"], place, PLACE)
    Trainer(job).fit(Stop())
    return place / checkpoint.NAME, table
