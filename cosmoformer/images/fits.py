"""FITS images (Pence et al. 2010), stretched to what the eye, and the model, is used to, or as they are.

A large image is averaged over blocks of pixels first, finite values only; what is shown of one at a zoom has finer blocks of its
own. It is read as stored, some rows at a time, and its scaling (FITS standard 4.0, section 4.4.2.5) applied here: astropy would
make whole copies of it in floating point.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from cosmoformer.errors import ImageRejected
from cosmoformer.images.fits_bands import choose_bands
from cosmoformer.images.fits_planes import Choice, Plane, axes, choose, height_and_width, plane_axes
from cosmoformer.images.fits_tiles import check_complete
from cosmoformer.images.framing import WHOLE, Framing, centre
from cosmoformer.images.picture import check_size
from cosmoformer.images.pixels_at_work import PIXELS_AT_WORK
from cosmoformer.images.sizes import WORKING_SIDE
from cosmoformer.images.sky import Sky, read_sky
from cosmoformer.images.stretch import stretch

CHUNK_VALUES = 1 << 20  # converted to floating point at a time


@dataclass(frozen=True)
class FitsPicture:
    """What is shown of a FITS file.

    Attributes:
        pixels: uint8 (H, W) or (H, W, 3) after cut, reduction and stretch, first row on top as displays of FITS have it reversed.
        width: in the file, pixels.
        height: likewise.
        note: which of several planes it is; empty where there was no choice.
        sky: what the header says of the object and its place.
        zoom: side of the file's picture over the side that is shown; above 1, it is cut to that.
        reduced: whether blocks of pixels were averaged.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    note: str
    sky: Sky
    zoom: float
    reduced: bool


def read_fits(content: bytes, max_pixels: int, framing: Framing = WHOLE) -> FitsPicture:
    """The picture in a FITS file: a 2-D image, a cube of three colour planes (red, green, blue), or three bands.

    :mod:`cosmoformer.images.fits_planes` says which, where there are several. Its stretch is that of all there is, also where a
    part is shown.

    Raises:
        ImageRejected: there is no such image in it, it is damaged, or has more than ``max_pixels``.
    """
    found = _read(content, max_pixels, framing, choose)
    shown, whole = (
        planes[0] if len(planes) == 1 else np.stack(planes, axis=-1) for planes in (found.shown, found.whole)
    )
    pixels = stretch(shown, whole if found.zoom > 1 else None)
    return FitsPicture(pixels[::-1], *found.about)


@dataclass(frozen=True)
class FitsBands:
    """Bands of a FITS file, in the range that they have there.

    Attributes:
        values: float32 (H, W, C) after cut and reduction, in the file's units, first row on top; what is not finite is the band's
            median.
        width: in the file, pixels.
        height: likewise.
        note: which planes these are.
        sky: what the header says of the object and its place.
        zoom: as in :class:`FitsPicture`.
        reduced: likewise.
    """

    values: NDArray[np.float32]
    width: int
    height: int
    note: str
    sky: Sky
    zoom: float
    reduced: bool


def read_bands(content: bytes, bands: Sequence[str], max_pixels: int, framing: Framing = WHOLE) -> FitsBands:
    """The bands of a FITS file, in the order asked for; :mod:`cosmoformer.images.fits_bands` says which planes they are.

    Raises:
        ImageRejected: it lacks one, a band shows nothing, or as for :func:`read_fits`.
    """
    found = _read(content, max_pixels, framing, lambda units: choose_bands(units, bands))
    for band, whole, plane in zip(bands, found.whole, found.shown, strict=True):
        finite = whole[np.isfinite(whole)]
        if finite.size == 0 or finite.min() == finite.max():
            told = "no finite value" if finite.size == 0 else "the same value in every pixel"
            raise ImageRejected("no_picture", f"The band {band} of the FITS file has {told}.")
        plane[~np.isfinite(plane)] = np.median(finite)
    values = np.stack(found.shown, axis=-1)
    return FitsBands(np.ascontiguousarray(values[::-1]), *found.about)


@dataclass(frozen=True)
class _Read:
    """Planes as stored, what is shown of them and all of them, each reduced; and what is told of them: size to reduction."""

    shown: list[NDArray[np.float32]]
    whole: list[NDArray[np.float32]]
    about: tuple[int, int, str, Sky, float, bool]

    @property
    def zoom(self) -> float:
        return self.about[4]


def _read(content: bytes, max_pixels: int, framing: Framing, choosing: Callable[[Any], Choice]) -> _Read:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy warns of every oddity; what matters raises
            with fits.open(
                io.BytesIO(content), memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True
            ) as units:
                choice = choosing(units)
                height, width = height_and_width(choice.planes[0].unit.shape)
                check_size(width, height, max_pixels)
                sky = read_sky(choice.planes[0].unit.header, units[0].header, width, height)
                used = {id(plane.unit): plane.unit for plane in choice.planes}.values()
                for unit in used:
                    check_complete(unit, content)
                zoom = framing.with_scale(sky.pixel_scale).zoom_of(width, height)
                with PIXELS_AT_WORK.holding(width * height, max_pixels):
                    shown, whole, reduced = _reduced(choice.planes, width, height, zoom)
    except (ImageRejected, MemoryError):
        raise
    except Exception as error:  # astropy raises almost anything on hostile headers, and all of it means the same
        raise ImageRejected("damaged", f"The FITS file is damaged or cut off: {error}.") from None
    return _Read(shown, whole, (width, height, choice.note, sky, zoom, reduced))


def _reduced(
    planes: Sequence[Plane], width: int, height: int, zoom: float
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]], bool]:
    """What is shown, all there is, and whether the former is reduced.

    Both have at most about twice :data:`WORKING_SIDE` a side. Where all of a large image is reduced, what is shown of it at a
    zoom is read once more, by itself, so that no detail is lost.
    """
    factor = _factor(width, height)
    whole = [_means(plane, factor) for plane in planes]
    if zoom <= 1:
        return whole, whole, factor > 1
    left, top, right, bottom = centre(width, height, zoom)
    rows, columns = slice(height - bottom, height - top), slice(left, right)  # the first row is stored last
    if factor == 1:
        return [plane[rows, columns].copy() for plane in whole], whole, False
    factor = _factor(right - left, bottom - top)
    return [_means(plane, factor, rows, columns) for plane in planes], whole, factor > 1


def _factor(width: int, height: int) -> int:
    return max(width, height) // WORKING_SIDE or 1


def _chunks(plane: Plane, rows: slice) -> Iterator[tuple[int, NDArray[np.generic]]]:
    """The stored values of some rows by chunks: the first row, and (rows, W), or (rows, W, 3) where colours come last."""
    unit, shape = plane.unit, plane.unit.shape
    wide = plane_axes(shape)
    rows_axis, inner = wide[0], tuple(shape[axis] for axis in wide[1:])
    most = max(1, CHUNK_VALUES // int(np.prod(inner)))
    tile = unit.tile_shape[rows_axis] if hasattr(unit, "tile_shape") else 1
    step = max(1, most // tile) * tile  # whole tiles, or each would be unpacked again for every chunk
    key: list[int | slice] = [slice(None) if axis in wide else 0 for axis in range(len(shape))]
    if plane.index is not None:
        key[axes(shape)[0]] = plane.index
    for start in range(rows.start // step * step, rows.stop, step):
        first = max(start, rows.start)
        key[rows_axis] = slice(first, min(start + step, rows.stop))
        stored = np.asarray(unit.section[tuple(key)]).reshape(-1, *inner)
        for row in range(0, len(stored), most):
            yield first + row, stored[row : row + most]


def _physical(stored: NDArray[np.generic], header: fits.Header) -> NDArray[np.float64]:
    """BZERO + BSCALE × stored value, and NaN for BLANK."""
    values: NDArray[np.float64] = stored.astype(np.float64)
    values *= float(header.get("BSCALE", 1))
    values += float(header.get("BZERO", 0))
    if stored.dtype.kind in "iu" and "BLANK" in header:
        values[stored == int(header["BLANK"])] = np.nan
    return values


def _means(plane: Plane, factor: int, rows: slice | None = None, columns: slice | None = None) -> NDArray[np.float32]:
    """Float (H, W) or (H, W, 3), each the mean of the finite ones among ``factor`` × ``factor`` pixels, or NaN.

    Args:
        plane: what is read.
        factor: side of a block, pixels.
        rows: of those alone that are stored there; all of them when None.
        columns: likewise.
    """
    shape: tuple[int, ...] = plane.unit.shape
    all_rows, all_columns, *colours = (shape[axis] for axis in plane_axes(shape))
    rows, columns = rows or slice(0, all_rows), columns or slice(0, all_columns)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    reduced = (-(-height // factor), -(-width // factor), *colours)
    sums, counts = np.zeros(reduced), np.zeros(reduced, np.int32)
    blocks = np.arange(0, width, factor)
    for row, stored in _chunks(plane, rows):
        values = _physical(stored[:, columns], plane.unit.header)
        finite = np.isfinite(values)
        values[~finite] = 0
        target = np.arange(row - rows.start, row - rows.start + len(values)) // factor
        starts = np.flatnonzero(np.diff(target, prepend=-1))
        where = target[starts]
        sums[where] += np.add.reduceat(np.add.reduceat(values, starts), blocks, axis=1)
        counts[where] += np.add.reduceat(np.add.reduceat(finite, starts, dtype=np.int32), blocks, axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.divide(sums, counts, out=sums).astype(np.float32)
