"""Framing: how much of a picture is shown, by a zoom or by the galaxy's size."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from cosmoformer.images.decoding import decode, of_pixels
from cosmoformer.images.framing import WHOLE, Framing
from cosmoformer.images.picture import Limits
from cosmoformer.images.sizes import WORKING_SIDE
from cosmoformer.images.sky import NOWHERE

LIMITS = Limits(image_bytes=64 << 20, image_pixels=32 << 20)


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_zoom_shows_the_centre_alone() -> None:
    """Twice as large means the central half of the side, pixel by pixel, and the result can say so."""
    pixels = noise(96, 96)
    picture = decode(encoded(pixels), LIMITS, Framing(zoom=2))
    assert np.array_equal(picture.pixels, pixels[24:72, 24:72])
    assert (picture.width, picture.height, picture.zoom, picture.conversions) == (96, 96, 2, ("zoomed",))


def test_a_zoom_below_one_shows_the_picture_with_black_around() -> None:
    """Half as large means the picture in the middle of a square of twice its side."""
    pixels = noise(48, 48)
    picture = decode(encoded(pixels), LIMITS, Framing(zoom=0.5))
    assert picture.pixels.shape == (96, 96, 3)
    assert np.array_equal(picture.pixels[24:72, 24:72], pixels)
    assert picture.pixels.sum() == pixels.sum(dtype=np.uint64)
    assert picture.conversions == ("widened",)


def test_a_large_picture_is_reduced_before_it_is_widened() -> None:
    """The square around it stays about as large as what is worked with, however much sky is asked for."""
    picture = decode(encoded(noise(1600, 1600)), LIMITS, Framing(zoom=0.25))
    assert max(picture.pixels.shape) < 2 * WORKING_SIDE
    assert picture.conversions == ("widened", "reduced")


@pytest.mark.parametrize(("height", "width"), [(40, 100), (100, 40)])
def test_a_zoom_of_an_oblong_picture_is_that_of_its_longer_side(height: int, width: int) -> None:
    """The square around the whole picture is what is zoomed into: of 100 x 40 at 2, a square of 50 with all 40."""
    pixels = noise(height, width)
    picture = decode(encoded(pixels), LIMITS, Framing(zoom=2))
    whole = decode(encoded(pixels), LIMITS).pixels
    assert np.array_equal(picture.pixels, whole[25:75, 25:75])
    assert picture.conversions == ("zoomed", "padded_to_square")


def test_the_size_of_the_galaxy_tells_the_zoom() -> None:
    """A galaxy of 10 arcsec at 0.5 arcsec a pixel, shown in 8 radii, takes 160 of 480 pixels."""
    framing = Framing(radius_arcsec=10, pixel_scale=0.5, radii=8)
    picture = of_pixels(noise(480, 480), framing)
    assert (picture.zoom, picture.pixels.shape) == (3, (160, 160, 3))


def test_an_image_that_is_framed_as_the_model_learned_stays_as_it_is() -> None:
    """A Galaxy Zoo cut-out, 424 pixels of 0.02 radii, is shown whole."""
    pixels = noise(424, 424)
    picture = of_pixels(pixels, Framing(radius_arcsec=7.3, pixel_scale=0.02 * 7.3, radii=424 * 0.02))
    assert (picture.zoom, picture.conversions) == (1, ())
    assert np.array_equal(picture.pixels, pixels)


@pytest.mark.parametrize(
    "framing",
    [
        WHOLE,
        Framing(radius_arcsec=10, pixel_scale=0.5),
        Framing(radius_arcsec=10, radii=8),
        Framing(pixel_scale=0.5, radii=8),
        Framing(radius_arcsec=1e-3, pixel_scale=0.5, radii=8),
        Framing(radius_arcsec=1e6, pixel_scale=0.5, radii=8),
    ],
)
def test_what_does_not_tell_a_zoom_shows_all(framing: Framing) -> None:
    """Without size, scale or a model that wants radii, or with a size that cannot be right, nothing is cut."""
    assert framing.zoom_of(480, 480) == 1


def test_a_large_picture_is_cut_before_it_is_reduced() -> None:
    """Of 4,000 pixels at zoom 8 all 500 in the centre are kept, not the eighth of a reduced picture."""
    pixels = np.repeat(np.repeat(noise(500, 500), 8, axis=0), 8, axis=1)
    picture = decode(encoded(pixels, "JPEG", quality=95), LIMITS, Framing(zoom=8))
    assert picture.pixels.shape == (500, 500, 3)
    assert abs(picture.pixels.astype(int) - pixels[1750:2250, 1750:2250]).mean() < 12  # all that JPEG loses of noise


def test_the_centre_of_a_turned_picture_is_its_centre() -> None:
    """EXIF turns what is shown, which is the same square whichever way the camera was held."""
    pixels = noise(60, 90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(encoded(pixels, exif=exif), LIMITS, Framing(zoom=3))
    assert np.array_equal(turned.pixels, np.rot90(pixels[15:45, 30:60], -1))


def test_only_framings_that_show_another_picture_have_an_identity() -> None:
    """Judgements of a picture as it is are known by its bytes alone, whichever way nothing was told."""
    assert {framing.identity for framing in (WHOLE, Framing(zoom=1), Framing(radius_arcsec=3), Framing(radii=8))} == {
        ""
    }
    shown = [Framing(zoom=2), Framing(zoom=3), Framing(radius_arcsec=3, radii=8), Framing(radius_arcsec=4, radii=8)]
    assert len({framing.identity for framing in shown}) == len(shown)


def with_wcs(pixels: np.ndarray, **cards: object) -> bytes:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [187.7059, 12.3911]
    wcs.wcs.crpix = [(pixels.shape[1] + 1) / 2, (pixels.shape[0] + 1) / 2]
    wcs.wcs.cdelt = [-0.396 / 3600, 0.396 / 3600]
    unit = fits.PrimaryHDU(pixels, header=wcs.to_header())
    unit.header.update(cards)
    file = io.BytesIO()
    unit.writeto(file)
    return file.getvalue()


def large_fits(pixels: np.ndarray, *, tiled: bool) -> bytes:
    file = io.BytesIO()
    unit = fits.CompImageHDU(pixels, compression_type="GZIP_2", quantize_level=0) if tiled else fits.PrimaryHDU(pixels)
    unit.writeto(file)
    return file.getvalue()


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(("zoom", "side", "reduced"), [(8, 391, False), (1.5, 1043, True)])
def test_a_zoom_into_a_large_fits_file_keeps_its_detail(zoom: float, side: int, reduced: bool, tiled: bool) -> None:
    """What is shown is cut out before it is reduced, so that it has no fewer pixels than a file of that part alone."""
    pixels = np.random.default_rng(3).normal(size=(2501, 3127)).astype(np.float32)
    part = pixels[(2501 - 391) // 2 :][:391, (3127 - 391) // 2 :][:, :391]
    for bands in ((), ("r",)):
        picture = decode(large_fits(pixels, tiled=tiled), LIMITS, Framing(zoom=zoom), bands)
        assert picture.pixels.shape == (side, side, 3)
        assert ("reduced" in picture.conversions, "zoomed" in picture.conversions) == (reduced, True)
        if picture.planes is not None and not reduced:
            assert np.array_equal(picture.planes[..., 0], part[::-1])
        if not reduced:
            assert np.corrcoef(picture.pixels[..., 0].ravel(), part[::-1].ravel())[0, 1] > 0.8


def test_the_stretch_of_a_part_is_that_of_the_whole() -> None:
    """The sky around a galaxy is no part of what is shown of it, and stays black."""
    pixels = np.random.default_rng(3).normal(size=(2100, 2100)).astype(np.float32)
    pixels[980:1120, 980:1120] += 500
    picture = decode(large_fits(pixels, tiled=False), LIMITS, Framing(zoom=14))
    assert picture.pixels.shape == (150, 150, 3)
    assert picture.pixels[5:145, 5:145].min() > 200
    assert picture.pixels[:5].max() < 20


def test_a_fits_header_tells_name_place_and_scale() -> None:
    """OBJECT and the World Coordinate System at the image's centre are read; the scale makes a size a zoom."""
    content = with_wcs(np.random.default_rng(1).normal(size=(200, 300)).astype(np.float32), OBJECT="M 87")
    picture = decode(content, LIMITS, Framing(radius_arcsec=5, radii=8))
    assert picture.sky.object_id == "M 87"
    assert picture.sky.ra == pytest.approx(187.7059, abs=1e-7)
    assert picture.sky.dec == pytest.approx(12.3911, abs=1e-7)
    assert picture.sky.pixel_scale == pytest.approx(0.396)
    assert picture.zoom == pytest.approx(300 * 0.396 / 40, abs=1e-4)
    assert "zoomed" in picture.conversions


def test_a_galactic_world_coordinate_system_is_told_in_icrs() -> None:
    """Whatever frame the header is in, right ascension and declination come out."""
    header = {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "CRVAL1": 0.0, "CRVAL2": 90.0, "CRPIX1": 8.5, "CRPIX2": 8.5}
    unit = fits.PrimaryHDU(np.random.default_rng(1).normal(size=(16, 16)).astype(np.float32))
    unit.header.update(header | {"CDELT1": -0.001, "CDELT2": 0.001})
    file = io.BytesIO()
    unit.writeto(file)
    sky = decode(file.getvalue(), LIMITS).sky
    assert (sky.ra, sky.dec) == (pytest.approx(192.85948, abs=1e-4), pytest.approx(27.12825, abs=1e-4))


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"CTYPE1": "RA---TAN"},
        {"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL2": 400.0},
        {"CTYPE1": "FREQ", "CTYPE2": "STOKES"},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 1.0, "CRVAL2": 1.0, "CD1_1": 0.0, "CD2_2": 0.0},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 1.0, "CRVAL2": 1.0},
        {"PIXSCALE": "wide"},
        {"PIXSCALE": -0.0},
        {"OBJECT": ""},
    ],
)
def test_a_header_that_tells_no_place_costs_nothing(cards: dict[str, object]) -> None:
    """A picture with half a World Coordinate System, or nonsense for one, is decoded all the same."""
    unit = fits.PrimaryHDU(np.random.default_rng(1).normal(size=(16, 16)).astype(np.float32))
    unit.header.update(cards)
    file = io.BytesIO()
    unit.writeto(file)
    assert decode(file.getvalue(), LIMITS).sky == NOWHERE


def test_a_scale_stands_in_for_a_world_coordinate_system() -> None:
    """PIXSCALE alone tells the side of a pixel."""
    unit = fits.PrimaryHDU(np.random.default_rng(1).normal(size=(16, 16)).astype(np.float32))
    unit.header["PIXSCALE"] = 0.262
    file = io.BytesIO()
    unit.writeto(file)
    assert decode(file.getvalue(), LIMITS).sky.pixel_scale == 0.262
