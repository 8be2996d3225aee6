"""Augmentation of whole batches on the training device.

A galaxy has no up: any rotation and reflection of it is as likely as it was. Framing, seeing and exposure vary between
images, within limits that are data: the tables in ``presets/``, one for each paper, or a recipe's own.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cosmoformer.errors import SettingsError
from training.augmentation import image_operations as operations

# SDSS galaxies of Galaxy Zoo, as the statistics of the training set (RGB in 0..1); shared by training and export.
MEAN = (0.060, 0.054, 0.040)
STD = (0.107, 0.090, 0.077)

Range = tuple[float, float]

FOLDER = Path(__file__).with_name("presets")
#: Names that :func:`preset` knows.
PRESETS = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))

_GEOMETRY = ("rotation", "horizontal_flip", "vertical_flip", "zoom", "crop_scale", "crop_ratio", "shift")
_LARGEST = {"rotation": 180.0, "hue": 0.5, "zoom": 100.0, "crop_ratio": 100.0}  # all others: 1


@dataclass(frozen=True)
class Augmentation:
    """How far each property may vary; every image of a batch has its own draw, and by default nothing varies.

    Lengths are fractions of the image's side, so that a table means the same at every size. Crop, flips, rotation, zoom and
    shift are one resampling, in this order; blur, brightness and colour, contrast, saturation, hue and noise follow.

    Attributes:
        rotation: largest angle either way, degrees; 180 is any rotation.
        horizontal_flip: chance to swap left and right.
        vertical_flip: chance to swap top and bottom.
        zoom: least and most magnification about the centre; its logarithm is uniform.
        crop_scale: least and most area of a crop that is stretched to the whole image, as fractions of it
            (``torchvision.transforms.v2.RandomResizedCrop``).
        crop_ratio: least and most width over height of that crop; its logarithm is uniform. The range holds 1, and a crop
            keeps to the ratios with which it fits in the image.
        shift: largest shift along each axis.
        blur_chance: chance to be blurred.
        blur_sigma: least and most standard deviation of the blur.
        brightness: largest change of the factor of the brightness, about 1.
        contrast: largest change of the factor of the contrast, about 1.
        saturation: largest change of the factor of the saturation, about 1.
        hue: largest turn of the hue either way, as part of the circle.
        colour: largest change of the factor of each channel, about 1.
        noise: largest standard deviation of added Gaussian noise, in units of full scale.

    Raises:
        SettingsError: a value is outside what it can mean.
    """

    rotation: float = 0.0
    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    zoom: Range = (1.0, 1.0)
    crop_scale: Range = (1.0, 1.0)
    crop_ratio: Range = (1.0, 1.0)
    shift: float = 0.0
    blur_chance: float = 0.0
    blur_sigma: Range = (0.0, 0.0)
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    colour: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name))

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Augmentation:
        """Read a TOML table whose keys are attributes; a range is an array of two numbers.

        Raises:
            SettingsError: a key is unknown, or a value is not what its key takes.
        """
        defaults = {field.name: field.default for field in fields(cls)}
        unknown = sorted(set(table) - set(defaults))
        if unknown:
            raise SettingsError(
                f"augmentation has no {', '.join(map(repr, unknown))}", f"Allowed are {', '.join(defaults)}"
            )
        values: dict[str, Any] = {
            key: _read(key, value, isinstance(defaults[key], tuple)) for key, value in table.items()
        }
        return cls(**values)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Augment a batch.

        Args:
            images: float (N, 3, S, S) in 0..1; left as they are.
            generator: source of all randomness, on the images' device.

        Returns:
            Float (N, 3, S, S) in 0..1, on the same device; ``images`` itself where nothing varies.
        """
        if (
            not images.is_floating_point()
            or images.dim() != 4
            or images.shape[1:] != (3, images.shape[3], images.shape[3])
        ):
            raise ValueError(f"expected float images (N, 3, S, S), got {images.dtype} {tuple(images.shape)}")
        draw = _Draw(len(images), images.device, generator)
        if any(getattr(self, name) != getattr(Augmentation, name) for name in _GEOMETRY):
            images = operations.resample(images, self._maps(draw))
        if self.blur_chance and self.blur_sigma[1]:
            images = self._blur(images, draw)
        images = self._jitter(images, draw)
        if self.noise:
            sigma = draw.uniform(0, self.noise).view(-1, 1, 1, 1).to(images.dtype)
            # torch.randn_like takes no generator.
            grain = torch.randn(images.shape, generator=generator, dtype=images.dtype, device=images.device)
            images = grain.mul_(sigma).add_(images).clamp_(0, 1)
        return images

    def _maps(self, draw: _Draw) -> Tensor:
        scale = draw.uniform(*self.crop_scale)
        # A crop of this area fits in the image with ratios between the area and its inverse.
        ratio = draw.log_uniform(scale.clamp(min=self.crop_ratio[0]), (1 / scale).clamp(max=self.crop_ratio[1]))
        crop_size = torch.stack([(scale * ratio).sqrt(), (scale / ratio).sqrt()], dim=1)
        return operations.affine_matrices(
            rotation=draw.uniform(-math.radians(self.rotation), math.radians(self.rotation)),
            flip=torch.stack([1.0 - 2.0 * draw.happens(p) for p in (self.horizontal_flip, self.vertical_flip)], dim=1),
            zoom=draw.log_uniform(*self.zoom),
            crop_size=crop_size,
            crop_centre=(1 - crop_size) * torch.stack([draw.uniform(-1, 1), draw.uniform(-1, 1)], dim=1),
            shift=torch.stack([draw.uniform(-self.shift, self.shift), draw.uniform(-self.shift, self.shift)], dim=1),
        )

    def _blur(self, images: Tensor, draw: _Draw) -> Tensor:
        side = images.shape[3]
        rows = draw.happens(self.blur_chance).nonzero().flatten()
        sigma = side * draw.uniform(*self.blur_sigma)[rows]
        radius = min(math.ceil(3 * side * self.blur_sigma[1]), side - 1)
        return images.index_copy(0, rows, operations.gaussian_blur(images[rows], sigma, radius))

    def _jitter(self, images: Tensor, draw: _Draw) -> Tensor:
        # torchvision's ColorJitter shuffles these; one order for the whole batch keeps it whole.
        if self.brightness or self.colour:
            channels = torch.stack([draw.about_one(self.colour) for _ in range(3)], dim=1)
            factor = draw.about_one(self.brightness)[:, None] * channels
            images = operations.adjust_brightness(images, factor.to(images.dtype))
        if self.contrast:
            images = operations.adjust_contrast(images, draw.about_one(self.contrast).to(images.dtype))
        if self.saturation:
            images = operations.adjust_saturation(images, draw.about_one(self.saturation).to(images.dtype))
        if self.hue:
            images = operations.adjust_hue(images, draw.uniform(-self.hue, self.hue).to(images.dtype))
        return images


def preset(name: str) -> Augmentation:
    """The augmentation of ``presets/<name>.toml``.

    Raises:
        SettingsError: there is no such table.
    """
    if name not in PRESETS:
        raise SettingsError(f"unknown augmentation {name!r}", f"There are {', '.join(PRESETS)}")
    return Augmentation.from_table(tomllib.loads((FOLDER / f"{name}.toml").read_text()))


def scaled(images: Tensor, side: int) -> Tensor:
    """Float images (N, 3, side, side) in 0..1 of uint8 images (N, 3, S, S), on their device."""
    return resized(images.float() / 255, side)


def resized(images: Tensor, side: int) -> Tensor:
    """Float images (N, 3, side, side) of others (N, 3, S, S); those that have the side already come back themselves."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=[side, side], mode="bilinear", antialias=True, align_corners=False)


def normalise(images: Tensor) -> Tensor:
    """Scale float images (N, 3, S, S) in 0..1 to zero mean and unit variance over the training set."""
    mean, std = _statistics(images.device)
    return (images - mean) / std


@cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    # Kept: to bring numbers to a GPU waits for all that it is doing.
    return torch.tensor(MEAN, device=device).view(1, 3, 1, 1), torch.tensor(STD, device=device).view(1, 3, 1, 1)


@dataclass(frozen=True)
class _Draw:
    """Random numbers of a batch, one an image: float32 (N,)."""

    count: int
    device: torch.device
    generator: torch.Generator

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.count, generator=self.generator, device=self.device)

    def log_uniform(self, low: float | Tensor, high: float | Tensor) -> Tensor:
        return low * (high / low) ** self.uniform(0, 1)

    def about_one(self, change: float) -> Tensor:
        return self.uniform(1 - change, 1 + change)

    def happens(self, chance: float) -> Tensor:
        return self.uniform(0, 1) < chance


def _read(name: str, value: Any, is_range: bool) -> float | Range:
    numbers = value if is_range and isinstance(value, list | tuple) else [value]
    if len(numbers) != 1 + is_range or any(type(number) not in (int, float) for number in numbers):
        wanted = "an array of two numbers" if is_range else "a number"
        raise SettingsError(f"augmentation {name!r} is {wanted}, got {value!r}")
    return (float(numbers[0]), float(numbers[1])) if is_range else float(numbers[0])


def _check(name: str, value: float | Range) -> None:
    low, high = value if isinstance(value, tuple) else (0.0, value)
    largest = _LARGEST.get(name, 1.0)
    if not 0 <= low <= high <= largest:
        raise SettingsError(f"augmentation {name!r} must be from 0 to {largest:g}, the smaller first, got {value}")
    if name in ("zoom", "crop_scale", "crop_ratio") and low == 0:
        raise SettingsError(f"augmentation {name!r} must be above 0, got {value}")
    if name == "crop_ratio" and not low <= 1 <= high:
        raise SettingsError(f"augmentation {name!r} must hold 1, got {value}")
