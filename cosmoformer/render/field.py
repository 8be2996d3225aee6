"""Stars and galaxies that happen to lie in the same direction."""

from __future__ import annotations

import numpy as np

from cosmoformer.render.canvas import Canvas
from cosmoformer.render.galaxy import Array, Colour, band_fluxes
from cosmoformer.render.profiles import sersic
from cosmoformer.render.survey import Survey

#: Brightest and faintest r magnitude drawn, and the slope of log₁₀ counts per magnitude
#: (stars at high galactic latitude; galaxies, Yasuda et al. 2001).
STARS = (16.5, 21.5, 0.20)
GALAXIES = (18.0, 21.5, 0.45)


def add_neighbours(canvas: Canvas, *, field_of_view: float, survey: Survey, rng: np.random.Generator) -> None:
    """Add field stars and small background galaxies at the survey's densities.

    Args:
        canvas: where to add them.
        field_of_view: side of the patch of sky, arcsec.
        survey: how many there are per square arcminute.
        rng: decides how many, where, how bright and of what colour.
    """
    area = (field_of_view / 60) ** 2
    _add_stars(canvas, rng.poisson(survey.stars * area), field_of_view, rng)
    for _ in range(rng.poisson(survey.galaxies * area)):
        _add_galaxy(canvas, field_of_view, rng)


def magnitudes(count: int, bright: float, faint: float, slope: float, rng: np.random.Generator) -> Array:
    """Draw magnitudes whose numbers grow as 10^(slope · m) between two limits (by inversion)."""
    quantile = rng.uniform(10.0 ** (slope * (bright - faint)), 1.0, count)
    drawn: Array = faint + np.log10(quantile) / slope
    return drawn


def stellar_colour(coolness: float) -> Colour:
    """A colour on the stellar locus: from 0, A stars, to 1, M dwarfs (after Covey et al. 2007)."""
    return Colour(g_r=1.5 * coolness - 0.05, r_i=-0.05 + 0.5 * coolness + 0.9 * coolness**4)


def _add_stars(canvas: Canvas, count: int, field_of_view: float, rng: np.random.Generator) -> None:
    x, y = rng.uniform(-field_of_view / 2, field_of_view / 2, (2, count))
    brightness = magnitudes(count, *STARS, rng)
    colours = [stellar_colour(float(t)) for t in rng.beta(1.0, 0.9, count)]
    fluxes = [band_fluxes(float(m), colour) for m, colour in zip(brightness, colours, strict=True)]
    canvas.add_points(np.array(fluxes).reshape(count, 3).T, x, y)


def _add_galaxy(canvas: Canvas, field_of_view: float, rng: np.random.Generator) -> None:
    x, y = rng.uniform(-field_of_view / 2, field_of_view / 2, 2)
    magnitude = float(magnitudes(1, *GALAXIES, rng)[0])
    u, v = canvas.along(float(rng.uniform(0, 180)), x=x, y=y)
    profile = sersic(
        u,
        v,
        effective_radius=float(rng.lognormal(0.0, 0.3)) * 10 ** (0.1 * (20.5 - magnitude)),
        index=float(rng.choice([1.0, 2.5])),
        axis_ratio=float(rng.uniform(0.3, 1.0)),
    )
    colour = Colour(g_r=float(rng.uniform(0.4, 1.3)), r_i=float(rng.uniform(0.2, 0.5)))
    canvas.add(band_fluxes(magnitude, colour), profile)
