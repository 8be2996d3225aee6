"""Operations of torchvision on a whole batch, where every image has its own parameter.

torchvision v2 gives one parameter to all images of a batch. Here a parameter is a tensor with one value an image, and nothing
loops over images. Each function agrees with its namesake in ``torchvision.transforms.v2.functional``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GREY = (0.2989, 0.587, 0.114)  # luma of ITU-R BT.601, in torchvision's rounding


def affine_matrices(
    rotation: Tensor, flip: Tensor, zoom: Tensor, crop_size: Tensor, crop_centre: Tensor, shift: Tensor
) -> Tensor:
    """Where in an image each point of its result is found, as ``torch.nn.functional.affine_grid`` takes it.

    The image is cropped, flipped, rotated, zoomed and shifted, in this order, as one map: to chain the operations would
    interpolate, and so lose detail, after each.

    Args:
        rotation: float (N,), radians, counter-clockwise.
        flip: float (N, 2), -1 to mirror and 1 to keep the horizontal and the vertical axis.
        zoom: float (N,), magnification.
        crop_size: float (N, 2), width and height of the crop, in sides of the image.
        crop_centre: float (N, 2), x and y of its centre; the image reaches from -1 to 1, y down.
        shift: float (N, 2), to the right and down, in sides of the image.

    Returns:
        Float (N, 2, 3).
    """
    cos, sin = rotation.cos(), rotation.sin()
    turn = torch.stack([cos, -sin, sin, cos], dim=1).view(-1, 2, 2)
    linear = turn * (crop_size * flip / zoom[:, None])[:, :, None]
    offset = crop_centre[:, :, None] - linear @ (2 * shift[:, :, None])
    return torch.cat([linear, offset], dim=2)


def resample(images: Tensor, matrices: Tensor) -> Tensor:
    """Images seen through affine maps: bilinear, and beyond the edge their reflection.

    Args:
        images: float (N, 3, S, S).
        matrices: float (N, 2, 3), see :func:`affine_matrices`.

    Returns:
        Float (N, 3, S, S); an image whose map is the identity comes back unchanged, bit for bit.
    """
    grid = F.affine_grid(matrices.to(images.dtype), list(images.shape), align_corners=False)
    seen = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    # The grid's own rounding would change an image that was not to be moved.
    unmoved = (matrices == torch.eye(2, 3, device=matrices.device)).flatten(1).all(dim=1)
    return torch.where(_each(unmoved), images, seen)


def gaussian_blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Convolve every image with its own Gaussian, beyond the edge with its reflection.

    Sums of shifted images instead of ``conv2d`` with a group an image: the number of images changes from batch to batch, for
    which cuDNN would look for an algorithm anew, and autocast would round the pixels.

    Args:
        images: float (N, 3, S, S).
        sigma: float (N,), pixels.
        radius: of the kernels, pixels; less than S.

    Returns:
        Float (N, 3, S, S).
    """
    taps = torch.arange(-radius, radius + 1, device=images.device)
    # The exponent stays finite at sigma = 0, whose kernel is the single pixel.
    weights = torch.softmax(-(taps**2) / (2 * sigma[:, None].clamp(min=1e-3) ** 2), dim=1).to(images.dtype)
    padded = F.pad(images, (radius, radius, radius, radius), mode="reflect")
    return _slide(_slide(padded, weights, dim=3), weights, dim=2)


def _slide(images: Tensor, weights: Tensor, dim: int) -> Tensor:
    size = images.shape[dim] - weights.shape[1] + 1
    total = images.narrow(dim, 0, size) * _each(weights[:, 0])
    for tap in range(1, weights.shape[1]):
        total.addcmul_(images.narrow(dim, tap, size), _each(weights[:, tap]))
    return total


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply float images (N, 3, S, S) in 0..1 by a factor (N,), or by one a channel (N, 3)."""
    return (images * _each(factor)).clamp_(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Blend float images (N, 3, S, S) in 0..1 with the mean of their grey; 0 leaves only it, 1 (N,) changes nothing."""
    mean = _grey(images).mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, _each(factor)).clamp_(0, 1)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Blend float images (N, 3, S, S) in 0..1 with their grey; 0 leaves only it, 1 (N,) changes nothing."""
    return torch.lerp(_grey(images), images, _each(factor)).clamp_(0, 1)


def adjust_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of float images (N, 3, S, S) in 0..1 by a part of the circle (N,), -0.5 to 0.5.

    The hexagonal model of Smith (1978), "Color gamut transform pairs". Value and chroma do not change, so that each channel
    follows from the turned hue alone.
    """
    red, green, blue = images.unbind(dim=1)
    value = images.amax(dim=1)
    chroma = value - images.amin(dim=1)
    divisor = torch.where(chroma > 0, chroma, 1.0)
    hue = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    # In sixths of the circle from where each channel begins to fall.
    start = torch.tensor([5.0, 3.0, 1.0], dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    place = ((hue[:, None] + 6 * _each(turn)) + start).remainder_(6)
    return value[:, None] - chroma[:, None] * torch.minimum(place, 4 - place).clamp_(0, 1)


def _grey(images: Tensor) -> Tensor:
    """The luma (N, 1, S, S) of images (N, 3, S, S)."""
    red = images[:, :1] * GREY[0]
    return red.add_(images[:, 1:2], alpha=GREY[1]).add_(images[:, 2:], alpha=GREY[2])


def _each(values: Tensor) -> Tensor:
    """Values (N,) or (N, 3) in the shape that meets images (N, 3, S, S)."""
    return values[(..., *[None] * (4 - values.dim()))]
