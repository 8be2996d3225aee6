"""Augmentation of whole batches on the training device.

A galaxy has no up: any rotation and reflection of it is as likely as it was. Framing, seeing and exposure vary between
images, within the limits below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# SDSS galaxies of Galaxy Zoo, as the statistics of the training set (RGB in 0..1); shared by training and export.
MEAN = (0.060, 0.054, 0.040)
STD = (0.107, 0.090, 0.077)


@dataclass(frozen=True)
class Augmentation:
    """How far each property may vary.

    Attributes:
        zoom: largest relative change of scale, up or down.
        shift: largest shift, in fractions of the image's side.
        brightness: largest relative change of brightness.
        colour: largest relative change of one colour channel against the others.
        noise: largest standard deviation of added Gaussian noise, in units of full scale.
    """

    zoom: float = 0.15
    shift: float = 0.03
    brightness: float = 0.2
    colour: float = 0.08
    noise: float = 0.01

    def __call__(self, images: Tensor) -> Tensor:
        """Augment images: float (N, 3, S, S) in 0..1 in, the same out."""
        images = F.grid_sample(
            images, self._grid(images), mode="bilinear", padding_mode="reflection", align_corners=False
        )
        gain = 1 + self.brightness * _uniform(images, 1) + self.colour * _uniform(images, 3)
        sigma = self.noise * torch.rand(len(images), 1, 1, 1, device=images.device)
        return (images * gain + sigma * torch.randn_like(images)).clamp_(0, 1)

    def _grid(self, images: Tensor) -> Tensor:
        count, device = len(images), images.device
        angle = 2 * math.pi * torch.rand(count, device=device)
        scale = torch.exp(math.log1p(self.zoom) * (2 * torch.rand(count, device=device) - 1))
        mirror = torch.where(torch.rand(count, device=device) < 0.5, -1.0, 1.0)
        cos, sin = scale * angle.cos(), scale * angle.sin()
        shift = 2 * self.shift * (2 * torch.rand(count, 2, device=device) - 1)
        rows = torch.stack([mirror * cos, -sin, shift[:, 0], mirror * sin, cos, shift[:, 1]], dim=1)
        return F.affine_grid(rows.view(count, 2, 3), list(images.shape), align_corners=False)


def _uniform(images: Tensor, channels: int) -> Tensor:
    return 2 * torch.rand(len(images), channels, 1, 1, device=images.device) - 1


def normalise(images: Tensor) -> Tensor:
    """Scale float images (N, 3, S, S) in 0..1 to zero mean and unit variance over the training set."""
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, 3, 1, 1)
    return (images - mean) / std
