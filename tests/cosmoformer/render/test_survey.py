"""What the renderer's survey does to light: seeing, noise and the stretch to eight bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cosmoformer.render import SDSS
from cosmoformer.render.survey import Stretch, blur, moffat, noise

FIELD = 60.0  # arcsec


def test_seeing_conserves_flux_and_has_its_width() -> None:
    """A point source keeps its flux through the Moffat convolution and is half as bright at half of the width."""
    image = np.zeros((1, 129, 129))
    image[0, 64, 64] = 1000.0
    blurred = blur(image, fwhm=6.0, beta=3.0)
    assert blurred.sum() == pytest.approx(1000.0, rel=1e-4)
    assert blurred[0, 64, 67] / blurred[0, 64, 64] == pytest.approx(0.5, abs=1e-6)
    assert moffat(np.array([3.0]), fwhm=6.0, beta=3.0)[0] == pytest.approx(0.5)


def test_seeing_does_not_wrap_around_the_edges() -> None:
    """Light blurred over one edge does not come back at the other."""
    image = np.zeros((1, 64, 64))
    image[0, 0, 32] = 1.0
    blurred = blur(image, fwhm=6.0, beta=3.0)
    assert blurred[0, 63, 32] < 1e-3 * blurred[0, 1, 32]


def test_noise_falls_with_the_square_root_of_the_exposure() -> None:
    """Four times the exposure halves the noise of an empty sky."""
    sky = np.zeros((3, 128, 128))
    short, long = (
        noise(sky, field_of_view=FIELD, survey=survey, rng=np.random.default_rng(1)).std()
        for survey in (SDSS, replace(SDSS, exposure=4 * SDSS.exposure))
    )
    assert short / long == pytest.approx(2.0, rel=1e-6)


def test_bright_sources_are_noisier_than_the_sky() -> None:
    """A source three times as bright as the sky doubles the noise: its photons are counted too."""
    sky = np.broadcast_to(SDSS.sky_brightness[:, None, None], (3, 128, 128))
    empty = noise(0 * sky, field_of_view=FIELD, survey=SDSS, rng=np.random.default_rng(2)).std()
    bright = noise(3 * sky, field_of_view=FIELD, survey=SDSS, rng=np.random.default_rng(2)).std()
    assert bright / empty == pytest.approx(2.0, rel=1e-6)


def test_noise_has_the_grain_of_the_cameras_pixels() -> None:
    """Neighbouring pixels of an enlarged cut-out share noise; of one that is not enlarged they do not."""

    def correlation(size: int) -> float:
        drawn = noise(np.zeros((3, size, size)), field_of_view=50.0, survey=SDSS, rng=np.random.default_rng(3))[0]
        return float(np.corrcoef(drawn[:, 1:].ravel(), drawn[:, :-1].ravel())[0, 1])

    assert correlation(size=424) > 0.8
    assert abs(correlation(size=126)) < 0.1


def test_stretch_keeps_the_hue_of_saturated_pixels() -> None:
    """A pixel too bright to show is dimmed, not whitened."""
    stretch = Stretch()
    bright = np.array([3.0, 2.0, 1.0])[:, None, None] / np.array(stretch.gains)[:, None, None] * 1000
    red, green, blue = (int(level) for level in stretch(bright)[0, 0])
    assert red == 255
    assert green / red == pytest.approx(2 / 3, abs=0.01)
    assert blue / red == pytest.approx(1 / 3, abs=0.01)


def test_stretch_shows_the_sky_nearly_black_and_white_as_white() -> None:
    """Empty sky is a few levels above 0, and grey light of the white level is 255."""
    stretch = Stretch()
    grey = 1 / np.array(stretch.gains)[:, None, None]
    assert 0 < stretch(0 * grey).max() < 8
    assert stretch(grey * stretch.white).min() >= 254
