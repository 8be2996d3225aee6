"""FITS files that are packed as a whole, by gzip or bzip2, as telescopes' archives hand them out."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable
from typing import IO

from cosmoformer.errors import ImageRejected
from cosmoformer.images.formats import PACKINGS, matches, what_else
from cosmoformer.images.picture import FITS_MAGIC

_OPENERS: dict[str, tuple[str, Callable[[IO[bytes]], IO[bytes]]]] = {
    ".gz": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    ".bz2": ("bzip2", lambda file: bz2.BZ2File(file)),
}


def is_packed(content: bytes) -> bool:
    """Whether a file is packed in a way that :func:`unpack` knows."""
    return any(matches(signature, content) for signature in PACKINGS.values())


def unpack(content: bytes, limit: int) -> bytes:
    """The FITS file in a packed file.

    Raises:
        ImageRejected: it is damaged, holds no FITS file, or one of more than ``limit`` bytes.
    """
    suffix = next(suffix for suffix, signature in PACKINGS.items() if matches(signature, content))
    name, opener = _OPENERS[suffix]
    try:
        with opener(io.BytesIO(content)) as stream:
            unpacked = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ImageRejected("damaged", f"The {name} file is damaged or cut off: {error}.") from None
    if len(unpacked) > limit:
        raise ImageRejected("too_large", f"The file unpacks to more than {limit:,} bytes, the most that is classified.")
    if not unpacked.startswith(FITS_MAGIC):
        held = what_else(unpacked)
        raise ImageRejected("unsupported_format", f"The {name} file holds {f'{held}, ' if held else ''}no FITS image.")
    return unpacked
