"""FITS files that are packed as a whole, by gzip or bzip2, as telescopes' archives hand them out."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib

from cosmoformer.errors import ImageRejected
from cosmoformer.images.formats import PACKINGS, matches, what_else
from cosmoformer.images.picture import FITS_MAGIC

_NAMES = {".gz": "gzip", ".bz2": "bzip2"}


def is_packed(content: bytes) -> bool:
    """Whether a file is packed in a way that :func:`unpack` knows."""
    return any(matches(signature, content) for signature in PACKINGS.values())


def unpack(content: bytes, limit: int) -> bytes:
    """The FITS file in a packed file.

    Raises:
        ImageRejected: it is damaged, holds no FITS file, or one of more than ``limit`` bytes.
    """
    suffix = next(suffix for suffix, signature in PACKINGS.items() if matches(signature, content))
    name, file = _NAMES[suffix], io.BytesIO(content)
    try:
        with gzip.GzipFile(fileobj=file) if suffix == ".gz" else bz2.BZ2File(file) as stream:
            unpacked = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ImageRejected("damaged", f"The {name} file is damaged or cut off: {error}.") from None
    if len(unpacked) > limit:
        raise ImageRejected("too_large", f"The file unpacks to more than {limit:,} bytes, the most that is classified.")
    if not unpacked.startswith(FITS_MAGIC):
        held = what_else(unpacked)
        raise ImageRejected("unsupported_format", f"The {name} file holds {f'{held}, ' if held else ''}no FITS image.")
    return unpacked
