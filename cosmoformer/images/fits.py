"""FITS images (Pence et al. 2010), stretched to what the eye, and the model, is used to.

A pixel value v becomes asinh(10 (v - b) / (w - b)) / asinh(10), clipped to 0..1, after Lupton et al. 2004, where b is the
median (the sky) and w the 99.7th percentile over all planes. Values that are not finite become sky.

A large image is averaged over blocks of pixels first, finite values only. It is read as stored, some rows at a time, and its
scaling (FITS standard 4.0, section 4.4.2.5) applied here: astropy would make whole copies of it in floating point.
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from cosmoformer.errors import ImageRejected
from cosmoformer.images.picture import WORKING_SIDE, check_size

SOFTENING = 10.0
WHITE_PERCENTILE = 99.7
CHUNK_VALUES = 1 << 20  # converted to floating point at a time
LARGEST_TILE = 256 << 20  # bytes that one compressed tile, or one row of tiles, may unpack to
MOST_TILES = 100_000  # each takes some ten microseconds, however small
FITS_BLOCK = 2880  # bytes; files are padded to a multiple of it, and some writers leave the last padding out
COLOURS = 3


def read_fits(content: bytes, max_pixels: int) -> tuple[NDArray[np.uint8], int, int]:
    """The first image of a FITS file: 2-D, or a cube of three colour planes (red, green, blue).

    Returns:
        uint8 (H, W) or (H, W, 3) after reduction and stretch, first row on top as displays of FITS have it reversed; width
        and height in the file in pixels.

    Raises:
        ImageRejected: there is no such image in it, it is damaged, or has more than ``max_pixels``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy warns of every oddity; what matters raises
            with fits.open(
                io.BytesIO(content), memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True
            ) as units:
                unit = next((unit for unit in units if _is_picture(getattr(unit, "shape", ()))), None)
                if unit is None:
                    raise ImageRejected("no_picture", "The FITS file holds no 2-D image and no cube of three planes.")
                height, width = _height_and_width(unit.shape)
                check_size(width, height, max_pixels)
                _check_complete(unit, content)
                values = _reduced(unit, max(height, width) // WORKING_SIDE or 1)
    except (ImageRejected, MemoryError):
        raise
    except Exception as error:  # astropy raises almost anything on hostile headers, and all of it means the same
        raise ImageRejected("damaged", f"The FITS file is damaged or cut off: {error}.") from None
    return stretch(values)[::-1], width, height


def _axes(shape: tuple[int, ...]) -> list[int]:
    """Which axes hold more than one value."""
    return [axis for axis, side in enumerate(shape) if side != 1]


def _is_picture(shape: tuple[int, ...]) -> bool:
    axes = _axes(shape)
    return len(axes) == 2 or (len(axes) == 3 and COLOURS in (shape[axes[0]], shape[axes[-1]]))


def _plane_first(shape: tuple[int, ...]) -> bool:
    axes = _axes(shape)
    return len(axes) == 3 and shape[axes[0]] == COLOURS


def _height_and_width(shape: tuple[int, ...]) -> tuple[int, int]:
    axes = _axes(shape)[1:] if _plane_first(shape) else _axes(shape)
    return shape[axes[0]], shape[axes[1]]


def _check_complete(unit: Any, content: bytes) -> None:
    """Check that the file holds all that the header promises, and that no tile unpacks to more than it should.

    Raises:
        ImageRejected: it does not.
    """
    place, tiled = unit.fileinfo(), hasattr(unit, "tile_shape")
    end = place["datLoc"] + (place["datSpan"] - FITS_BLOCK + 1 if tiled else unit.size)
    if end > len(content):
        raise ImageRejected(
            "damaged", f"The FITS file is cut off: its header promises {end:,} bytes or more, it has {len(content):,}."
        )
    if tiled:
        _check_tiles(unit)
        _check_unpacked(unit, content, place["datLoc"])


def _itemsize(unit: Any) -> int:
    return abs(int(unit.header["BITPIX"])) // 8


def _check_tiles(unit: Any) -> None:
    shape, tile = unit.shape, unit.tile_shape
    if len(tile) != len(shape) or min(tile) < 1:
        raise ImageRejected("damaged", f"The FITS file is damaged: tiles of {tile} in an image of {shape}.")
    rows = _axes(shape)[1 if _plane_first(shape) else 0]
    read = [min(tile[axis], side) if axis <= rows else side for axis, side in enumerate(shape)]
    count = int(np.prod([-(-side // length) for side, length in zip(shape, tile, strict=True)], dtype=object))
    if int(np.prod(read, dtype=object)) * _itemsize(unit) > LARGEST_TILE or count > MOST_TILES:
        raise ImageRejected(
            "too_many_pixels",
            f"The FITS image is compressed in {count:,} tiles of {tile}; at most {MOST_TILES:,} tiles, and {LARGEST_TILE:,} "
            "bytes in a row of them, are unpacked. Compress it by rows, as fpack does.",
        )


def _check_unpacked(unit: Any, content: bytes, start: int) -> None:
    """Check what the gzip streams and the headers of H-compress streams of all tiles promise; astropy trusts them."""
    table = unit.compressed_data
    heap = start + int(table._heapoffset)
    pixels = int(np.prod([min(pair) for pair in zip(unit.tile_shape, unit.shape, strict=True)], dtype=object))
    for name in ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"):
        algorithm = unit.compression_type if name == "COMPRESSED_DATA" else "GZIP_1"
        tiles = np.asarray(table[name]) if name in table.dtype.names else np.empty((0, 2), np.int64)
        if int(tiles[:, 0].sum()) > len(content):
            raise ImageRejected("damaged", "The FITS file is damaged: its tiles have more bytes than the file.")
        for size, offset in tiles[tiles[:, 0] > 0]:
            stream = content[heap + int(offset) : heap + int(offset) + int(size)]
            if algorithm.startswith("GZIP"):
                fits_in = _unpacks_within(stream, pixels * max(_itemsize(unit), 4))
            else:
                sides = np.frombuffer(stream[2:10], ">i4") if algorithm == "HCOMPRESS_1" else np.ones(2)
                fits_in = sides.min() > 0 and int(sides[0]) * int(sides[1]) <= pixels
            if not fits_in:
                raise ImageRejected("damaged", "The FITS file is damaged: a tile unpacks to more pixels than it has.")


def _unpacks_within(stream: bytes, limit: int) -> bool:
    unpacker = zlib.decompressobj(wbits=31)
    unpacked = unpacker.decompress(stream, limit + 1)
    return len(unpacked) <= limit and not unpacker.unused_data.strip(b"\0")  # no second gzip stream behind the first


def _chunks(unit: Any) -> Iterator[tuple[int, int | None, NDArray[np.generic]]]:
    """The stored values by chunks of rows: the first row, which plane if it is one of three, and (rows, W) or (rows, W, 3)."""
    shape: tuple[int, ...] = unit.shape
    height, width = _height_and_width(shape)
    axes, first = _axes(shape), _plane_first(shape)
    rows_axis = axes[1] if first else axes[0]
    inner = (width,) if first or len(axes) == 2 else (width, COLOURS)
    rows = max(1, CHUNK_VALUES // int(np.prod(inner)))
    tile = unit.tile_shape[rows_axis] if hasattr(unit, "tile_shape") else 1
    step = max(1, rows // tile) * tile  # whole tiles, or each would be unpacked again for every chunk
    key: list[int | slice] = [slice(None) if axis in axes else 0 for axis in range(len(shape))]
    for plane in range(COLOURS) if first else (None,):
        if plane is not None:
            key[axes[0]] = plane
        for start in range(0, height, step):
            key[rows_axis] = slice(start, min(start + step, height))
            stored = np.asarray(unit.section[tuple(key)]).reshape(-1, *inner)
            for row in range(0, len(stored), rows):
                yield start + row, plane, stored[row : row + rows]


def _physical(stored: NDArray[np.generic], header: fits.Header) -> NDArray[np.float64]:
    """BZERO + BSCALE × stored value, and NaN for BLANK."""
    values: NDArray[np.float64] = stored.astype(np.float64)
    values *= float(header.get("BSCALE", 1))
    values += float(header.get("BZERO", 0))
    if stored.dtype.kind in "iu" and "BLANK" in header:
        values[stored == int(header["BLANK"])] = np.nan
    return values


def _reduced(unit: Any, factor: int) -> NDArray[np.float32]:
    """Float (H, W) or (H, W, 3), each the mean of the finite ones among ``factor`` × ``factor`` pixels, or NaN."""
    height, width = _height_and_width(unit.shape)
    shape = (-(-height // factor), -(-width // factor), *([COLOURS] if len(_axes(unit.shape)) == 3 else []))
    sums, counts = np.zeros(shape), np.zeros(shape, np.int32)
    columns = np.arange(0, width, factor)
    for row, plane, stored in _chunks(unit):
        values = _physical(stored, unit.header)
        finite = np.isfinite(values)
        values[~finite] = 0
        target = np.arange(row, row + len(values)) // factor
        starts = np.flatnonzero(np.diff(target, prepend=-1))
        where = (target[starts], slice(None)) if plane is None else (target[starts], slice(None), plane)
        sums[where] += np.add.reduceat(np.add.reduceat(values, starts), columns, axis=1)
        counts[where] += np.add.reduceat(np.add.reduceat(finite, starts, dtype=np.int32), columns, axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.divide(sums, counts, out=sums).astype(np.float32)


def stretch(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The stretch of this module's docstring.

    Args:
        values: float (H, W) or (H, W, 3), in any unit.

    Raises:
        ImageRejected: no value is finite.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise ImageRejected("no_picture", "No pixel of the FITS image has a finite value.")
    sky = float(np.median(finite))
    white = float(np.percentile(finite, WHITE_PERCENTILE))
    if white <= sky:  # a few bright pixels on an empty sky
        white = float(finite.max())
    scaled = (np.nan_to_num(values, nan=sky, posinf=sky, neginf=sky) - sky) / (white - sky or 1.0)
    compressed = np.arcsinh(SOFTENING * np.clip(scaled, 0, 1)) / np.arcsinh(SOFTENING)
    pixels: NDArray[np.uint8] = np.round(compressed * 255).astype(np.uint8)
    return pixels
