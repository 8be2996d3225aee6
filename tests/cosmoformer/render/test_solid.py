"""Galaxies in three dimensions: their projection against theory, their light, and what dust does to it."""

from __future__ import annotations

import numpy as np
import pytest

from cosmoformer.render.galaxy import Array, band_fluxes
from cosmoformer.render.points import Points
from cosmoformer.render.solid import Dust, SolidBar, SolidGalaxy, points_of, transmission

SIZE, FIELD = 200, 200.0


def disc(inclination: float, thickness: float = 0.2, **more: object) -> SolidGalaxy:
    given: dict[str, object] = {"magnitude": 14.0, "position_angle": 0.0, "scale_length": 8.0, "break_radius": 25.0}
    return SolidGalaxy(inclination=inclination, thickness=thickness, **(given | more))  # type: ignore[arg-type]


def points(galaxy: SolidGalaxy, seed: int = 0) -> Points:
    return points_of(galaxy, np.random.default_rng(seed))


def seconds(image: Array) -> Array:
    """Second moments of an image about its centroid, pixels²: of columns (to the right), of rows (up), and mixed."""
    weights = image / image.sum()
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(float)
    x, y = x - (weights * x).sum(), (weights * y).sum() - y
    return np.array([(weights * x * x).sum(), (weights * y * y).sum(), (weights * x * y).sum()])


@pytest.mark.parametrize("thickness", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("inclination", [0, 15, 30, 45, 60, 75, 85, 90])
def test_the_projection_is_hubbles(inclination: float, thickness: float) -> None:
    """cos²i = (q² - q0²) / (1 - q0²) (Hubble 1926) for q by second moments of the pixels of a disc without noise."""
    galaxy = disc(inclination, thickness)
    across, along, _ = seconds(points(galaxy).image(SIZE, FIELD)[1])
    pixel = 1 / 12  # what the width of a pixel adds to each
    squared = (across - pixel) / (along - pixel)
    assert np.sqrt(squared) == pytest.approx(galaxy.axis_ratio, rel=0.01)
    cosine = np.cos(np.radians(inclination))
    assert (squared - thickness**2) / (1 - thickness**2) == pytest.approx(cosine**2, abs=0.015)


@pytest.mark.parametrize("position_angle", [0, 30, 90, 140])
def test_the_line_of_nodes_is_the_major_axis(position_angle: float) -> None:
    """A tilted disc is longest along its position angle, from up through left."""
    across, along, mixed = seconds(points(disc(65, position_angle=position_angle)).image(SIZE, FIELD)[1])
    angle = 0.5 * np.degrees(np.arctan2(-2 * mixed, along - across)) % 180
    off = (angle - position_angle + 90) % 180 - 90
    assert off == pytest.approx(0, abs=1)


def test_light_is_kept() -> None:
    """Disc, bar and bulge together have the magnitude that was asked for, in the band r."""
    bar = SolidBar(share=0.2, semi_major=10.0, angle=30.0)
    galaxy = disc(50, bulge_share=0.3, bulge_radius=3.0, bar=bar)
    assert points(galaxy).fluxes[1].sum() == pytest.approx(band_fluxes(14.0, galaxy.colour)[1], rel=1e-6)


@pytest.mark.parametrize("index", [1.0, 2.0, 4.0])
def test_a_bulge_is_seen_as_sersics_profile(index: float) -> None:
    """Half of a round bulge's light is within its effective radius, within what the deprojection is good for."""
    galaxy = disc(0, bulge_share=1.0, bulge_radius=5.0, bulge_index=index, bulge_flattening=1.0)
    found = points_of(galaxy, np.random.default_rng(0))
    radius, light = np.hypot(found.x, found.y), found.fluxes[1]
    assert light[radius < 5.0].sum() / light.sum() == pytest.approx(0.5, abs=0.04)


def test_dust_dims_what_is_behind_it() -> None:
    """Face-on, stars below the mid-plane lose the layer's optical depth, stars above it nothing, stars in it half of it."""
    dust = Dust(optical_depth=1.0, scale_length=1e9, scale_height=0.5)
    passed = transmission(dust, 0.0, 1.0, *np.array([[0.0, 0, 0], [0, 0, 0], [-50, 50, 0]]))
    assert passed[1] == pytest.approx([np.exp(-1), 1, np.exp(-0.5)], rel=1e-6)
    assert passed[2][0] < passed[1][0] < passed[0][0]  # g is dimmed more than r, r more than i


def test_dust_shows_which_side_is_near() -> None:
    """Of an inclined disc with a bulge, the half whose dust lies before the bulge is the fainter one."""
    dust = Dust(optical_depth=2.0, scale_length=10.0, scale_height=0.5)
    galaxy = disc(70, bulge_share=0.6, bulge_radius=6.0, position_angle=90.0, dust=dust)
    image = points(galaxy).image(SIZE, FIELD)[1]
    halves = image[: SIZE // 2].sum(), image[SIZE // 2 :].sum()
    assert max(halves) > 1.03 * min(halves)
    clear = points(disc(70, bulge_share=0.6, bulge_radius=6.0, position_angle=90.0)).image(SIZE, FIELD)[1]
    assert clear[: SIZE // 2].sum() == pytest.approx(clear[SIZE // 2 :].sum(), rel=0.01)


def test_a_bar_lies_in_the_plane() -> None:
    """Seen edge-on, a bar along the line of nodes is long, one across it is short; neither is thicker than it is."""
    spreads = []
    for angle in (0.0, 90.0):
        bar = SolidBar(share=1.0, semi_major=20.0, angle=angle, axis_ratio=0.3, thickness=0.1)
        across, along, _ = seconds(points(disc(90, bar=bar)).image(SIZE, FIELD)[1])
        spreads.append(along)
        assert np.sqrt(across - 1 / 12) == pytest.approx(0.1 * 20 / np.sqrt(7), rel=0.03)
    assert np.sqrt(spreads[1] / spreads[0]) == pytest.approx(0.3, rel=0.03)
