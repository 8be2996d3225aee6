"""Image files by their names and first bytes: the suffixes that are taken, and the media type of each."""

from __future__ import annotations

FITS = "image/fits"  # RFC 4047

# Suffix -> media type: the files that are taken from a folder.
MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
    ".jp2": "image/jp2",
    ".fits": FITS,
    ".fit": FITS,
    ".fts": FITS,
    ".fits.gz": FITS,
    ".fit.gz": FITS,
    ".fts.gz": FITS,
}

# First bytes -> media type, for files whose name says nothing.
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"SIMPLE  =", FITS),
)


def media_type(name: str, content: bytes, default: str = "application/octet-stream") -> str:
    """Media type of an image file by its name, else by its first bytes, else the default."""
    lowered = name.lower()
    by_name = (kind for suffix, kind in MEDIA_TYPES.items() if lowered.endswith(suffix))
    by_content = (kind for magic, kind in _MAGIC if content.startswith(magic))
    return next(by_name, None) or next(by_content, default)
