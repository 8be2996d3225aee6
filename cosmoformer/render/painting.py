"""Paint the parts of a galaxy on the sky, before the atmosphere blurs them.

Every painter takes the canvas, whose light it changes, and arcsec `u` along the galaxy's major axis and `v` across it.
"""

from __future__ import annotations

import numpy as np

from cosmoformer.render.canvas import Canvas, sky_offsets
from cosmoformer.render.galaxy import (
    STAR_FORMING,
    Arms,
    Array,
    Bar,
    Disc,
    DustLane,
    EdgeOnDisc,
    Galaxy,
    Spheroid,
    band_fluxes,
)
from cosmoformer.render.profiles import edge_on_disc, exponential_disc, ferrers_bar, sech2, sersic
from cosmoformer.render.spiral import SpiralPattern

#: Extinction in i, r, g relative to r (Stoughton et al. 2002, Table 22).
EXTINCTION = np.array([2.086, 2.751, 3.793]) / 2.751


def paint(galaxy: Galaxy, canvas: Canvas, rng: np.random.Generator) -> None:
    """Add a galaxy's light to a canvas.

    Args:
        galaxy: what to paint.
        canvas: where; dust dims all the light that is already there.
        rng: decides the irregularities of the arms.
    """
    u, v = canvas.along(galaxy.position_angle)
    if galaxy.spheroid is not None:
        _paint_spheroid(galaxy.spheroid, canvas, u, v)
    if isinstance(galaxy.disc, Disc):
        _paint_disc(galaxy.disc, galaxy.position_angle, canvas, u, v, rng)
    if isinstance(galaxy.disc, EdgeOnDisc):
        _paint_edge_on(galaxy.disc, canvas, u, v)


def _paint_spheroid(spheroid: Spheroid, canvas: Canvas, u: Array, v: Array) -> None:
    profile = sersic(
        u, v, effective_radius=spheroid.effective_radius, index=spheroid.index, axis_ratio=spheroid.axis_ratio
    )
    canvas.add(band_fluxes(spheroid.magnitude, spheroid.colour), profile)


def _paint_disc(
    disc: Disc, position_angle: float, canvas: Canvas, u: Array, v: Array, rng: np.random.Generator
) -> None:
    x, y = u, v / disc.axis_ratio
    radius = np.hypot(x, y)
    light = exponential_disc(
        radius, scale_length=disc.scale_length, break_radius=disc.break_radius, axis_ratio=disc.axis_ratio
    )
    if disc.bar is not None:
        _paint_bar(disc.bar, disc.axis_ratio, canvas, x, y)
    if disc.arms is None:
        canvas.add(band_fluxes(disc.magnitude, disc.colour), light)
        return
    pattern = SpiralPattern(disc.arms, rng)
    in_arms = light * pattern.share(radius)
    canvas.add(band_fluxes(disc.magnitude, disc.colour), light - in_arms)
    contrast = pattern.contrast(radius, np.arctan2(y, x))
    canvas.add(band_fluxes(disc.magnitude, disc.arms.colour), in_arms * contrast)
    _paint_knots(disc.arms, pattern, disc.axis_ratio, position_angle, canvas, rng)


def _paint_bar(bar: Bar, disc_axis_ratio: float, canvas: Canvas, x: Array, y: Array) -> None:
    sine, cosine = np.sin(np.radians(bar.angle)), np.cos(np.radians(bar.angle))
    along, across = x * cosine + y * sine, y * cosine - x * sine
    profile = ferrers_bar(along, across, semi_major=bar.semi_major, axis_ratio=bar.axis_ratio, boxiness=bar.boxiness)
    canvas.add(band_fluxes(bar.magnitude, bar.colour), profile / disc_axis_ratio)


def _paint_knots(
    arms: Arms,
    pattern: SpiralPattern,
    disc_axis_ratio: float,
    position_angle: float,
    canvas: Canvas,
    rng: np.random.Generator,
) -> None:
    """Star-forming regions: unresolved at the distance of a survey galaxy."""
    radius, azimuth, share = pattern.knots(rng)
    x, y = sky_offsets(radius * np.cos(azimuth), radius * np.sin(azimuth) * disc_axis_ratio, position_angle)
    canvas.add_points(np.outer(band_fluxes(arms.knots_magnitude, STAR_FORMING), share), x, y)


def _paint_edge_on(disc: EdgeOnDisc, canvas: Canvas, u: Array, v: Array) -> None:
    profile = edge_on_disc(u, v, scale_length=disc.scale_length, scale_height=disc.scale_height)
    canvas.add(band_fluxes(disc.magnitude, disc.colour), profile)
    if disc.dust is not None:
        canvas.light *= transmission(disc.dust, u, v)


def transmission(dust: DustLane, u: Array, v: Array) -> Array:
    """Share of the light that passes a dust lane: half of the stars are in front of it, half behind.

    Args:
        dust: the lane.
        u: along it, arcsec, (n, n).
        v: across it, arcsec, (n, n).

    Returns:
        (3, n, n) in i, r, g, from 0.5 to 1.
    """
    column = np.exp(-np.abs(u) / dust.scale_length) * sech2((v - dust.offset) / dust.scale_height)
    optical_depth = dust.optical_depth * EXTINCTION[:, None, None] * column
    passed: Array = 0.5 * (1 + np.exp(-optical_depth))
    return passed
