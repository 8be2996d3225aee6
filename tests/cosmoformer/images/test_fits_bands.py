"""Raw bands of FITS files: which planes they are, in their range, and what a file lacks."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from cosmoformer.errors import ImageRejected
from cosmoformer.images.decoding import decode
from cosmoformer.images.framing import WHOLE, Framing
from cosmoformer.images.picture import Limits, Picture
from cosmoformer.images.stretch import stretch
from tests.cosmoformer.images.test_fits_planes import image

LIMITS = Limits(image_bytes=32 << 20, image_pixels=32 << 20)
GRI = ("g", "r", "i")
#: Far beyond what eight bits hold, each band in its own range.
PLANES = {
    band: np.random.default_rng(seed).gamma(0.5, 1000.0 * 10**seed, (40, 40)).astype(np.float32)
    for seed, band in enumerate("ugriz")
}


def file_of(*units: fits.ImageHDU, primary: fits.PrimaryHDU | None = None) -> bytes:
    stream = io.BytesIO()
    fits.HDUList([primary or fits.PrimaryHDU(), *units]).writeto(stream)
    return stream.getvalue()


def cube(bands: str, header: str = "") -> bytes:
    values = np.stack([PLANES[band] for band in bands])
    return file_of(primary=fits.PrimaryHDU(values, fits.Header({"BANDS": header} if header else {})))


def raw(content: bytes, bands: tuple[str, ...] = GRI, framing: Framing = WHOLE) -> Picture:
    return decode(content, LIMITS, framing, bands)


def planes_of(picture: Picture) -> np.ndarray:
    assert picture.planes is not None and picture.planes.dtype == np.float32
    return picture.planes[::-1]  # the first row of a FITS file is the lowest


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (file_of(*(image(PLANES[band], band) for band in "igr")), "bands_g_r_i"),
        (file_of(*(image(PLANES[band], f"SCI_{band.upper()}") for band in "ugriz")), "bands_g_r_i"),
        (file_of(*(image(PLANES[band], "SCI", n, FILTER=band) for n, band in enumerate("rig", 1))), "bands_g_r_i"),
        (file_of(image(PLANES["u"], "ERR"), *(image(PLANES[band], band) for band in "gri")), "bands_g_r_i"),
        (cube("ugriz", "ugriz"), "bands_g_r_i"),
        (cube("irg", "IRG"), "bands_g_r_i"),
        (cube("gri"), "taken_for_g_r_i"),
    ],
    ids=["extensions", "SCI_x", "FILTER", "ERR first", "five planes", "other order", "no names"],
)
def test_bands_come_in_the_models_order_and_in_their_range(content: bytes, note: str) -> None:
    """Whatever a file calls them and however it orders them; nothing is stretched, and the result can say which they were."""
    picture = raw(content)
    assert np.array_equal(planes_of(picture), np.stack([PLANES[band] for band in GRI], axis=-1))
    assert picture.conversions == (note,)
    assert planes_of(picture).max() > 1e5


def test_a_model_of_one_band_takes_the_one_image() -> None:
    """Where nothing else can be meant, and a name only where it is the right one."""
    assert raw(file_of(image(PLANES["r"])), ("r",)).conversions == ("taken_for_r",)
    assert raw(file_of(image(PLANES["r"], "r"), image(PLANES["g"], "g")), ("r",)).conversions == ("bands_r",)
    with pytest.raises(ImageRejected, match="The model needs the bands r; the FITS file has g"):
        raw(file_of(image(PLANES["g"], "g")), ("r",))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (cube("gr"), "a cube of 2 planes without names of bands"),
        (cube("ugriz"), "a cube of 5 planes without names of bands"),
        (
            file_of(primary=fits.PrimaryHDU(np.ones((9, 16, 16), np.float32))),
            "a cube of 9 planes without names of bands",
        ),
        (cube("ug", "ug"), "u, g"),
        (file_of(image(PLANES["g"], "g"), image(PLANES["r"], "r")), "g, r"),
        (file_of(image(PLANES["g"])), "1 image without names of bands"),
        (file_of(image(PLANES["g"], "ERR"), image(PLANES["r"], "WHT")), "no image"),
        (file_of(), "no image"),
    ],
    ids=["two", "five", "nine", "named", "missing one", "one image", "errors only", "empty"],
)
def test_what_lacks_a_band_is_rejected_with_what_it_has(content: bytes, found: str) -> None:
    """Never the wrong plane in silence."""
    with pytest.raises(ImageRejected) as rejected:
        raw(content)
    assert rejected.value.code == "missing_bands"
    assert rejected.value.detail == f"The model needs the bands g, r, i; the FITS file has {found}."


def test_bands_of_different_sizes_are_rejected() -> None:
    """They are of different pixels."""
    content = file_of(image(PLANES["g"], "g"), image(PLANES["r"][:30], "r"), image(PLANES["i"], "i"))
    with pytest.raises(ImageRejected, match=r"have different sizes: 40 × 30, 40 × 40 pixels"):
        raw(content)


def test_a_file_of_another_kind_is_rejected() -> None:
    """A JPEG has no raw bands."""
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(stream, "JPEG")
    with pytest.raises(ImageRejected, match="needs the bands g, r, i of a FITS file; this is another kind of file"):
        raw(stream.getvalue())


@pytest.mark.parametrize(("value", "told"), [(0.0, "the same value in every pixel"), (np.nan, "no finite value")])
def test_a_band_that_shows_nothing_is_rejected_by_name(value: float, told: str) -> None:
    """All zero, or nothing finite."""
    content = file_of(image(PLANES["g"], "g"), image(np.full_like(PLANES["r"], value), "r"), image(PLANES["i"], "i"))
    with pytest.raises(ImageRejected, match=f"The band r of the FITS file has {told}"):
        raw(content)


def test_borders_that_are_not_finite_become_sky() -> None:
    """NaN and infinities are the band's median."""
    values = PLANES["g"].copy()
    values[:5], values[-1, -1] = np.nan, np.inf
    picture = raw(file_of(image(values, "g")), ("g",))
    plane = planes_of(picture)[..., 0]
    assert (plane[~np.isfinite(values)] == np.median(values[np.isfinite(values)])).all()
    assert np.array_equal(plane[5:-1], values[5:-1])


def test_bands_are_framed_and_padded_with_their_sky() -> None:
    """A zoom cuts every band alike; a side that is too short is filled with each band's median."""
    stream = file_of(*(image(PLANES[band][:20], band) for band in GRI))
    wide = raw(stream)
    assert wide.planes is not None and wide.planes.shape == (40, 40, 3)
    assert np.array_equal(wide.planes[0, 0], [np.median(PLANES[band][:20]) for band in GRI])
    assert wide.conversions == ("bands_g_r_i", "padded_to_square")
    close = raw(file_of(*(image(PLANES[band], band) for band in GRI)), framing=Framing(zoom=2))
    assert np.array_equal(planes_of(close)[..., 0], PLANES["g"][10:30, 10:30])
    assert close.conversions == ("bands_g_r_i", "zoomed")


def test_colours_are_kept_where_brightness_is_stretched() -> None:
    """Twice as red as green in the file is twice as red in the picture, faint or bright (Lupton et al. 2004)."""
    light = np.zeros((64, 64, 3), np.float32)
    light[20:30, 20:30] = (2, 1, 1)
    light[40:50, 40:50] = (40, 20, 20)
    light[55:60, 55:60] = 400
    pixels = stretch(light + np.array([100, 7, 3], np.float32)).astype(float)  # each band has a sky of its own
    for place in (25, 45):
        red, green, blue = pixels[place, place]
        assert red / green == pytest.approx(2, rel=0.05)
        assert green == blue
    assert pixels[0, 0].max() == 0
    assert pixels[57, 57].min() == 255
