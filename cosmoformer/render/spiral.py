"""Spiral arms: where the light of a disc gathers, and where its stars form.

Everything here is in the plane of the disc: radius in arcsec, azimuth in radians from the line of nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosmoformer.render.galaxy import Arms, Array

#: Scatter of star-forming regions about the ridge of their arm, radians, and of the logarithm of their brightness.
KNOT_SCATTER = 0.18
KNOT_BRIGHTNESS = 0.8


@dataclass(frozen=True)
class Texture:
    """A smooth random field in (ln radius, azimuth) of zero mean and unit variance, as a sum of waves.

    Waves in ln radius and azimuth wind and grow with radius as real spiral structure does, and need no grid, so a
    galaxy looks the same at every size of image.

    Attributes:
        radial: wave number of each wave in ln radius.
        azimuthal: whole number of periods of each wave around the disc.
        phase: radians.
    """

    radial: Array
    azimuthal: Array
    phase: Array

    @classmethod
    def draw(cls, rng: np.random.Generator, *, radial: float, azimuthal: int, waves: int = 10) -> Texture:
        """A random field with radial wave numbers of this spread, and at most this many periods around the disc."""
        return cls(
            radial=rng.normal(0.0, radial, waves),
            azimuthal=rng.integers(-azimuthal, azimuthal, waves, endpoint=True).astype(np.float64),
            phase=rng.uniform(0.0, 2 * np.pi, waves),
        )

    def at(self, log_radius: Array, azimuth: Array) -> Array:
        """The field's values at these places."""
        field: Array = np.zeros(np.broadcast_shapes(log_radius.shape, azimuth.shape))
        for radial, azimuthal, phase in zip(self.radial, self.azimuthal, self.phase, strict=True):
            field += np.cos(radial * log_radius + azimuthal * azimuth + phase)
        field *= np.sqrt(2 / len(self.phase))
        return field


class SpiralPattern:
    """The arms of one galaxy, with the irregularities that a seed gives them.

    Args:
        arms: what they are like on average.
        rng: source of the irregularities.
    """

    def __init__(self, arms: Arms, rng: np.random.Generator) -> None:
        self._arms = arms
        self._wobble = Texture.draw(rng, radial=2.0, azimuthal=2)
        self._patches = Texture.draw(rng, radial=9.0, azimuthal=7)

    def share(self, radius: Array) -> Array:
        """Share of the disc's light that lies in the arms at this radius: rises at their start, fades at their end."""
        arms = self._arms
        rise = smoothstep(radius, 0.7 * arms.inner, 1.3 * arms.inner)
        fade = 1 - smoothstep(radius, 0.75 * arms.outer, 1.25 * arms.outer)
        return arms.share * rise * fade

    def contrast(self, radius: Array, azimuth: Array) -> Array:
        """Brightness of the arms relative to their azimuthal mean: a von Mises distribution across each arm."""
        arms = self._arms
        log_radius = np.log(np.maximum(radius, 0.1 * arms.inner) / arms.inner)
        phase = arms.number * (azimuth - self._ridge(log_radius, azimuth))
        across = np.exp(arms.sharpness * np.cos(phase)) / np.i0(arms.sharpness)
        patches = arms.patchiness * self._patches.at(log_radius, azimuth)
        contrast: Array = across * np.exp(patches - arms.patchiness**2 / 2)
        return contrast

    def _ridge(self, log_radius: Array, azimuth: Array) -> Array:
        """Azimuth of the first arm as it is met near this azimuth: the spiral with a wobble."""
        wobble = self._arms.wobble * self._wobble.at(log_radius, azimuth)
        return self._spiral(log_radius) + np.radians(wobble)

    def _spiral(self, log_radius: Array) -> Array:
        """Azimuth of the first arm as a perfect logarithmic spiral (Kennicutt 1981)."""
        arms = self._arms
        azimuth: Array = np.radians(arms.angle) + log_radius / np.tan(np.radians(arms.pitch))
        return azimuth

    def knots(self, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Places and brightnesses of the star-forming regions along the arms.

        Args:
            rng: decides where on the arms they are and how bright.

        Returns:
            Radius, azimuth and share of the light of each.
        """
        arms = self._arms
        radius = rng.uniform(1.1 * arms.inner, arms.outer, arms.knots)
        arm = rng.integers(arms.number, size=arms.knots) * 2 * np.pi / arms.number
        log_radius = np.log(radius / arms.inner)
        ridge = self._ridge(log_radius, self._spiral(log_radius) + arm)
        brightness = rng.lognormal(0.0, KNOT_BRIGHTNESS, arms.knots)
        return radius, ridge + arm + rng.normal(0.0, KNOT_SCATTER, arms.knots), brightness / brightness.sum()


def smoothstep(x: Array, start: float, end: float) -> Array:
    """0 below start, 1 above end, a cubic with level ends between."""
    t = np.clip((x - start) / (end - start), 0.0, 1.0)
    return t * t * (3 - 2 * t)
