"""Solid galaxies: disc, bulge, bar, arms and dust in three dimensions, seen from any side.

The pictures of :mod:`cosmoformer.render.painting` look right near face-on and edge-on; here the projection itself is right, at
any inclination. The disc lies in the plane z = 0; x is its line of nodes. Seen at the inclination i, a point (x, y, z) stands at
x along the line of nodes and at y cos i − z sin i across it, and the observer is in the direction (0, sin i, cos i).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosmoformer.render.canvas import sky_offsets
from cosmoformer.render.galaxy import DISC, OLD, STAR_FORMING, Arms, Array, Colour, apparent_axis_ratio, band_fluxes
from cosmoformer.render.painting import EXTINCTION
from cosmoformer.render.points import Points, stretch, together, unit_bar, unit_disc, unit_sphere
from cosmoformer.render.spiral import SpiralPattern

DISC_POINTS, BULGE_POINTS, BAR_POINTS = 64_000, 8_000, 8_000
#: Grid on which the arms are computed, steps of ln radius and of azimuth: coarser than the points, finer than the arms.
_ARM_GRID = (56, 144)


@dataclass(frozen=True, kw_only=True)
class SolidBar:
    """A bar in the plane of a disc.

    Attributes:
        share: of the disc's light.
        semi_major: half of its length, arcsec.
        angle: from the line of nodes, degrees in the plane.
        axis_ratio: width over length.
        thickness: height over length.
    """

    share: float
    semi_major: float
    angle: float
    axis_ratio: float = 0.3
    thickness: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Dust:
    """A layer of dust about the mid-plane.

    Attributes:
        optical_depth: through the whole layer at the centre, seen face-on, r band.
        scale_length: e-folding radius, arcsec.
        scale_height: z₀ of its sech² layer, arcsec.
    """

    optical_depth: float
    scale_length: float
    scale_height: float


@dataclass(frozen=True, kw_only=True)
class SolidGalaxy:
    """A disc galaxy in three dimensions.

    Attributes:
        magnitude: of disc, bar and bulge together without dust, r band.
        inclination: 0 is face-on, 90 edge-on, degrees.
        position_angle: of the line of nodes, degrees from north through east.
        scale_length: e-folding radius of the disc, arcsec.
        break_radius: where its profile steepens to half of that, arcsec.
        thickness: q₀ of the disc, the root of ⟨z²⟩ over ⟨x²⟩: its axis ratio seen edge-on.
        bulge_share: of the light, 0–1.
        bulge_radius: effective, arcsec.
        bulge_index: Sérsic's.
        bulge_flattening: minor over major axis of the oblate bulge.
        colour: of the disc between its arms.
        arms: spiral arms, if any; their angle is from the line of nodes.
        bar: if any.
        dust: if any.
    """

    magnitude: float
    inclination: float
    position_angle: float
    scale_length: float
    break_radius: float
    thickness: float
    bulge_share: float = 0.0
    bulge_radius: float = 1.0
    bulge_index: float = 2.0
    bulge_flattening: float = 0.7
    colour: Colour = DISC
    arms: Arms | None = None
    bar: SolidBar | None = None
    dust: Dust | None = None

    @property
    def axis_ratio(self) -> float:
        """Apparent axis ratio of the disc."""
        return apparent_axis_ratio(self.inclination, self.thickness)


def points_of(galaxy: SolidGalaxy, rng: np.random.Generator, disc_points: int = DISC_POINTS) -> Points:
    """A galaxy's light.

    Args:
        galaxy: what to show.
        disc_points: how many its disc is made of, a multiple of 4.
        rng: decides the irregularities of the arms, and where the points are.
    """
    bar, parts = galaxy.bar, []
    in_disc = 1 - galaxy.bulge_share
    if (share := in_disc * (1 - bar.share if bar else 1.0)) > 0:
        parts.append(_disc(galaxy, share, disc_points, rng))
    if bar is not None:
        parts.append(_bar(galaxy, bar, in_disc * bar.share, rng))
    if galaxy.bulge_share > 0:
        parts.append(_bulge(galaxy, rng))
    return together(*parts)


def _disc(galaxy: SolidGalaxy, share: float, count: int, rng: np.random.Generator) -> Points:
    part = stretch(count // 4, rng)
    radius, azimuth, height, light = (np.tile(numbers[part], 4) for numbers in unit_disc())
    radius = radius * galaxy.scale_length
    # Each point stands four times, a quarter turn apart: no few of them far outside decide how round the disc is.
    azimuth = azimuth + np.repeat(np.arange(4), count // 4) * (np.pi / 2) + rng.uniform(0, 2 * np.pi)
    light *= np.exp(-np.maximum(radius - galaxy.break_radius, 0) / galaxy.scale_length)
    light *= share / light.sum()
    z = height * (galaxy.thickness * np.sqrt((light * radius**2).sum() / (2 * (light * height**2).sum())))
    fluxes = band_fluxes(galaxy.magnitude, galaxy.colour)[:, None] * light
    if galaxy.arms is None:
        return _seen(galaxy, radius * np.cos(azimuth), radius * np.sin(azimuth), z, fluxes)
    pattern = SpiralPattern(galaxy.arms, rng)
    arm_share, contrast = _on_grid(pattern, galaxy, radius, azimuth)
    fluxes = fluxes * (1 - arm_share)
    fluxes += band_fluxes(galaxy.magnitude, galaxy.arms.colour)[:, None] * (light * arm_share * contrast)
    disc = _seen(galaxy, radius * np.cos(azimuth), radius * np.sin(azimuth), z, fluxes)
    return together(disc, _knots(galaxy, galaxy.arms, pattern, rng)) if galaxy.arms.knots else disc


def _on_grid(pattern: SpiralPattern, galaxy: SolidGalaxy, radius: Array, azimuth: Array) -> tuple[Array, Array]:
    """Share and contrast of the arms at these places, from the nearest points of a polar grid."""
    rings, sectors = _ARM_GRID
    least, most = np.log(0.1 * galaxy.scale_length), np.log(12 * galaxy.scale_length)
    ring_radius = np.exp(np.linspace(least, most, rings))
    sector = np.linspace(0, 2 * np.pi, sectors, endpoint=False)
    contrast = pattern.contrast(ring_radius[:, None], sector)
    ring = (np.log(np.maximum(radius, 1e-9)) - least) / (most - least) * (rings - 1)
    ring = np.clip(np.rint(ring), 0, rings - 1).astype(np.int64)
    place = np.rint(azimuth / (2 * np.pi) * sectors).astype(np.int64) % sectors
    return pattern.share(ring_radius)[ring], contrast[ring, place]


def _knots(galaxy: SolidGalaxy, arms: Arms, pattern: SpiralPattern, rng: np.random.Generator) -> Points:
    radius, azimuth, share = pattern.knots(rng)
    z = rng.normal(0, 0.3 * galaxy.thickness * galaxy.scale_length, len(radius))
    fluxes = np.outer(band_fluxes(arms.knots_magnitude, STAR_FORMING), share)
    return _seen(galaxy, radius * np.cos(azimuth), radius * np.sin(azimuth), z, fluxes)


def _bar(galaxy: SolidGalaxy, bar: SolidBar, share: float, rng: np.random.Generator) -> Points:
    x, y, z = unit_bar()[:, stretch(BAR_POINTS, rng)] * bar.semi_major
    y, z = y * bar.axis_ratio, z * bar.thickness
    sine, cosine = np.sin(np.radians(bar.angle)), np.cos(np.radians(bar.angle))
    fluxes = np.outer(band_fluxes(galaxy.magnitude, OLD), np.full(BAR_POINTS, share / BAR_POINTS))
    return _seen(galaxy, x * cosine - y * sine, x * sine + y * cosine, z, fluxes)


def _bulge(galaxy: SolidGalaxy, rng: np.random.Generator) -> Points:
    x, y, z = unit_sphere(galaxy.bulge_index)[:, stretch(BULGE_POINTS, rng)] * galaxy.bulge_radius
    share = np.full(BULGE_POINTS, galaxy.bulge_share / BULGE_POINTS)
    return _seen(galaxy, x, y, z * galaxy.bulge_flattening, np.outer(band_fluxes(galaxy.magnitude, OLD), share))


def _seen(galaxy: SolidGalaxy, x: Array, y: Array, z: Array, fluxes: Array) -> Points:
    """Points of the galaxy as they are seen: projected, and dimmed by the dust in front of them."""
    sine, cosine = np.sin(np.radians(galaxy.inclination)), np.cos(np.radians(galaxy.inclination))
    if galaxy.dust is not None:
        fluxes = fluxes * transmission(galaxy.dust, sine, cosine, x, y, z)
    right, up = sky_offsets(x, y * cosine - z * sine, galaxy.position_angle)
    return Points(right, up, fluxes)


def transmission(dust: Dust, sine: float, cosine: float, x: Array, y: Array, z: Array) -> Array:
    """Share of the light of points that passes the dust between them and the observer: (3, n) in i, r, g.

    The layer is taken where the line of sight crosses the mid-plane, and its depth grows as 1 / cos i until the path is as long
    as the layer is wide.

    Args:
        dust: the layer.
        sine: of the inclination.
        cosine: of it.
        x: of the points, along the line of nodes, arcsec.
        y: across it, in the plane.
        z: above the plane, on the observer's side.
    """
    least = dust.scale_height / dust.scale_length
    slant = np.sqrt(cosine**2 + least**2)
    crossing = np.hypot(x, y - z * sine / slant)
    in_front = 0.5 * (
        1 - np.tanh(z / dust.scale_height)
    )  # of the layer's column; where a path runs along it, half of it on average
    depth = dust.optical_depth / slant * np.exp(-crossing / dust.scale_length) * in_front
    passed: Array = np.exp(-EXTINCTION[:, None] * depth)
    return passed
