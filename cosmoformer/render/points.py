"""Light as points: positions on the sky with a flux each, which are counted into the pixels of an image.

Points of a three-dimensional body can be seen from any side. They are spread evenly, by a sequence of low discrepancy, so that a
few ten thousand make a smooth picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from cosmoformer.render.galaxy import Array

#: Points that are prepared once; a body takes a part of them, from anywhere.
POOL = 1 << 17
#: Where a disc ends, scale lengths: less than 1 % of its light would lie beyond.
DISC_ENDS = 7.0
_SPREAD = 1.8  # scale length of a disc's points over that of its light
_JITTER = 0.008  # about the distance of ten thousand points on a square
_TAIL = 1e-4  # share of a body's light beyond the outermost points


@dataclass(frozen=True)
class Points:
    """Sources smaller than a pixel.

    Attributes:
        x: arcsec to the right of the frame's centre (west), shape (n,).
        y: arcsec above it (north), shape (n,).
        fluxes: in i, r, g, nMgy, shape (3, n).
    """

    x: Array
    y: Array
    fluxes: Array

    def image(self, size: int, field_of_view: float) -> Array:
        """The light that falls into each pixel of a square image; what lies outside of it is lost.

        Args:
            size: side of the image, pixels.
            field_of_view: the same, arcsec.

        Returns:
            Mean brightness, (3, size, size), nMgy arcsec⁻².
        """
        pixel = field_of_view / size
        column = np.floor(self.x / pixel + size / 2).astype(np.int64)
        row = np.floor(size / 2 - self.y / pixel).astype(np.int64)
        seen = (column >= 0) & (column < size) & (row >= 0) & (row < size)
        place = np.where(seen, row * size + column, size * size)  # one cell more, for all that is not seen
        bands = [np.bincount(place, flux, size * size + 1)[:-1] for flux in self.fluxes]
        image: Array = np.stack(bands).reshape(3, size, size) / pixel**2
        return image


def together(*parts: Points) -> Points:
    """All points of several bodies."""
    return Points(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.fluxes for part in parts], axis=1),
    )


@cache
def quantiles(dimensions: int) -> Array:
    """Numbers between 0 and 1 that fill a cube evenly: (dimensions, POOL), an additive recurrence.

    Its steps are powers of the inverse of the generalised golden ratio (Roberts 2018, the R sequence); any stretch of it is even,
    too.
    """
    ratio = 2.0
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    steps = ratio ** -np.arange(1, dimensions + 1, dtype=np.float64)
    drawn: Array = 0.5 + steps[:, None] * np.arange(1, POOL + 1)
    drawn += np.random.default_rng(0).normal(0.0, _JITTER, drawn.shape)  # else the recurrence shows as rays
    drawn %= 1.0
    return drawn


def stretch(count: int, rng: np.random.Generator) -> slice:
    """A stretch of so many of the prepared points, from anywhere."""
    start = int(rng.integers(0, POOL - count + 1))
    return slice(start, start + count)


@cache
def unit_disc() -> tuple[Array, Array, Array, Array]:
    """Points of an exponential disc with a sech² layer.

    There are more of them outside than there is light, so that faint parts are as smooth as bright ones.

    Returns:
        Radius in scale lengths, azimuth in radians, height of about unit variance, and how much light each stands for.
    """
    radius, azimuth, height = quantiles(3)
    grid = np.linspace(0.0, DISC_ENDS, 4001)
    inside = 1 - (1 + grid / _SPREAD) * np.exp(-grid / _SPREAD)
    r = np.interp(radius * inside[-1], inside, grid)
    z = np.arctanh(np.clip(2 * height - 1, -1 + _TAIL, 1 - _TAIL)) * np.sqrt(12) / np.pi
    return r, 2 * np.pi * azimuth, z, np.exp(-r * (1 - 1 / _SPREAD))


@cache
def unit_sphere(index: float) -> Array:
    """Points of a sphere that looks like a Sérsic profile of this index: (3, POOL), in effective radii.

    Its density is r⁻ᵖ exp(−b r^(1/n)), whose projection is Sérsic's to a few per cent (Prugniel & Simien 1997, equation B6; p
    after Lima Neto et al. 1999).
    """
    n = index
    b, p = 2 * n - 1 / 3 + 0.009876 / n, 1.0 - 0.6097 / n + 0.05463 / n**2
    grid = np.geomspace(1e-4, 60.0, 4000)
    shell = grid ** (3 - p) * np.exp(-b * grid ** (1 / n))  # times r, for equal steps of ln r
    inside = np.cumsum(shell)
    quantile, azimuth, cosine = quantiles(3)
    radius = np.interp(quantile * (1 - _TAIL), inside / inside[-1], grid)
    z = 2 * cosine - 1
    across = radius * np.sqrt(1 - z**2)
    return np.stack([across * np.cos(2 * np.pi * azimuth), across * np.sin(2 * np.pi * azimuth), radius * z])


@cache
def unit_bar() -> Array:
    """Points of a Ferrers ellipsoid of exponent 1, 1 − r² within a unit sphere: (3, POOL)."""
    quantile, azimuth, cosine = quantiles(3)
    grid = np.linspace(0.0, 1.0, 1001)
    radius = np.interp(quantile, (5 * grid**3 - 3 * grid**5) / 2, grid)
    z = 2 * cosine - 1
    across = radius * np.sqrt(1 - z**2)
    return np.stack([across * np.cos(2 * np.pi * azimuth), across * np.sin(2 * np.pi * azimuth), radius * z])
