"""A model and a task in one small file each, as somebody would add them."""

from __future__ import annotations

from pathlib import Path

import training.models
import training.tasks

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


def add_toy_model(folder: Path) -> str:
    """Put a folder with the toy models' files (one has running statistics) where models are looked for; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toy.py").write_text(MODEL)
    (folder / "toy_with_statistics.py").write_text(WITH_STATISTICS)
    if str(folder) not in training.models.__path__:
        training.models.__path__.append(str(folder))
    return str(folder)
