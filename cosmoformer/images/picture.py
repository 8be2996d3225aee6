"""What decoding gives, whatever the format: a picture; and the limits of size that hold for all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosmoformer.errors import ImageRejected
from cosmoformer.images.sizes import SMALLEST_SIDE
from cosmoformer.images.sky import NOWHERE, Sky

DECODING = 4  # raised whenever some file gives other pixels than before, so that no remembered judgement outlives it
FITS_MAGIC = b"SIMPLE  ="


@dataclass(frozen=True)
class Limits:
    """What is decoded at most.

    Attributes:
        image_bytes: of a file, also after decompression.
        image_pixels: width times height.
    """

    image_bytes: int
    image_pixels: int


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        pixels: uint8 (S, S, 3), RGB.
        width: as stored in the file, pixels.
        height: likewise; where EXIF turns a picture on its side, the two are swapped in what is shown.
        format: file format.
        conversions: what was done to it, in order.
        zoom: side of the picture in the file over the side that is shown.
        sky: what the file says of the object and its place.
        planes: float32 (S, S, C), the bands that a model of raw bands takes, in the file's units; None for all other models.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    format: str
    conversions: tuple[str, ...]
    zoom: float = 1.0
    sky: Sky = NOWHERE
    planes: NDArray[np.float32] | None = None

    @property
    def seen(self) -> NDArray[np.generic]:
        """What a model is shown: the bands, or else the pixels."""
        return self.pixels if self.planes is None else self.planes


def too_large(size: int, limit: int) -> ImageRejected:
    """The rejection of a file of ``size`` bytes."""
    return ImageRejected("too_large", f"The file has {size:,} bytes; at most {limit:,} are classified.")


def check_size(width: int, height: int, limit: int) -> None:
    """Check, before anything is decoded, that a picture shows enough and fits in memory.

    Raises:
        ImageRejected: it has fewer than :data:`SMALLEST_SIDE` pixels a side, or more than ``limit`` in all.
    """
    if min(width, height) < SMALLEST_SIDE:
        raise ImageRejected(
            "no_picture", f"The picture has {width} × {height} pixels; at least {SMALLEST_SIDE} a side are needed."
        )
    if width * height > limit:
        raise ImageRejected(
            "too_many_pixels",
            f"The picture has {width:,} × {height:,} pixels; at most {limit:,} in all are classified.",
        )
