"""A square patch of sky on which light is collected, finer than the image that is made of it."""

from __future__ import annotations

import numpy as np

from cosmoformer.render.galaxy import Array

#: Steep centres are sampled this many times per image pixel and side.
OVERSAMPLING = 3


class Canvas:
    """Light in the bands i, r, g on a grid centred on the galaxy.

    Args:
        size: side of the final image, pixels.
        field_of_view: side of the patch of sky, arcsec.

    Attributes:
        x: arcsec to the right of the centre (west), shape (1, n).
        y: arcsec above the centre (north), shape (n, 1).
        light: (3, n, n), nMgy arcsec⁻².
    """

    def __init__(self, size: int, field_of_view: float) -> None:
        side = size * OVERSAMPLING
        self._size = size
        self._step: float = field_of_view / side
        offset = (np.arange(side, dtype=np.float64) - (side - 1) / 2) * self._step
        self.x = offset[None, :]
        self.y = -offset[:, None]
        self.light: Array = np.zeros((3, side, side))

    def along(self, position_angle: float, *, x: float = 0.0, y: float = 0.0) -> tuple[Array, Array]:
        """Coordinates along and across an axis.

        Args:
            position_angle: of the axis, degrees from north (up) through east (left).
            x: of a point of the axis, arcsec to the right of the centre.
            y: of the same point, arcsec above the centre.

        Returns:
            Two arrays of arcsec, each (n, n).
        """
        sine, cosine = np.sin(np.radians(position_angle)), np.cos(np.radians(position_angle))
        right, up = self.x - x, self.y - y
        return up * cosine - right * sine, -(right * cosine + up * sine)

    def add(self, fluxes: Array, profile: Array) -> None:
        """Add an extended source.

        Args:
            fluxes: in i, r, g, nMgy.
            profile: (n, n) of unit total flux, arcsec⁻².
        """
        self.light += fluxes[:, None, None] * profile

    def add_points(self, fluxes: Array, x: Array, y: Array) -> None:
        """Add sources smaller than a grid cell; those outside the patch are left out.

        Args:
            fluxes: (3, sources), nMgy.
            x: arcsec to the right of the centre.
            y: arcsec above the centre.
        """
        side = self.light.shape[-1]
        column = np.floor(x / self._step + side / 2).astype(int)
        row = np.floor(side / 2 - y / self._step).astype(int)
        seen = (column >= 0) & (column < side) & (row >= 0) & (row < side)
        for band, flux in zip(self.light, fluxes, strict=True):
            np.add.at(band, (row[seen], column[seen]), flux[seen] / self._step**2)

    def pixels(self) -> Array:
        """Mean brightness of every image pixel: (3, size, size), nMgy arcsec⁻²."""
        blocks = self.light.reshape(3, self._size, OVERSAMPLING, self._size, OVERSAMPLING)
        pixels: Array = blocks.mean(axis=(2, 4))
        return pixels


def sky_offsets(u: Array, v: Array, position_angle: float) -> tuple[Array, Array]:
    """The inverse of `Canvas.along`: arcsec right and up of the centre.

    Args:
        u: along the axis, arcsec.
        v: across it, arcsec.
        position_angle: of the axis, degrees from north through east.
    """
    sine, cosine = np.sin(np.radians(position_angle)), np.cos(np.radians(position_angle))
    return -u * sine - v * cosine, u * cosine - v * sine
