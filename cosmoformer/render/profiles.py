"""Surface brightness profiles, each of unit total flux per square arcsecond.

Coordinates are arcseconds from the centre: `u` along the major axis, `v` across it.
"""

from __future__ import annotations

from functools import cache
from math import exp, gamma, pi

import numpy as np

from cosmoformer.render.galaxy import Array

#: Scale length outside a disc's break relative to inside (about the mean of Pohlen & Trujillo 2006).
OUTER_SCALE = 0.5


def sersic_b(index: float) -> float:
    """The b of a Sérsic profile, which makes its effective radius hold half of the light.

    Args:
        index: Sérsic index.

    Returns:
        Asymptotic expansion of Ciotti & Bertin (1999), equation 18; good to 1e-4 from index 0.5.

    Raises:
        ValueError: the index is below 0.5, where the expansion fails.
    """
    if index < 0.5:
        raise ValueError(f"expected a Sérsic index of at least 0.5, got {index}; use 0.5 (a Gaussian) instead")
    n = index
    return 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3) - 2194697 / (30690717750 * n**4)


def sersic(u: Array, v: Array, *, effective_radius: float, index: float, axis_ratio: float) -> Array:
    """Sérsic (1963) profile with elliptical isophotes, normalised by Graham & Driver (2005), equation 2.

    Args:
        u: along the major axis, arcsec.
        v: along the minor axis, arcsec.
        effective_radius: semi-major axis of the half-light isophote, arcsec.
        index: Sérsic index.
        axis_ratio: minor over major axis.

    Returns:
        Surface brightness, arcsec⁻².
    """
    b = sersic_b(index)
    luminosity = 2 * pi * index * axis_ratio * effective_radius**2 * exp(b) * b ** (-2 * index) * gamma(2 * index)
    radius = np.hypot(u, v / axis_ratio) / effective_radius
    brightness: Array = np.exp(-b * (radius ** (1 / index) - 1)) / luminosity
    return brightness


def exponential_disc(radius: Array, *, scale_length: float, break_radius: float, axis_ratio: float) -> Array:
    """Exponential disc (Freeman 1970) with a down-bending break (Pohlen & Trujillo 2006, type II).

    Args:
        radius: in the plane of the disc, arcsec.
        scale_length: e-folding radius inside the break, arcsec; outside it is `OUTER_SCALE` of that.
        break_radius: where the profile steepens, arcsec.
        axis_ratio: apparent axis ratio of the inclined disc; its light is crowded by the inverse.

    Returns:
        Surface brightness, arcsec⁻².
    """
    h, outer = scale_length, scale_length * OUTER_SCALE
    at_break = exp(-break_radius / h)
    inside = h**2 - at_break * h * (h + break_radius)
    outside = at_break * outer * (outer + break_radius)
    profile = np.exp(-np.minimum(radius, break_radius) / h - np.maximum(radius - break_radius, 0) / outer)
    brightness: Array = profile / (2 * pi * axis_ratio * (inside + outside))
    return brightness


@cache
def _x_k1_table() -> tuple[Array, Array]:
    """x and x·K₁(x), the modified Bessel function, as the integral of exp(−√(x² + s²)) along the line of sight."""
    x = np.linspace(0.0, 25.0, 501)
    s = np.linspace(0.0, 40.0, 2001)
    return x, np.trapezoid(np.exp(-np.hypot(x[:, None], s)), s, axis=1)


def edge_on_disc(u: Array, v: Array, *, scale_length: float, scale_height: float) -> Array:
    """Exponential disc from the side: (R/h) K₁(R/h) sech²(z/z₀) (van der Kruit & Searle 1981).

    Args:
        u: along the disc, arcsec.
        v: height over the mid-plane, arcsec.
        scale_length: h, arcsec.
        scale_height: z₀, arcsec.

    Returns:
        Surface brightness, arcsec⁻².
    """
    radial = np.interp(np.abs(u) / scale_length, *_x_k1_table())
    brightness: Array = radial * sech2(v / scale_height) / (2 * pi * scale_length * scale_height)
    return brightness


def sech2(x: Array) -> Array:
    """sech²(x) without overflow: the vertical density of an isothermal sheet (Spitzer 1942)."""
    decay = np.exp(-2 * np.abs(x))
    squared: Array = 4 * decay / (1 + decay) ** 2
    return squared


def ferrers_bar(x: Array, y: Array, *, semi_major: float, axis_ratio: float, boxiness: float) -> Array:
    """Ferrers profile (1 − r²)² on generalised ellipses (Athanassoula et al. 1990).

    Args:
        x: along the bar, arcsec.
        y: across the bar, arcsec.
        semi_major: where the light ends, arcsec.
        axis_ratio: width over length.
        boxiness: exponent of the generalised ellipse.

    Returns:
        Surface brightness, arcsec⁻².
    """
    c = boxiness
    radius = (np.abs(x / semi_major) ** c + np.abs(y / (semi_major * axis_ratio)) ** c) ** (1 / c)
    area = 4 * semi_major**2 * axis_ratio * gamma(1 + 1 / c) ** 2 / gamma(1 + 2 / c)
    brightness: Array = np.clip(1 - radius**2, 0, None) ** 2 * 3 / area
    return brightness
