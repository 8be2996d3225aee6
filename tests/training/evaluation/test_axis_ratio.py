"""The classical estimate, on galaxies whose shape is known."""

from __future__ import annotations

import numpy as np
import pytest

from cosmoformer.render.population import Observation, observe
from cosmoformer.render.solid import SolidGalaxy, points_of
from cosmoformer.render.survey import SDSS, Stretch
from training.evaluation.axis_ratio import axis_ratio, inclination

OBSERVED = Observation(SDSS, 60.0, Stretch())


def picture(tilt: float, magnitude: float = 13.5) -> np.ndarray:
    """A large, bright, thick disc without anything that misleads, at this inclination."""
    rng = np.random.default_rng(0)
    galaxy = SolidGalaxy(
        magnitude=magnitude, inclination=tilt, position_angle=40.0, scale_length=6.0, break_radius=30.0, thickness=0.2
    )
    light = points_of(galaxy, rng)
    return observe(light, light, 88, OBSERVED, rng)[0]


@pytest.mark.parametrize("tilt", [30, 45, 60, 75])
def test_a_plain_disc_is_told_within_a_few_degrees(tilt: float) -> None:
    """Where nothing misleads, the ellipse of the isophote gives the inclination."""
    assert inclination(np.array(axis_ratio(picture(tilt)))) == pytest.approx(tilt, abs=4)


def test_inclinations_follow_hubbles_formula() -> None:
    """Round is face-on, the disc's own thickness edge-on, and what is thinner than that edge-on as well."""
    assert inclination(np.array([1.0, 0.2, 0.1])).tolist() == pytest.approx([0, 90, 90])
    assert inclination(np.sqrt(np.array([0.25 * 0.96 + 0.04]))).tolist() == pytest.approx([60])


def test_where_nothing_is_found_there_is_no_estimate() -> None:
    """A picture of noise alone, and one that is black, have no axis ratio."""
    noise = np.random.default_rng(0).normal(20, 3, (88, 88, 3)).astype(np.uint8)
    assert np.isnan(axis_ratio(np.zeros((88, 88, 3), np.uint8)))
    assert np.isnan(axis_ratio(noise))
