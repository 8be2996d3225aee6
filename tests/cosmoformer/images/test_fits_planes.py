"""Which planes of a FITS file with several are classified, and how the result says so."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from cosmoformer.errors import ImageRejected
from cosmoformer.images.decoding import decode
from cosmoformer.images.fits import read_fits
from cosmoformer.images.picture import Limits, Picture
from cosmoformer.render import SAMPLES, render

LIMITS = Limits(image_bytes=32 << 20, image_pixels=32 << 20)
GALAXY = render(SAMPLES["two_armed_spiral"], size=96, seed=1).astype(np.float32)
GREY: NDArray[np.float32] = GALAXY.mean(axis=-1)
NOISE = np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)


def image(values: NDArray[np.generic], name: str = "", version: int = 0, **keywords: str) -> fits.ImageHDU:
    """An extension of this name."""
    made = fits.ImageHDU(values, fits.Header(keywords))
    made.header.update({"EXTNAME": name} if name else {})
    made.header.update({"EXTVER": version} if version else {})
    return made


def decoded(*extensions: fits.ImageHDU, primary: NDArray[np.generic] | None = None) -> Picture:
    """The picture of a file with these extensions."""
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(primary), *extensions]).writeto(stream)
    return decode(stream.getvalue(), LIMITS)


def pixels(values: NDArray[np.generic], **keywords: str) -> NDArray[np.uint8]:
    """What a file with this image alone gives."""
    stream = io.BytesIO()
    fits.PrimaryHDU(values, fits.Header(keywords)).writeto(stream)
    return read_fits(stream.getvalue(), LIMITS.image_pixels).pixels


def grey(picture: Picture) -> NDArray[np.uint8]:
    assert (picture.pixels == picture.pixels[..., :1]).all()
    return picture.pixels[..., 0]


@pytest.mark.parametrize(
    "name", ["ERR", "DQ", "WHT", "MASK", "VAR", "VAR_POISSON", "variance", "SCI_ERR", "err.1", "IVAR"]
)
def test_planes_about_the_picture_are_passed_over(name: str) -> None:
    """Errors, weights and masks are not classified, wherever they stand and however they are written."""
    picture = decoded(image(NOISE, name), image(GREY, "SCI"), image(NOISE, name))
    assert np.array_equal(grey(picture), pixels(GREY))
    assert picture.conversions == ("hdu_2_sci", "asinh_stretch")


def test_a_file_of_nothing_but_such_planes_shows_no_picture() -> None:
    """Where there is no image beside its errors, the rejection names what there is."""
    with pytest.raises(ImageRejected, match="only planes that are about an image, not an image: DQ, ERR") as caught:
        decoded(image(NOISE, "ERR"), image(NOISE, "DQ"))
    assert caught.value.code == "no_picture"


def test_the_lowest_version_of_the_science_extension_is_taken() -> None:
    """Of several chips under one name, EXTVER decides, not their order; a primary image of something else does not count."""
    picture = decoded(image(NOISE, "SCI", 2), image(GREY, "SCI", 1), primary=NOISE)
    assert np.array_equal(grey(picture), pixels(GREY))
    assert picture.conversions[0] == "hdu_2_sci"


def test_without_such_names_the_primary_image_is_taken() -> None:
    """The primary image comes before extensions whose names say nothing."""
    picture = decoded(image(NOISE, "THUMBNAIL"), image(NOISE), primary=GREY)
    assert np.array_equal(grey(picture), pixels(GREY))
    assert picture.conversions[0] == "hdu_0"


def test_one_image_alone_is_no_choice() -> None:
    """A file with one image says nothing of choices, whatever the image is called."""
    assert decoded(image(GREY, "night 1")).conversions == ("asinh_stretch",)


ORDERS: Mapping[str, tuple[tuple[str, str, str], str]] = {
    "sloan": (("g", "r", "i"), "bands_i_r_g"),
    "upper case, other order": (("I", "G", "R"), "bands_i_r_g"),
    "legacy": (("Z", "G", "R"), "bands_z_r_g"),
    "colours": (("R", "G", "B"), "bands_r_g_b"),
    "words": (("blue", "red", "green"), "bands_red_green_blue"),
    "infrared": (("J", "Ks", "H"), "bands_ks_h_j"),
    "with SCI": (("SCI_G", "SCI_R", "SCI_I"), "bands_i_r_g"),
}


@pytest.mark.parametrize("kind", ORDERS)
def test_three_bands_become_one_picture(kind: str) -> None:
    """Three extensions of one band each are red, green and blue by wavelength, whatever their order in the file."""
    names, note = ORDERS[kind]
    planes = dict(zip(note.upper().split("_")[1:], np.moveaxis(GALAXY, -1, 0), strict=True))
    by_name = {name: planes[name.upper().removeprefix("SCI_")] for name in names}
    picture = decoded(*(image(plane, name) for name, plane in by_name.items()), image(NOISE, "ERR"))
    assert np.array_equal(picture.pixels, pixels(np.moveaxis(GALAXY, -1, 0)))
    assert picture.conversions == (note, "asinh_stretch")


def test_the_filter_tells_the_band_where_the_name_does_not() -> None:
    """Extensions that are all called SCI are bands by their FILTER keyword."""
    planes = zip("irg", np.moveaxis(GALAXY, -1, 0), strict=True)
    extensions = [image(plane, "SCI", number, FILTER=f"{band} DECam") for number, (band, plane) in enumerate(planes, 1)]
    picture = decoded(*reversed(extensions))
    assert np.array_equal(picture.pixels, pixels(np.moveaxis(GALAXY, -1, 0)))


def test_of_more_than_three_bands_the_usual_three_are_taken() -> None:
    """Of five bands i, r and g make the picture."""
    planes = dict(zip("irg", np.moveaxis(GALAXY, -1, 0), strict=True)) | {"u": NOISE, "z": NOISE}
    picture = decoded(*(image(planes[band], band) for band in "ugriz"))
    assert picture.conversions[0] == "bands_i_r_g"
    assert np.array_equal(picture.pixels, pixels(np.moveaxis(GALAXY, -1, 0)))


def test_bands_of_different_sizes_are_not_mixed() -> None:
    """Bands that do not fit on one another give the one that shows most, and the result says which."""
    picture = decoded(image(NOISE[:90], "g"), image(GREY, "r"), image(NOISE, "i"))
    assert picture.conversions[0] == "hdu_2_r"
    assert np.array_equal(grey(picture), pixels(GREY))


@pytest.mark.parametrize(("bands", "note"), [("grz", "bands_z_r_g"), ("griz", "bands_i_r_g")])
def test_a_cube_whose_header_names_its_bands_is_ordered_by_them(bands: str, note: str) -> None:
    """A survey's cutout of three or four bands has the longest wavelength as red."""
    planes = {band: GREY * number for number, band in enumerate(note.upper().split("_")[1:], 1)}
    planes |= {band.upper(): NOISE for band in bands if band.upper() not in planes}
    stream = io.BytesIO()
    cube = np.stack([planes[band.upper()] for band in bands])
    fits.PrimaryHDU(cube, fits.Header({"BANDS": bands})).writeto(stream)
    picture = decode(stream.getvalue(), LIMITS)
    assert picture.conversions[0] == note
    expected = np.stack([planes[band] for band in note.upper().split("_")[1:]])
    assert np.array_equal(picture.pixels, pixels(expected))


def test_what_is_broken_behind_the_picture_does_no_harm() -> None:
    """A file whose later part is cut off still shows the picture that comes before it."""
    stream = io.BytesIO()
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=np.zeros(9000, np.float32))])
    fits.HDUList([fits.PrimaryHDU(GREY), table]).writeto(stream)
    picture = decode(stream.getvalue()[:-20_000], LIMITS)
    assert np.array_equal(grey(picture), pixels(GREY))
