"""Decode: the bytes of a file, to a square uint8 RGB array, or a rejection that a person understands.

Conversions, each noted in the result: the first frame of an animation, whole-number reduction of very large pictures, turning
by EXIF, 16 bits scaled to 8, transparency over black, colour space to RGB, black padding to a square.
"""

from __future__ import annotations

import gzip
import io
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cosmoformer.errors import ImageRejected
from cosmoformer.images.picture import WORKING_SIDE, Limits, Picture, check_size, too_large

Image.MAX_IMAGE_PIXELS = None  # :func:`decode` has its own limit, with its own words

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000")
FORMAT_NAMES = "JPEG, PNG, WebP, TIFF, GIF, BMP, JPEG 2000 and FITS"
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
FITS_MAGIC = b"SIMPLE  ="
GZIP_MAGIC = b"\x1f\x8b"

#: First bytes of files that people mistake for pictures, and what to call them.
KNOWN_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or office document"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML document"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x00\x1cftyp", "a HEIC, AVIF or video file"),
    (b"\x00\x00\x00\x18ftyp", "a HEIC, AVIF or video file"),
    (b"\x00\x00\x00 ftyp", "a HEIC, AVIF or video file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"{", "JSON text"),
)


def decode(content: bytes, limits: Limits) -> Picture:
    """Decode a file.

    Raises:
        ImageRejected: it is empty, too large, no image, in an unsupported format, damaged, or shows nothing.
    """
    if not content:
        raise ImageRejected("empty", "The file is empty.")
    if len(content) > limits.image_bytes:
        raise too_large(len(content), limits.image_bytes)
    if content.startswith(GZIP_MAGIC):
        content = _gunzip(content, limits.image_bytes)
    if content.startswith(FITS_MAGIC):
        from cosmoformer.images.fits import read_fits  # astropy is imported only when a FITS file arrives

        pixels, width, height = read_fits(content, limits.image_pixels)
        reduced = ["reduced"] if max(pixels.shape) < max(width, height) else []
        return _square(Image.fromarray(pixels).convert("RGB"), width, height, "FITS", [*reduced, "asinh_stretch"])
    image = _open(content, limits.image_pixels)
    name, conversions = str(image.format), list[str]()
    try:
        width, height = _stored_size(image)
        image = _load(image, conversions)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise almost anything on hostile bytes, and all of it means the same
        raise ImageRejected("damaged", f"The {name} file is damaged or cut off: {error}.") from None
    return _square(image, width, height, name, conversions)


def of_pixels(pixels: NDArray[np.uint8]) -> Picture:
    """The picture of an array of pixels that is decoded already: uint8 (H, W, 3) RGB, or (H, W) grey.

    Raises:
        ImageRejected: it is too small, or shows nothing.
    """
    height, width = pixels.shape[:2]
    check_size(width, height, limit=max(width * height, 1))
    return _square(Image.fromarray(pixels).convert("RGB"), width, height, "array", [])


def _gunzip(content: bytes, limit: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            unpacked = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ImageRejected("damaged", f"The gzip file is damaged or cut off: {error}.") from None
    if len(unpacked) > limit:
        raise ImageRejected("too_large", f"The file unpacks to more than {limit:,} bytes, the most that is classified.")
    if not unpacked.startswith(FITS_MAGIC):
        raise ImageRejected("unsupported_format", "The gzip file holds no FITS image.")
    return unpacked


def _open(content: bytes, limit: int) -> Image.Image:
    try:
        image: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
    except MemoryError:
        raise
    except Exception:  # as above: a header can break a decoder in many ways
        raise _unknown(content) from None
    check_size(*image.size, limit)
    return image


def _unknown(content: bytes) -> ImageRejected:
    start = content.lstrip()[:64]
    for magic, name in KNOWN_OTHERS:
        if start.lower().startswith(magic.lower()):
            return ImageRejected("unsupported_format", f"This is {name}. Supported are {FORMAT_NAMES}.")
    return ImageRejected("not_an_image", f"This is no image, or its header is damaged. Supported are {FORMAT_NAMES}.")


def _tiff_orientation(image: Image.Image) -> int:
    """The orientation of a TIFF: Pillow turns these while it loads them, and forgets the tag."""
    return int(getattr(image, "tag_v2", {}).get(EXIF_ORIENTATION, 1))


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in the file; Pillow gives those of a TIFF as they are after turning."""
    width, height = image.size
    return (height, width) if _tiff_orientation(image) in ON_THEIR_SIDE else (width, height)


def _load(image: Image.Image, conversions: list[str]) -> Image.Image:
    """Decode the pixels and bring them to 8-bit RGB, at most about twice :data:`WORKING_SIDE` a side."""
    if getattr(image, "is_animated", False):  # looks into the second frame, which may be the damaged one
        conversions.append("first_frame")
    full_width, turned = image.width, _tiff_orientation(image) in EXIF_TURNS
    if image.format == "JPEG" and min(image.size) > 2 * WORKING_SIDE:
        image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))  # decode at a fraction of the size: less memory, less time
    image.load()
    turn = EXIF_TURNS.get(image.getexif().get(EXIF_ORIENTATION, 1))
    if image.mode not in REDUCIBLE_MODES:
        image = _to_rgb(image, conversions)
    factor = max(image.size) // WORKING_SIDE
    if factor > 1:
        image = image.reduce(factor)
    if factor > 1 or image.width < full_width:
        conversions.append("reduced")
    if turn is not None:
        image = image.transpose(turn)
    if turned or turn is not None:
        conversions.append("exif_rotated")
    return _to_rgb(image, conversions)


def _to_rgb(image: Image.Image, conversions: list[str]) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        conversions.append("scaled_to_8_bit")
        image = Image.fromarray(_to_8_bit(np.asarray(image)))
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        conversions.append("transparency_over_black")
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (0, 0, 0, 255)), over)
    if image.mode != "RGB":
        if image.mode != "RGBA":
            conversions.append(f"{image.mode.lower()}_to_rgb")
        image = image.convert("RGB")
    return image


def _to_8_bit(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """16-bit integers by their full range; wider integers and floating point by their own."""
    unsigned_16 = values.dtype.kind == "u" and values.dtype.itemsize == 2  # in either byte order
    if unsigned_16 or (values.dtype.kind == "i" and values.min() >= 0 and 255 < values.max() < 65536):
        return np.round(values.astype(np.float32) / 257).astype(np.uint8)
    finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    return np.round((finite - low) / (high - low or 1.0) * 255).astype(np.uint8)


def _square(image: Image.Image, width: int, height: int, name: str, conversions: list[str]) -> Picture:
    pixels = np.array(image, dtype=np.uint8)
    if (pixels == pixels[0, 0]).all():  # before padding, whose black would make a difference
        raise ImageRejected("no_picture", "Every pixel of the picture has the same value.")
    if image.width != image.height:
        conversions.append("padded_to_square")
        pixels = np.array(_padded(image, max(image.size)), dtype=np.uint8)
    return Picture(pixels, width, height, name, tuple(conversions))


def _padded(image: Image.Image, side: int) -> Image.Image:
    square = Image.new("RGB", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square
