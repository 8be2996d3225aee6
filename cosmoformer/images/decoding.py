"""Decode: the bytes of a file, to a square uint8 RGB array, or a rejection that a person understands.

Conversions, each noted in the result: the first frame of an animation, the centre alone (``zoomed``) or black around
all of it (``widened``) where the galaxy's size is known, whole-number reduction of very large pictures, turning by EXIF, 16 bits
scaled to 8, transparency over black, colour space to RGB, black padding to a square.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cosmoformer.errors import ImageRejected
from cosmoformer.images.depth import to_8_bit
from cosmoformer.images.formats import FORMATS, SUPPORTED, what_else
from cosmoformer.images.framing import WHOLE, Framing, centre, notes_of_square, square_side
from cosmoformer.images.packed import is_packed, unpack
from cosmoformer.images.picture import FITS_MAGIC, Limits, Picture, check_size, too_large
from cosmoformer.images.pixels_at_work import PIXELS_AT_WORK
from cosmoformer.images.sizes import WORKING_SIDE
from cosmoformer.images.sky import NOWHERE, Sky

Image.MAX_IMAGE_PIXELS = None  # :func:`decode` has its own limit, with its own words

DECODERS = tuple(known.decoder for known in FORMATS if known.decoder)
REDUCIBLE_MODES = ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F")
EXIF_ORIENTATION = 0x0112
#: What brings a picture upright, by its EXIF orientation (CIPA DC-008, table "Orientation").
EXIF_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_THEIR_SIDE = (5, 6, 7, 8)  # of these, the orientations that swap width and height


def decode(content: bytes, limits: Limits, framing: Framing = WHOLE, bands: Sequence[str] = ()) -> Picture:
    """Decode a file.

    Args:
        content: of the file.
        limits: what is decoded at most.
        framing: how much of the picture is shown.
        bands: names of those that the model takes raw; none for a model of pictures.

    Raises:
        ImageRejected: it is empty, too large, no image, in an unsupported format, damaged, or shows nothing.
    """
    if not content:
        raise ImageRejected("empty", "The file is empty.")
    if len(content) > limits.image_bytes:
        raise too_large(len(content), limits.image_bytes)
    if is_packed(content):
        content = unpack(content, limits.image_bytes)
    if bands:
        from cosmoformer.images.raw import decode_bands  # which needs astropy, as all FITS files do

        return decode_bands(content, limits, framing, bands)
    if content.startswith(FITS_MAGIC):
        return _decode_fits(content, limits, framing)
    image = _open(content, limits.image_pixels)
    name, conversions = str(image.format), list[str]()
    with PIXELS_AT_WORK.holding(image.width * image.height, limits.image_pixels):
        try:
            width, height = _stored_size(image)
            zoom = framing.zoom_of(width, height)
            image = _load(image, zoom, conversions)
        except MemoryError:
            raise
        except Exception as error:  # decoders raise almost anything on hostile bytes, and all of it means the same
            raise ImageRejected("damaged", f"The {name} file is damaged or cut off: {error}.") from None
        return _square(image, width, height, name, conversions, zoom)


def _decode_fits(content: bytes, limits: Limits, framing: Framing) -> Picture:
    from cosmoformer.images.fits import read_fits  # astropy is imported only when a FITS file arrives

    found = read_fits(content, limits.image_pixels, framing)
    notes = [found.note] if found.note else []
    notes += ["reduced"] * found.reduced + ["asinh_stretch"] + ["zoomed"] * (found.zoom > 1)
    image = Image.fromarray(found.pixels).convert("RGB")
    return _square(image, found.width, found.height, "FITS", notes, found.zoom, found.sky)


def of_pixels(pixels: NDArray[np.uint8], framing: Framing = WHOLE) -> Picture:
    """The picture of an array of pixels that is decoded already: uint8 (H, W, 3) RGB, or (H, W) grey.

    Raises:
        ImageRejected: it is too small, or shows nothing.
    """
    height, width = pixels.shape[:2]
    check_size(width, height, limit=max(width * height, 1))
    zoom, notes = framing.zoom_of(width, height), list[str]()
    return _square(_centre(Image.fromarray(pixels).convert("RGB"), zoom, notes), width, height, "array", notes, zoom)


def _open(content: bytes, limit: int) -> Image.Image:
    try:
        image: Image.Image = Image.open(io.BytesIO(content), formats=DECODERS)
    except MemoryError:
        raise
    except Exception:  # as above: a header can break a decoder in many ways
        raise _unknown(content) from None
    check_size(*image.size, limit)
    return image


def _unknown(content: bytes) -> ImageRejected:
    if name := what_else(content):
        return ImageRejected("unsupported_format", f"This is {name}. Supported are {SUPPORTED}.")
    return ImageRejected("not_an_image", f"This is no image, or its header is damaged. Supported are {SUPPORTED}.")


def _tiff_orientation(image: Image.Image) -> int:
    """The orientation of a TIFF: Pillow turns these while it loads them, and forgets the tag."""
    return int(getattr(image, "tag_v2", {}).get(EXIF_ORIENTATION, 1))


def _exif_turn(image: Image.Image) -> Image.Transpose | None:
    """What brings a picture upright; None where its EXIF says nothing, or is garbage, which cameras and tools write often."""
    try:
        return EXIF_TURNS.get(image.getexif().get(EXIF_ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception:  # a few bytes can break the reader in many ways; the picture is sound all the same
        return None


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in the file; Pillow gives those of a TIFF as they are after turning."""
    width, height = image.size
    return (height, width) if _tiff_orientation(image) in ON_THEIR_SIDE else (width, height)


def _load(image: Image.Image, zoom: float, conversions: list[str]) -> Image.Image:
    """Decode the pixels that are shown and bring them to 8-bit RGB, at most about twice :data:`WORKING_SIDE` a side."""
    if getattr(image, "is_animated", False):  # looks into the second frame, which may be the damaged one
        conversions.append("first_frame")
    full_width, turned = image.width, _tiff_orientation(image) in EXIF_TURNS
    side = round(WORKING_SIDE * max(zoom, 1))  # of the whole, so that as much of it is left as is worked with
    if image.format == "JPEG" and min(image.size) > 2 * side:
        image.draft("RGB", (side, side))  # decode at a fraction of the size: less memory, less time
    image.load()
    reduced = image.width < full_width
    image = _centre(image, zoom, conversions)
    turn = _exif_turn(image)
    if image.mode not in REDUCIBLE_MODES:
        image = _to_rgb(image, conversions)
    factor = max(image.size) // WORKING_SIDE
    if factor > 1:
        image = image.reduce(factor)
    if factor > 1 or reduced:
        conversions.append("reduced")
    if turn is not None:
        image = image.transpose(turn)
    if turned or turn is not None:
        conversions.append("exif_rotated")
    return _to_rgb(image, conversions)


def _to_rgb(image: Image.Image, conversions: list[str]) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values, note = to_8_bit(np.asarray(image))
        conversions.append(note)
        image = Image.fromarray(values)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        conversions.append("transparency_over_black")
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (0, 0, 0, 255)), over)
    if image.mode != "RGB":
        if image.mode != "RGBA":
            conversions.append(f"{image.mode.lower()}_to_rgb")
        image = image.convert("RGB")
    return image


def _centre(image: Image.Image, zoom: float, conversions: list[str]) -> Image.Image:
    """The centre of a picture that is shown larger; of a longer side no more is taken, and a shorter one stays as it is."""
    if zoom <= 1:
        return image
    conversions.append("zoomed")
    return image.crop(centre(*image.size, zoom))


def _square(
    image: Image.Image,
    width: int,
    height: int,
    name: str,
    conversions: list[str],
    zoom: float = 1.0,
    sky: Sky = NOWHERE,
) -> Picture:
    pixels = np.array(image, dtype=np.uint8)
    if (pixels == pixels[0, 0]).all():  # before padding, whose black would make a difference
        raise ImageRejected("no_picture", "Every pixel of the picture has the same value.")
    factor, notes = notes_of_square(*image.size, zoom)
    conversions += notes
    if factor > 1:
        image = image.reduce(factor)
    side = square_side(*image.size, zoom)
    if image.size != (side, side):
        pixels = np.array(_padded(image, side), dtype=np.uint8)
    return Picture(pixels, width, height, name, tuple(conversions), zoom, sky)


def _padded(image: Image.Image, side: int) -> Image.Image:
    square = Image.new("RGB", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square
