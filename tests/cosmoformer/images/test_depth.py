"""From many bits to eight: which values are black and white."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image

from cosmoformer.images.decoding import decode
from cosmoformer.images.depth import to_8_bit
from cosmoformer.images.picture import Limits
from cosmoformer.render import SAMPLES, render

LIMITS = Limits(image_bytes=32 << 20, image_pixels=32 << 20)
GREY: NDArray[np.float32] = render(SAMPLES["two_armed_spiral"], size=96, seed=1).astype(np.float32).mean(axis=-1)


def saved(values: NDArray[np.generic], form: str) -> bytes:
    stream = io.BytesIO()
    if form == "FITS":
        fits.PrimaryHDU(values).writeto(stream)
    else:
        Image.fromarray(values).save(stream, form)
    return stream.getvalue()


def pixels(values: NDArray[np.generic], form: str) -> NDArray[np.uint8]:
    return decode(saved(values, form), LIMITS).pixels[..., 0]


@pytest.mark.parametrize("form", ["TIFF", "FITS"])
@pytest.mark.parametrize("hot", [1e38, -1e38, 1e9, np.inf, -np.inf, np.nan])
def test_one_hot_pixel_does_no_harm(form: str, hot: float) -> None:
    """A pixel out of all proportion changes nothing but itself in a floating-point image."""
    spoilt = GREY.copy()
    spoilt[5, 7] = hot
    clean, found = pixels(GREY, form).astype(int), pixels(spoilt, form).astype(int)
    assert np.count_nonzero(np.abs(clean - found) > 3) <= 1


@pytest.mark.parametrize("form", ["TIFF", "FITS"])
def test_one_hot_pixel_does_no_harm_on_an_empty_sky(form: str) -> None:
    """The same holds where all but a few pixels have one value."""
    few = np.full((96, 96), 3, np.float32)
    few[40:44, 40:44] = np.arange(16).reshape(4, 4) + 4
    spoilt = few.copy()
    spoilt[5, 7] = 1e38
    clean, found = pixels(few, form).astype(int), pixels(spoilt, form).astype(int)
    assert np.count_nonzero(np.abs(clean - found) > 3) <= 1


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_a_sound_image_spans_its_least_to_its_greatest_value(dtype: type[np.generic]) -> None:
    """Without such pixels the scale is linear from the least to the greatest value, bright stars included."""
    values = (GREY * 1000 - 70_000).astype(dtype)
    values[10, 10] = 5 * np.float64(values.max())
    found, note = to_8_bit(values)
    low, high = float(values.min()), float(values.max())
    assert np.array_equal(found, np.round((values.astype(float) - low) / (high - low) * 255).astype(np.uint8))
    assert note == "scaled_to_8_bit"


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("greatest", [4, 126, 255, 300, 2000])
def test_small_values_in_16_bits_have_content(form: str, greatest: int) -> None:
    """A 16-bit picture of which hardly a level would be left is scaled by its own range, and says so."""
    values = np.round(GREY / GREY.max() * greatest).astype(np.uint16)
    picture = decode(saved(values, form), LIMITS)
    assert picture.pixels.max() == 255
    assert len(np.unique(picture.pixels)) > min(greatest, 100) / 2
    assert "scaled_by_own_range" in picture.conversions
