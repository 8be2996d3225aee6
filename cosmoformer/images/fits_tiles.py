"""Whether a FITS file holds what its header promises, and unpacks to no more than it should: astropy trusts both."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from cosmoformer.errors import ImageRejected
from cosmoformer.images.fits_planes import plane_axes

LARGEST_TILE = 256 << 20  # bytes that one compressed tile, or one row of tiles, may unpack to
MOST_TILES = 100_000  # each takes some ten microseconds, however small
FITS_BLOCK = 2880  # bytes; files are padded to a multiple of it, and some writers leave the last padding out


def check_complete(unit: Any, content: bytes) -> None:
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
    rows = plane_axes(shape)[0]
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
