"""Heat maps over pictures."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from cosmoformer.images.heat_map import SIDE, heat_map


def test_what_speaks_for_is_orange_and_what_speaks_against_is_blue() -> None:
    """Everything else is grey, however colourful the picture is; only the part that the model looks at is shown."""
    pixels = np.full((100, 100, 3), (250, 250, 250), np.uint8)
    pixels[25:75, 25:75] = (0, 80, 0)
    weights = np.zeros((4, 4), np.float32)
    weights[0, 0], weights[3, 3] = 1, -1
    png = heat_map(pixels, weights, crop=0.5)
    shown = Image.open(io.BytesIO(png))
    assert (shown.format, shown.size, shown.mode) == ("PNG", (SIDE, SIDE), "RGB")
    array = np.asarray(shown).astype(int)
    red, _, blue = array[10, 10]
    assert red > blue + 100
    red, _, blue = array[-10, -10]
    assert blue > red + 100
    middle = array[10, -10]
    assert middle.max() - middle.min() <= 1
    assert middle.max() < 100  # nothing of the bright border
