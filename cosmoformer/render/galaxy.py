"""Galaxies as data: what a rendered galaxy is made of, in the quantities astronomers measure.

Lengths on the sky are in arcseconds, angles in degrees, magnitudes are AB and total. Position angles run from north
(up) through east (left). Light is kept in the SDSS bands i, r and g, in this order, because they become the red, green
and blue of a colour image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Colour:
    """Colour indices of a stellar population.

    Attributes:
        g_r: g − r, magnitudes.
        r_i: r − i, magnitudes.
    """

    g_r: float
    r_i: float


#: Populations as SDSS observes them at redshifts near 0.1 (after Fukugita et al. 1995).
OLD = Colour(g_r=0.95, r_i=0.42)
DISC = Colour(g_r=0.66, r_i=0.32)
YOUNG = Colour(g_r=0.36, r_i=0.22)
STAR_FORMING = Colour(g_r=0.05, r_i=-0.05)


def apparent_axis_ratio(inclination: float, thickness: float) -> float:
    """Of an oblate spheroid: q² = cos²i (1 − q₀²) + q₀² (Hubble 1926).

    Args:
        inclination: i, degrees, 0 face-on.
        thickness: q₀, its axis ratio seen edge-on.
    """
    cosine = np.cos(np.radians(inclination))
    return float(np.sqrt(cosine**2 * (1 - thickness**2) + thickness**2))


def band_fluxes(magnitude: float, colour: Colour) -> Array:
    """Fluxes in the bands i, r, g of a source with this r magnitude.

    Args:
        magnitude: total AB magnitude in r.
        colour: its colour indices.

    Returns:
        Three fluxes in nanomaggies (1 nMgy is 22.5 mag).
    """
    magnitudes = np.array([magnitude - colour.r_i, magnitude, magnitude + colour.g_r])
    fluxes: Array = 10.0 ** (0.4 * (22.5 - magnitudes))
    return fluxes


@dataclass(frozen=True, kw_only=True)
class Spheroid:
    """An elliptical galaxy, or the bulge of a disc galaxy: a Sérsic profile with elliptical isophotes.

    Attributes:
        magnitude: total, r band.
        effective_radius: semi-major axis of the isophote that holds half of the light, arcsec.
        index: Sérsic index; 1 is exponential, 4 de Vaucouleurs.
        axis_ratio: minor over major axis, 0–1.
        colour: colour indices.
    """

    magnitude: float
    effective_radius: float
    index: float = 4.0
    axis_ratio: float = 1.0
    colour: Colour = OLD


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar in the plane of a disc.

    Attributes:
        magnitude: total, r band.
        semi_major: half of its length, where its light ends, arcsec in the plane of the disc.
        angle: from the disc's line of nodes, degrees in the plane of the disc.
        axis_ratio: width over length.
        boxiness: exponent of the generalised ellipse; 2 is an ellipse, larger is more rectangular.
        colour: colour indices.
    """

    magnitude: float
    semi_major: float
    angle: float
    axis_ratio: float = 0.3
    boxiness: float = 2.6
    colour: Colour = OLD


@dataclass(frozen=True, kw_only=True)
class Arms:
    """Logarithmic spiral arms: a share of the disc's light, gathered along spirals.

    Attributes:
        number: how many arms.
        pitch: pitch angle, degrees; its sign is the sense of winding.
        inner: radius at which they start, arcsec.
        outer: radius at which they have faded by half, arcsec.
        angle: of the first arm at the inner radius from the disc's line of nodes, degrees in the plane of the disc.
        share: of the disc's light that lies in the arms where they are fully developed, 0–1.
        sharpness: concentration of the light across an arm (the κ of a von Mises distribution).
        wobble: root mean square deviation of the ridge from a logarithmic spiral, degrees of azimuth.
        patchiness: root mean square of the logarithm of brightness along an arm.
        colour: colour indices of the arms' light.
        knots: number of star-forming regions.
        knots_magnitude: magnitude of all of them together, r band.
    """

    number: int
    pitch: float
    inner: float
    outer: float
    angle: float = 0.0
    share: float = 0.6
    sharpness: float = 1.5
    wobble: float = 12.0
    patchiness: float = 0.5
    colour: Colour = YOUNG
    knots: int = 0
    knots_magnitude: float = 19.0


@dataclass(frozen=True, kw_only=True)
class Disc:
    """An exponential disc with an outer break, seen from face-on to strongly inclined.

    Attributes:
        magnitude: total without bar and knots, r band.
        scale_length: e-folding radius, arcsec.
        break_radius: where the profile steepens, arcsec; commonly at 2–3 scale lengths.
        inclination: 0 is face-on, 90 edge-on, degrees.
        thickness: intrinsic axis ratio of an oblate disc: 0.1 thin, 0.2 typical, 0.3 thick.
        colour: colour indices between the arms.
        arms: spiral arms, if any.
        bar: the bar, if any.
    """

    magnitude: float
    scale_length: float
    break_radius: float
    inclination: float = 0.0
    thickness: float = 0.2
    colour: Colour = DISC
    arms: Arms | None = None
    bar: Bar | None = None

    @property
    def axis_ratio(self) -> float:
        """Apparent axis ratio of the disc."""
        return apparent_axis_ratio(self.inclination, self.thickness)


@dataclass(frozen=True, kw_only=True)
class DustLane:
    """Dust in the mid-plane of an edge-on disc.

    Attributes:
        optical_depth: through the whole lane at the centre, r band.
        scale_length: radial e-folding length, arcsec.
        scale_height: z₀ of its sech² layer, arcsec.
        offset: of the lane from the mid-plane, arcsec; a disc a few degrees short of edge-on shows its near side.
    """

    optical_depth: float
    scale_length: float
    scale_height: float
    offset: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EdgeOnDisc:
    """An exponential disc seen exactly from the side, with a vertical sech² profile.

    Attributes:
        magnitude: total before extinction, r band.
        scale_length: radial e-folding length, arcsec.
        scale_height: z₀ of sech²(z/z₀), arcsec.
        colour: colour indices before extinction.
        dust: the dust lane, if any.
    """

    magnitude: float
    scale_length: float
    scale_height: float
    colour: Colour = DISC
    dust: DustLane | None = None


@dataclass(frozen=True, kw_only=True)
class Galaxy:
    """A galaxy in the middle of a square cut-out.

    Attributes:
        field_of_view: side of the cut-out, arcsec. Galaxy Zoo 2 chose 8.48 times the Petrosian radius R₉₀ in r
            (Willett et al. 2013: 424 pixels of 0.02 R₉₀).
        position_angle: of the major axis (a disc's line of nodes), degrees.
        spheroid: the elliptical or the bulge, if any.
        disc: the disc, if any.
    """

    field_of_view: float
    position_angle: float = 0.0
    spheroid: Spheroid | None = None
    disc: Disc | EdgeOnDisc | None = None
