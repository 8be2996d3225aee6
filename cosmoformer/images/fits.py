"""FITS images (Pence et al. 2010), stretched to what the eye, and the model, is used to.

A pixel value v becomes asinh(10 (v - b) / (w - b)) / asinh(10), clipped to 0..1, where b is the median (the sky) and w the 99.7th
percentile. Of three bands, each less its own sky, the mean is stretched, and all three are multiplied alike, so that colours stay
what they are (Lupton et al. 2004); where one would be above 1, all three are divided by it. What is not finite becomes sky.

A large image is averaged over blocks of pixels first, finite values only. It is read as stored, some rows at a time, and its
scaling (FITS standard 4.0, section 4.4.2.5) applied here: astropy would make whole copies of it in floating point.
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from cosmoformer.errors import ImageRejected
from cosmoformer.images.fits_bands import choose_bands
from cosmoformer.images.fits_planes import COLOURS, Choice, Plane, axes, choose
from cosmoformer.images.picture import check_size
from cosmoformer.images.pixels_at_work import PIXELS_AT_WORK
from cosmoformer.images.sizes import WORKING_SIDE
from cosmoformer.images.sky import Sky, read_sky

SOFTENING = 10.0
WHITE_PERCENTILE = 99.7
CHUNK_VALUES = 1 << 20  # converted to floating point at a time
LARGEST_TILE = 256 << 20  # bytes that one compressed tile, or one row of tiles, may unpack to
MOST_TILES = 100_000  # each takes some ten microseconds, however small
FITS_BLOCK = 2880  # bytes; files are padded to a multiple of it, and some writers leave the last padding out
HOT = 1e6  # times the median of what is brighter than the sky: no camera counts as far


@dataclass(frozen=True)
class FitsPicture:
    """What is shown of a FITS file.

    Attributes:
        pixels: uint8 (H, W) or (H, W, 3) after reduction and stretch, first row on top as displays of FITS have it reversed.
        width: in the file, pixels.
        height: likewise.
        note: which of several planes it is; empty where there was no choice.
        sky: what the header says of the object and its place.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    note: str
    sky: Sky


def read_fits(content: bytes, max_pixels: int) -> FitsPicture:
    """The picture in a FITS file: a 2-D image, a cube of three colour planes (red, green, blue), or three bands.

    :mod:`cosmoformer.images.fits_planes` says which, where there are several.

    Raises:
        ImageRejected: there is no such image in it, it is damaged, or has more than ``max_pixels``.
    """
    planes, width, height, note, sky = _read(content, max_pixels, choose)
    values = planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)
    return FitsPicture(stretch(values)[::-1], width, height, note, sky)


@dataclass(frozen=True)
class FitsBands:
    """Bands of a FITS file, in the range that they have there.

    Attributes:
        values: float32 (H, W, C) after reduction, in the file's units, first row on top; what is not finite is the band's median.
        width: in the file, pixels.
        height: likewise.
        note: which planes these are.
        sky: what the header says of the object and its place.
    """

    values: NDArray[np.float32]
    width: int
    height: int
    note: str
    sky: Sky


def read_bands(content: bytes, bands: Sequence[str], max_pixels: int) -> FitsBands:
    """The bands of a FITS file, in the order asked for; :mod:`cosmoformer.images.fits_bands` says which planes they are.

    Raises:
        ImageRejected: it lacks one, a band shows nothing, or as for :func:`read_fits`.
    """
    planes, width, height, note, sky = _read(content, max_pixels, lambda units: choose_bands(units, bands))
    values = np.stack(planes, axis=-1)
    for place, band in enumerate(bands):
        plane = values[..., place]
        finite = plane[np.isfinite(plane)]
        if finite.size == 0 or finite.min() == finite.max():
            told = "no finite value" if finite.size == 0 else "the same value in every pixel"
            raise ImageRejected("no_picture", f"The band {band} of the FITS file has {told}.")
        plane[~np.isfinite(plane)] = np.median(finite)
    return FitsBands(np.ascontiguousarray(values[::-1]), width, height, note, sky)


def _read(
    content: bytes, max_pixels: int, choosing: Callable[[Any], Choice]
) -> tuple[list[NDArray[np.float32]], int, int, str, Sky]:
    """The planes that are chosen, reduced, as stored; width, height, the choice's note, and what the header says of the sky."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy warns of every oddity; what matters raises
            with fits.open(
                io.BytesIO(content), memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True
            ) as units:
                choice = choosing(units)
                height, width = _height_and_width(choice.planes[0].unit.shape)
                check_size(width, height, max_pixels)
                sky = read_sky(choice.planes[0].unit.header, units[0].header, width, height)
                used = {id(plane.unit): plane.unit for plane in choice.planes}.values()
                for unit in used:
                    _check_complete(unit, content)
                with PIXELS_AT_WORK.holding(width * height, max_pixels):
                    factor = max(height, width) // WORKING_SIDE or 1
                    planes = [_means(plane, factor) for plane in choice.planes]
    except (ImageRejected, MemoryError):
        raise
    except Exception as error:  # astropy raises almost anything on hostile headers, and all of it means the same
        raise ImageRejected("damaged", f"The FITS file is damaged or cut off: {error}.") from None
    return planes, width, height, choice.note, sky


def _plane_axes(shape: tuple[int, ...]) -> list[int]:
    """The axes of rows and columns, and of colours where these come last."""
    wide = axes(shape)
    return wide[1:] if (len(wide) == 3 and shape[wide[-1]] != COLOURS) or _plane_first(shape) else wide


def _plane_first(shape: tuple[int, ...]) -> bool:
    wide = axes(shape)
    return len(wide) == 3 and shape[wide[0]] == COLOURS


def _height_and_width(shape: tuple[int, ...]) -> tuple[int, int]:
    rows, columns = _plane_axes(shape)[:2]
    return shape[rows], shape[columns]


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
    rows = _plane_axes(shape)[0]
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


def _chunks(plane: Plane) -> Iterator[tuple[int, NDArray[np.generic]]]:
    """The stored values by chunks of rows: the first row, and (rows, W), or (rows, W, 3) where colours come last."""
    unit, shape = plane.unit, plane.unit.shape
    wide = _plane_axes(shape)
    rows_axis, inner = wide[0], tuple(shape[axis] for axis in wide[1:])
    rows = max(1, CHUNK_VALUES // int(np.prod(inner)))
    tile = unit.tile_shape[rows_axis] if hasattr(unit, "tile_shape") else 1
    step = max(1, rows // tile) * tile  # whole tiles, or each would be unpacked again for every chunk
    key: list[int | slice] = [slice(None) if axis in wide else 0 for axis in range(len(shape))]
    if plane.index is not None:
        key[axes(shape)[0]] = plane.index
    height = shape[rows_axis]
    for start in range(0, height, step):
        key[rows_axis] = slice(start, min(start + step, height))
        stored = np.asarray(unit.section[tuple(key)]).reshape(-1, *inner)
        for row in range(0, len(stored), rows):
            yield start + row, stored[row : row + rows]


def _physical(stored: NDArray[np.generic], header: fits.Header) -> NDArray[np.float64]:
    """BZERO + BSCALE × stored value, and NaN for BLANK."""
    values: NDArray[np.float64] = stored.astype(np.float64)
    values *= float(header.get("BSCALE", 1))
    values += float(header.get("BZERO", 0))
    if stored.dtype.kind in "iu" and "BLANK" in header:
        values[stored == int(header["BLANK"])] = np.nan
    return values


def _means(plane: Plane, factor: int) -> NDArray[np.float32]:
    """Float (H, W) or (H, W, 3), each the mean of the finite ones among ``factor`` × ``factor`` pixels, or NaN."""
    shape: tuple[int, ...] = plane.unit.shape
    height, width, *colours = (shape[axis] for axis in _plane_axes(shape))
    reduced = (-(-height // factor), -(-width // factor), *colours)
    sums, counts = np.zeros(reduced), np.zeros(reduced, np.int32)
    columns = np.arange(0, width, factor)
    for row, stored in _chunks(plane):
        values = _physical(stored, plane.unit.header)
        finite = np.isfinite(values)
        values[~finite] = 0
        target = np.arange(row, row + len(values)) // factor
        starts = np.flatnonzero(np.diff(target, prepend=-1))
        where = target[starts]
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
    if not np.isfinite(values).any():
        raise ImageRejected("no_picture", "No pixel of the FITS image has a finite value.")
    planes = values[..., None] if values.ndim == 2 else values
    light = np.stack([_above_sky(planes[..., place]) for place in range(planes.shape[-1])], axis=-1)
    mean = light.mean(axis=-1)
    white = float(np.percentile(mean, WHITE_PERCENTILE))
    if white <= 0:  # a few bright pixels on an empty sky
        white = _brightest(mean)
    scaled = np.clip(mean / (white or 1.0), 0, 1)
    compressed = np.arcsinh(SOFTENING * scaled) / np.arcsinh(SOFTENING)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        colours = np.clip(light, 0, None) * np.where(mean > 0, compressed / mean, 0)[..., None]
    colours /= np.maximum(colours.max(axis=-1, keepdims=True), 1)
    pixels: NDArray[np.uint8] = np.round(np.nan_to_num(colours) * 255).astype(np.uint8)
    return pixels[..., 0] if values.ndim == 2 else pixels


def _above_sky(plane: NDArray[np.float32]) -> NDArray[np.float64]:
    """A band (H, W) less its median; what is not finite is that, as is all of a band without a finite value."""
    finite = plane[np.isfinite(plane)]
    sky = float(np.median(finite)) if finite.size else 0.0
    return np.nan_to_num(plane.astype(np.float64), nan=sky, posinf=sky, neginf=sky) - sky


def _brightest(light: NDArray[np.float64]) -> float:
    """The greatest value but for hot pixels, which are out of all proportion; 0 where none is above the sky."""
    above = light[light > 0]
    return float(above[above <= HOT * np.median(above)].max()) if above.size else 0.0
