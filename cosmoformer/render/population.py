"""Disc galaxies at random, and how they are observed: what a catalogue of known inclinations is drawn from.

Ranges are wide on purpose: whoever learns from these galaxies shall meet what real ones bring, and more.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cosmoformer.render.canvas import sky_offsets
from cosmoformer.render.field import GALAXIES, STARS, magnitudes, stellar_colour
from cosmoformer.render.galaxy import YOUNG, Arms, Colour, band_fluxes
from cosmoformer.render.points import Points, stretch, together, unit_disc
from cosmoformer.render.solid import DISC_POINTS, Dust, SolidBar, SolidGalaxy, points_of
from cosmoformer.render.survey import SDSS, Stretch, Survey, blur, noise

#: Scale lengths in the side of the frame: a disc that fills it has about 0.14, one of Galaxy Zoo 2's cut-outs 0.04.
_FILLED = (0.04, 0.16)
#: Side of a pixel of the frame, arcsec; the seeing is 1.1 to 4 pixels of it.
_PIXEL = (0.4, 1.8)
_BARRED, _ARMED, _DUSTY, _CROWDED = 0.35, 0.75, 0.6, 0.25
_BULGE_INDICES = (1.0, 1.5, 2.0, 3.0, 4.0)
_NEIGHBOUR_POINTS = 600
_CENTRED = 0.01  # deviation of a galaxy from the frame's centre, of its side


@dataclass(frozen=True)
class Observation:
    """How a galaxy is seen.

    Attributes:
        survey: seeing, sky, exposure and neighbours.
        field_of_view: side of the frame, arcsec.
        stretch: to 8 bits.
    """

    survey: Survey
    field_of_view: float
    stretch: Stretch


@dataclass(frozen=True)
class Seen:
    """A picture and what is known of it.

    Attributes:
        pixels: uint8 (size, size, 3).
        facts: columns of a catalogue by name (:data:`cosmoformer.render.catalogue.COLUMNS` says what they are).
    """

    pixels: NDArray[np.uint8]
    facts: dict[str, float]


def draw(size: int, rng: Generator) -> Seen:
    """One galaxy of any inclination, drawn and observed.

    Args:
        size: side of the picture, pixels.
        rng: decides everything.
    """
    observation = draw_observation(size, rng)
    galaxy = draw_galaxy(observation.field_of_view, rng)
    light = points_of(galaxy, rng, _points_for(galaxy.scale_length * size / observation.field_of_view))
    neighbours = draw_neighbours(observation, rng)
    x, y = rng.normal(0, _CENTRED * observation.field_of_view, 2)
    own = Points(light.x + x, light.y + y, light.fluxes)
    image, signal_to_noise = observe(together(own, neighbours), own, size, observation, rng)
    beside = neighbours.fluxes[1].sum() / own.fluxes[1].sum()
    return Seen(image, _facts(galaxy, observation, size) | {"signal_to_noise": signal_to_noise, "neighbours": beside})


def _points_for(scale_length: float) -> int:
    """How many points a disc of this scale length in pixels needs to be smooth: about ten a pixel within four scale lengths."""
    return 4 * int(min(max(125 * scale_length**2, 1500), DISC_POINTS // 4))


def observe(
    light: Points, own: Points, size: int, observation: Observation, rng: Generator
) -> tuple[NDArray[np.uint8], float]:
    """The picture of some light, and the signal-to-noise ratio of the galaxy in it, a pixel, where half of its light is.

    Args:
        light: all there is.
        own: the galaxy's.
        size: side of the picture, pixels.
        observation: how it is seen.
        rng: of the noise.
    """
    survey, side = observation.survey, observation.field_of_view
    image = blur(light.image(size, side).astype(np.float32), fwhm=survey.seeing * size / side, beta=survey.moffat_beta)
    grain = noise(image, field_of_view=side, survey=survey, rng=rng)
    bright = np.sort(own.image(size, side)[1].ravel())[::-1]
    half = np.searchsorted(np.cumsum(bright), bright.sum() / 2)
    return observation.stretch(image + grain), float(bright[half] / max(grain[1].std(), 1e-9))


def draw_observation(size: int, rng: Generator) -> Observation:
    """A survey's seeing, depth and colours, and the scale of a frame."""
    pixel = _log_uniform(*_PIXEL, rng)
    camera = max(SDSS.pixel, pixel)  # a coarser frame is a mean over the camera's pixels
    crowd = rng.uniform(2, 6) if rng.random() < _CROWDED else 1.0
    survey = Survey(
        pixel=camera,
        exposure=SDSS.exposure * _log_uniform(0.4, 4.0, rng),
        seeing=max(1.1 * pixel, rng.uniform(0.8, 1.8)),
        stars=SDSS.stars * crowd,
        galaxies=SDSS.galaxies * crowd,
    )
    gains = tuple(gain * rng.lognormal(0, 0.08) for gain in Stretch().gains)
    display = Stretch(
        gains=(gains[0], gains[1], gains[2]), softening=_log_uniform(0.15, 1.5, rng), white=_log_uniform(8.0, 60.0, rng)
    )
    return Observation(survey, size * pixel, display)


def draw_galaxy(field_of_view: float, rng: Generator) -> SolidGalaxy:
    """A disc galaxy for a frame; inclinations are uniform in degrees, so that none is rare."""
    h = field_of_view * _log_uniform(*_FILLED, rng)
    thickness = rng.uniform(0.08, 0.3)
    is_early = rng.random() < 0.35
    bulge_share = rng.uniform(0.15, 0.55) if is_early else rng.uniform(0.0, 0.2)
    # Mean brightness of the disc inside of two scale lengths, as if face-on: from bright spirals to faint dwarfs.
    brightness = rng.uniform(20.3, 23.0)
    colour = Colour(g_r=rng.uniform(0.6, 0.95) if is_early else rng.uniform(0.3, 0.75), r_i=rng.uniform(0.15, 0.42))
    return SolidGalaxy(
        magnitude=brightness - 2.5 * np.log10(2 * pi * h**2 / (1 - bulge_share)),
        inclination=rng.uniform(0.0, 90.0),
        position_angle=rng.uniform(0.0, 180.0),
        scale_length=h,
        break_radius=h * rng.uniform(1.8, 4.5),
        thickness=thickness,
        bulge_share=bulge_share,
        bulge_radius=h * (rng.uniform(0.25, 0.8) if is_early else rng.uniform(0.08, 0.35)),
        bulge_index=float(rng.choice(_BULGE_INDICES)),
        bulge_flattening=rng.uniform(0.45, 1.0),
        colour=colour,
        arms=_arms(h, brightness, rng) if rng.random() < (0.35 if is_early else _ARMED) else None,
        bar=_bar(h, rng) if rng.random() < _BARRED else None,
        dust=_dust(h, thickness, rng) if rng.random() < _DUSTY else None,
    )


def _arms(h: float, brightness: float, rng: Generator) -> Arms:
    return Arms(
        number=int(rng.choice([1, 2, 2, 2, 3, 4, 5])),
        pitch=rng.uniform(8, 32) * rng.choice([-1, 1]),
        inner=h * rng.uniform(0.3, 1.0),
        outer=h * rng.uniform(2.0, 4.5),
        angle=rng.uniform(0, 360),
        share=rng.uniform(0.2, 0.8),
        sharpness=rng.uniform(0.6, 3.0),
        wobble=rng.uniform(5, 25),
        patchiness=rng.uniform(0.2, 0.9),
        colour=Colour(g_r=YOUNG.g_r + rng.uniform(-0.15, 0.2), r_i=YOUNG.r_i),
        knots=int(rng.integers(0, 60)),
        knots_magnitude=brightness - 2.5 * np.log10(2 * pi * h**2) + rng.uniform(2.2, 4.5),
    )


def _bar(h: float, rng: Generator) -> SolidBar:
    return SolidBar(
        share=rng.uniform(0.05, 0.35),
        semi_major=h * rng.uniform(0.7, 2.2),
        angle=rng.uniform(0, 180),
        axis_ratio=rng.uniform(0.2, 0.45),
        thickness=rng.uniform(0.12, 0.3),
    )


def _dust(h: float, thickness: float, rng: Generator) -> Dust:
    return Dust(
        optical_depth=_log_uniform(0.1, 2.0, rng),
        scale_length=h * rng.uniform(0.8, 1.4),
        scale_height=h * thickness * rng.uniform(0.2, 0.6),
    )


def draw_neighbours(observation: Observation, rng: Generator) -> Points:
    """Stars and background galaxies, as :mod:`cosmoformer.render.field` has them, as points."""
    side, survey = observation.field_of_view, observation.survey
    area = (side / 60) ** 2
    count = rng.poisson(survey.stars * area)
    x, y = rng.uniform(-side / 2, side / 2, (2, count))
    colours = [stellar_colour(float(coolness)) for coolness in rng.beta(1.0, 0.9, count)]
    fluxes = [band_fluxes(float(m), colour) for m, colour in zip(magnitudes(count, *STARS, rng), colours, strict=True)]
    stars = Points(x, y, np.array(fluxes).reshape(count, 3).T)
    return together(stars, *(_neighbour(side, rng) for _ in range(rng.poisson(survey.galaxies * area))))


def _neighbour(side: float, rng: Generator) -> Points:
    """A background galaxy: an exponential disc of any axis ratio."""
    magnitude = float(magnitudes(1, *GALAXIES, rng)[0])
    scale = float(rng.lognormal(0.0, 0.3)) * 10 ** (0.1 * (20.5 - magnitude)) / 1.678
    radius, azimuth, _, share = (numbers[part] for part in [stretch(_NEIGHBOUR_POINTS, rng)] for numbers in unit_disc())
    u, v = scale * radius * np.cos(azimuth), scale * radius * np.sin(azimuth) * rng.uniform(0.3, 1.0)
    right, up = sky_offsets(u, v, rng.uniform(0, 180))
    x, y = rng.uniform(-side / 2, side / 2, 2)
    colour = Colour(g_r=float(rng.uniform(0.4, 1.3)), r_i=float(rng.uniform(0.2, 0.5)))
    return Points(right + x, up + y, np.outer(band_fluxes(magnitude, colour), share / share.sum()))


def _facts(galaxy: SolidGalaxy, observation: Observation, size: int) -> dict[str, float]:
    pixel = observation.field_of_view / size
    return {
        "inclination": galaxy.inclination,
        "position_angle": galaxy.position_angle,
        "axis_ratio": galaxy.axis_ratio,
        "thickness": galaxy.thickness,
        "scale_length": galaxy.scale_length / pixel,
        "seeing": observation.survey.seeing / pixel,
        "bulge_share": galaxy.bulge_share,
        "bar_share": galaxy.bar.share if galaxy.bar else 0.0,
        "arm_share": galaxy.arms.share if galaxy.arms else 0.0,
        "optical_depth": galaxy.dust.optical_depth if galaxy.dust else 0.0,
    }


def _log_uniform(low: float, high: float, rng: Generator) -> float:
    return float(np.exp(rng.uniform(log(low), log(high))))
