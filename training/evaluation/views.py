"""The same galaxies seen otherwise: turned, mirrored, or through noise. Predictions should be the same for all of them.

A change takes uint8 images (n, 3, S, S) and the rows (n,) of the cache that they come from, and gives uint8 images of the same
shape on the same device.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.augmentation.image_operations import affine_matrices, resample
from training.augmentation.views import angles

ROTATIONS = tuple(range(0, 360, 30))  # degrees, at which robustness is measured
NOISES = (0.0, 0.01, 0.02, 0.05, 0.1)  # standard deviations, in units of full scale
_NOISE_SEED = 0

Change = Callable[[Tensor, NDArray[np.int64]], Tensor]


def unchanged(images: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """The images as they are."""
    return images


def turned(degrees: float, *, mirrored: bool = False) -> Change:
    """Images that are mirrored left to right, if wanted, and then turned counter-clockwise about their centre.

    Multiples of 90 degrees move pixels and change none. Others are resampled (bilinear, beyond the edge the reflection).
    """
    quarters, rest = divmod(degrees, 90)

    def change(images: Tensor, rows: NDArray[np.int64]) -> Tensor:
        images = images.flip(3) if mirrored else images
        images = torch.rot90(images, int(quarters), (2, 3))
        return _resampled(images, rest) if rest else images

    return change


def _resampled(images: Tensor, degrees: float) -> Tensor:
    count, device = len(images), images.device
    one, zero = torch.ones(count, 2, device=device), torch.zeros(count, 2, device=device)
    angle = torch.full((count,), math.radians(degrees), device=device)
    matrices = affine_matrices(angle, flip=one, zoom=one[:, 0], crop_size=one, crop_centre=zero, shift=zero)
    return _as_bytes(resample(images.float(), matrices))


def noisy(sigma: float) -> Change:
    """Images with Gaussian noise.

    Every row has noise of its own, the same at every ``sigma`` and on every device, so that accuracies differ by its strength
    alone.

    Args:
        sigma: its standard deviation, in units of full scale (255).
    """

    def change(images: Tensor, rows: NDArray[np.int64]) -> Tensor:
        if not sigma:
            return images
        shape = tuple(images.shape[1:])
        drawn = [np.random.default_rng((_NOISE_SEED, int(row))).standard_normal(shape, np.float32) for row in rows]
        noise = torch.from_numpy(np.stack(drawn)).to(images.device)
        return _as_bytes(images.float() + 255 * sigma * noise)

    return change


def views(count: int) -> list[Change]:
    """The views of test-time augmentation: ``count / 2`` equally spaced rotations, each as it is and mirrored.

    Raises:
        ValueError: ``count`` is no even number above 0.
    """
    return [turned(degrees, mirrored=mirrored) for degrees, mirrored in angles(count)]


def _as_bytes(images: Tensor) -> Tensor:
    return images.round().clamp(0, 255).to(torch.uint8)
