"""Heat maps over pictures: what spoke for an answer in orange, what spoke against it in blue.

The two are those of Okabe and Ito's palette, which people with any kind of colour vision tell apart, and the picture below is
grey, so that colour means nothing else.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 448  # pixels
_FOR, _AGAINST = (230, 159, 0), (0, 114, 178)
_STRONGEST = 0.75  # opacity


def heat_map(pixels: NDArray[np.uint8], weights: NDArray[np.float32], crop: float) -> bytes:
    """A PNG, :data:`SIDE` pixels a side, of the part of a picture that a model looks at.

    Args:
        pixels: uint8 (S, S, 3), the whole picture.
        weights: float32 (G, G), from -1 to 1, of that part, rows from top to bottom.
        crop: side of that part, as a share of the picture's.
    """
    side = len(pixels)
    keep = max(1, round(side * crop))
    start = (side - keep) // 2
    part = Image.fromarray(pixels[start : start + keep, start : start + keep])
    grey = np.asarray(_at_size(part.convert("L")), np.float32)[..., None]
    weight = np.clip(np.asarray(_at_size(Image.fromarray(weights))), -1, 1)[..., None]
    colour = np.where(weight > 0, _FOR, _AGAINST)
    opacity = _STRONGEST * np.abs(weight)
    shown = (grey * (1 - opacity) + colour * opacity).round().clip(0, 255)
    file = io.BytesIO()
    Image.fromarray(shown.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _at_size(image: Image.Image) -> Image.Image:
    return image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
