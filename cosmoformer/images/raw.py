"""Raw bands: the planes of a FITS file in the range that they have there, square and framed, for models that take such."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosmoformer.errors import ImageRejected
from cosmoformer.images.fits import read_bands
from cosmoformer.images.fits_bands import CODE
from cosmoformer.images.framing import Framing, notes_of_square, square_side
from cosmoformer.images.picture import FITS_MAGIC, Limits, Picture
from cosmoformer.images.stretch import stretch

_SHOWN = 3


def decode_bands(content: bytes, limits: Limits, framing: Framing, bands: Sequence[str]) -> Picture:
    """Decode the bands of a FITS file.

    Its ``pixels`` show the last three bands as blue, green and red, or the first one in grey, for people.

    Raises:
        ImageRejected: it is no FITS file, lacks a band, or as for :func:`cosmoformer.images.decoding.decode`.
    """
    if not content.startswith(FITS_MAGIC):
        told = ", ".join(bands)
        raise ImageRejected(CODE, f"The model needs the bands {told} of a FITS file; this is another kind of file.")
    found = read_bands(content, bands, limits.image_pixels, framing)
    conversions = [found.note, *["reduced"] * found.reduced, *["zoomed"] * (found.zoom > 1)]
    planes = _square(found.values, found.zoom, conversions)
    shown = planes[..., ::-1][..., :_SHOWN] if len(bands) >= _SHOWN else planes[..., 0]
    pixels = stretch(shown)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    size = found.width, found.height
    return Picture(pixels, *size, "FITS", tuple(conversions), found.zoom, found.sky, planes)


def _square(values: NDArray[np.float32], zoom: float, conversions: list[str]) -> NDArray[np.float32]:
    """Padded with each band's median, the sky."""
    height, width, count = values.shape
    factor, notes = notes_of_square(width, height, zoom)
    conversions += notes
    if factor > 1:
        values = _means(values, factor)
        height, width, count = values.shape
    side = square_side(width, height, zoom)
    if (height, width) == (side, side):
        return np.ascontiguousarray(values)
    padded = np.empty((side, side, count), np.float32)
    padded[:] = np.median(values, axis=(0, 1))
    top, left = (side - height) // 2, (side - width) // 2
    padded[top : top + height, left : left + width] = values
    return padded


def _means(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Of whole blocks of pixels; what is left over at the ends is left out."""
    rows, columns = (length // factor for length in values.shape[:2])
    blocks = values[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, -1)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means
