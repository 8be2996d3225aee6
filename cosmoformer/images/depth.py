"""From 16 and more bits a pixel, or floating point, to 8."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEP = 257  # of 65,535 to one of 255
_LEAST_LEVELS = 8  # of grey; a picture of fewer is shown by its own range
_TAIL_PERCENT = 0.1
_REACH = (
    10.0  # times the range of all but the tails: how far beyond them a value may be and still be part of the picture
)


def to_8_bit(values: NDArray[np.generic]) -> tuple[NDArray[np.uint8], str]:
    """Grey values as 8 bits, and how that is noted in a result.

    16-bit integers are scaled by their full range, so that faint stays faint, unless hardly a level would be left; wider integers
    and floating point by their own. What is not finite is black.

    Args:
        values: (H, W), of any kind of number, in either byte order.
    """
    unsigned_16 = values.dtype.kind == "u" and values.dtype.itemsize == 2
    if unsigned_16 or (values.dtype.kind == "i" and values.min() >= 0 and 255 < values.max() < 65536):
        if values.max() >= _LEAST_LEVELS * _STEP:
            return np.round(values.astype(np.float32) / _STEP).astype(np.uint8), "scaled_to_8_bit"
        return _by_own_range(values), "scaled_by_own_range"
    return _by_own_range(values), "scaled_to_8_bit"


def _by_own_range(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    wide = values.astype(np.float64)
    finite = np.isfinite(wide)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = _range(wide[finite])
    wide[~finite] = low
    return np.round((np.clip(wide, low, high) - low) / (high - low or 1.0) * 255).astype(np.uint8)


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    """Least and greatest value, but for hot and dead pixels, which are out of all proportion to the others."""
    low, high = (float(edge) for edge in np.percentile(values, (_TAIL_PERCENT, 100 - _TAIL_PERCENT)))
    reach = _REACH * (high - low)
    if reach == 0:  # a few pixels on an even ground: their own distances from it are the measure
        distances = np.abs(values - low)
        reach = _REACH**3 * float(np.median(distances[distances > 0])) if distances.any() else 0.0
    within = values[(values >= low - reach) & (values <= high + reach)]
    return float(within.min()), float(within.max())
