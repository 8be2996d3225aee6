"""Predictions of a model for a whole split."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.augmentation.augment import normalise
from training.data.cache import ImageCache
from training.tasks import Task

_BATCHES = {"cuda": 512}
_BATCH = 64  # on other devices


@torch.no_grad()  # not inference mode: calibration differentiates through what comes out
def outputs_of(model: nn.Module, cache: ImageCache, device: torch.device) -> Tensor:
    """What a model gives for every image of a split: float32 (N, outputs), on the CPU."""
    size = _BATCHES.get(device.type, _BATCH)
    parts = [
        model(normalise(cache.images(slice(start, start + size)).to(device).float() / 255)).float().cpu()
        for start in range(0, len(cache.labels), size)
    ]
    return torch.cat(parts)


def predict(model: nn.Module, task: Task, cache: ImageCache, device: torch.device) -> NDArray[np.float64]:
    """A task's predictions for a split, float64 (N, ...)."""
    predictions: NDArray[np.float64] = task.predictions(outputs_of(model, cache, device)).double().numpy()
    return predictions
