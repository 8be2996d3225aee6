"""A model and a task in one small file each, as somebody would add them."""

from __future__ import annotations

from pathlib import Path

import torch

import training.models
import training.tasks
from training.data.cache import ImageCache
from training.export import export
from training.loop.recipe import Recipe
from training.tasks import Task

MODEL = '''
"""A toy: average colours, and a linear layer on them."""

from torch import nn

from training.models import Model


def build(outputs, image_size, *, drop_path=0.0, dropout=0.0):
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 48), nn.Dropout(dropout), nn.Linear(48, outputs))


MODEL = Model("toy", (), build, lambda model: model)
'''

WITH_STATISTICS = MODEL.replace("nn.AdaptiveAvgPool2d(4)", "nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(4)").replace(
    '"toy"', '"toy_with_statistics"'
)
WITHOUT_LAST_LAYER = MODEL.replace(
    "nn.Linear(48, outputs)", "nn.Unflatten(1, (48, 1, 1)), nn.Conv2d(48, outputs, 1), nn.Flatten()"
).replace('"toy"', '"toy_without_last_layer"')


def add_toy_model(folder: Path) -> str:
    """Put a folder with the toy models' files where models are looked for: plain, with statistics, without a last layer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toy.py").write_text(MODEL)
    (folder / "toy_with_statistics.py").write_text(WITH_STATISTICS)
    (folder / "toy_without_last_layer.py").write_text(WITHOUT_LAST_LAYER)
    if str(folder) not in training.models.__path__:
        training.models.__path__.append(str(folder))
    return str(folder)


def toy_artifact(task: Task, val: ImageCache, run: str, seed: int = 0) -> bytes:
    """An artifact of the toy model with random weights, which tells votes if the task has any, calibrated on a split."""
    torch.manual_seed(seed)
    side = val.pixels.shape[1]
    weights = training.models.find("toy").build(task.outputs, side).state_dict()
    return export(
        weights, Recipe(model="toy", task=task.name, image_size=side, target_weight=1.0), task, val, run, "data"
    )
