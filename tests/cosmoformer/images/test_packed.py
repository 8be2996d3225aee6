"""FITS files that are packed as a whole."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable

import numpy as np
import pytest
from astropy.io import fits

from cosmoformer.errors import ImageRejected
from cosmoformer.images.decoding import decode
from cosmoformer.images.picture import Limits

LIMITS = Limits(image_bytes=4 << 20, image_pixels=1 << 20)
PACKERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "bzip2": bz2.compress}


def plain() -> bytes:
    stream = io.BytesIO()
    fits.PrimaryHDU(np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)).writeto(stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", PACKERS)
def test_a_packed_file_is_the_file_inside(name: str) -> None:
    """A .fits.gz or .fits.bz2 gives the picture of the .fits."""
    packed, unpacked = (decode(content, LIMITS) for content in (PACKERS[name](plain()), plain()))
    assert np.array_equal(packed.pixels, unpacked.pixels)
    assert packed.conversions == unpacked.conversions


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize(
    ("content", "cut", "code", "words"),
    [
        (b"hello", None, "unsupported_format", "holds no FITS image"),
        (b"<svg/>", None, "unsupported_format", "holds an SVG drawing, no FITS image"),
        (b"SIMPLE  =" + np.random.default_rng(0).bytes(9000), 300, "damaged", "damaged or cut off"),
        (b"SIMPLE  =" + bytes(5 << 20), None, "too_large", "unpacks to more than 4,194,304 bytes"),
    ],
)
def test_what_is_wrong_with_a_packed_file_is_told(
    name: str, content: bytes, cut: int | None, code: str, words: str
) -> None:
    """A packed file that is damaged, too large or holds something else is refused as that, without unpacking all of it."""
    with pytest.raises(ImageRejected, match=words) as caught:
        decode(PACKERS[name](content)[:cut], LIMITS)
    assert caught.value.code == code
    assert name in caught.value.detail or code == "too_large"
