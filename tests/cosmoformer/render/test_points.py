"""Light as points: which pixel it falls into, and how evenly it is spread."""

from __future__ import annotations

import numpy as np
import pytest

from cosmoformer.render.points import Points, quantiles, stretch, unit_disc


def test_points_fall_into_their_pixels() -> None:
    """Up is the first row, right the last column; what is outside the frame is lost, and brightness is flux by area."""
    fluxes = np.array([[1.0, 2.0, 4.0]] * 3)
    image = Points(np.array([1.5, -1.5, 99.0]), np.array([1.5, -1.5, 0.0]), fluxes).image(2, 4.0)
    assert image[0].tolist() == [[0, 0.25], [0.5, 0]]


def test_a_stretch_of_the_points_is_even() -> None:
    """Eight thousand of the prepared points fill a cube so that each of 64 parts has its share, to a tenth."""
    part = quantiles(3)[:, stretch(8000, np.random.default_rng(1))]
    counts = np.histogramdd(part.T, bins=4, range=[(0, 1)] * 3)[0]
    assert counts.min() > 0.9 * 125 and counts.max() < 1.1 * 125


def test_a_disc_is_exponential() -> None:
    """Points, each with its light, have the radii of an exponential disc: half of the light within 1.678 scale lengths."""
    radius, _, height, light = unit_disc()
    assert light[radius < 1.678].sum() / light.sum() == pytest.approx(0.5, abs=0.005)
    assert (height**2).mean() == pytest.approx(1, abs=0.01)
