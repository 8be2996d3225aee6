"""From the range of a telescope's file to what the eye, and the model, is used to.

A pixel value v becomes asinh(10 (v - b) / (w - b)) / asinh(10), clipped to 0..1, where b is the median (the sky) and w the 99.7th
percentile. Of three bands, each less its own sky, the mean is stretched, and all three are multiplied alike, so that colours stay
what they are (Lupton et al. 2004); where one would be above 1, all three are divided by it. What is not finite becomes sky.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosmoformer.errors import ImageRejected

SOFTENING = 10.0
WHITE_PERCENTILE = 99.7
HOT = 1e6  # times the median of what is brighter than the sky: no camera counts as far


def stretch(values: NDArray[np.float32], whole: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
    """The stretch of this module's docstring.

    Args:
        values: float (H, W) or (H, W, 3), in any unit.
        whole: of as many bands, the image that ``values`` are a part of; its sky and white count then.

    Raises:
        ImageRejected: no value of the whole is finite.
    """
    reference = values if whole is None else whole
    if not np.isfinite(reference).any():
        raise ImageRejected("no_picture", "No pixel of the FITS image has a finite value.")
    skies = [_sky(plane) for plane in _bands(reference)]
    light = _above(values, skies)
    mean = light.mean(axis=-1)
    white = _white(mean if whole is None else _above(whole, skies).mean(axis=-1))
    scaled = np.clip(mean / (white or 1.0), 0, 1)
    compressed = np.arcsinh(SOFTENING * scaled) / np.arcsinh(SOFTENING)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        colours = np.clip(light, 0, None) * np.where(mean > 0, compressed / mean, 0)[..., None]
    colours /= np.maximum(colours.max(axis=-1, keepdims=True), 1)
    pixels: NDArray[np.uint8] = np.round(np.nan_to_num(colours) * 255).astype(np.uint8)
    return pixels[..., 0] if values.ndim == 2 else pixels


def _bands(values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    planes = values[..., None] if values.ndim == 2 else values
    return [planes[..., place] for place in range(planes.shape[-1])]


def _sky(plane: NDArray[np.float32]) -> float:
    """The median of a band (H, W); 0 for one without a finite value."""
    finite = plane[np.isfinite(plane)]
    return float(np.median(finite)) if finite.size else 0.0


def _above(values: NDArray[np.float32], skies: Sequence[float]) -> NDArray[np.float64]:
    """Bands (H, W, C), each less its sky; what is not finite is that."""
    bands = zip(_bands(values), skies, strict=True)
    return np.stack(
        [np.nan_to_num(band.astype(np.float64), nan=sky, posinf=sky, neginf=sky) - sky for band, sky in bands], axis=-1
    )


def _white(mean: NDArray[np.float64]) -> float:
    white = float(np.percentile(mean, WHITE_PERCENTILE))
    return white if white > 0 else _brightest(mean)  # a few bright pixels on an empty sky


def _brightest(light: NDArray[np.float64]) -> float:
    """The greatest value but for hot pixels, which are out of all proportion; 0 where none is above the sky."""
    above = light[light > 0]
    return float(above[above <= HOT * np.median(above)].max()) if above.size else 0.0
