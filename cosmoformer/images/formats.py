r"""The one list of image formats: their names, suffixes, media types and first bytes, and those of what is no picture here.

Command line, training and functions read it; the page has it as ``web/js/formats.js``, which ``tools/write_formats.py`` writes.
Nothing is imported for it.
Signatures are regular expressions over a file's first :data:`HEAD_BYTES`, one character a byte, in the dialect that Python and
JavaScript share: no ``\0``, no ``.``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD_BYTES = 512
UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Format:
    """A format that is classified.

    Attributes:
        name: for people.
        media_type: of its files.
        suffixes: of file names, in lower case.
        signature: of its first bytes.
        decoder: Pillow's name of it; empty for FITS.
    """

    name: str
    media_type: str
    suffixes: tuple[str, ...]
    signature: str
    decoder: str = ""


FITS = "image/fits"  # RFC 4047
_FITS = (".fits", ".fit", ".fts")
#: How a FITS file may be packed as a whole, by suffix, and the first bytes of what is.
PACKINGS = {".gz": r"\x1f\x8b", ".bz2": r"BZh[1-9]1AY&SY"}

# fmt: off
FORMATS: tuple[Format, ...] = (
    Format("JPEG", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), r"\xff\xd8\xff", "JPEG"),
    Format("PNG", "image/png", (".png",), r"\x89PNG\r\n\x1a\n", "PNG"),
    Format("WebP", "image/webp", (".webp",), r"RIFF[^]{4}WEBP", "WEBP"),
    Format("TIFF", "image/tiff", (".tif", ".tiff"), r"(?:II[\x2a\x2b]\x00|MM\x00[\x2a\x2b])", "TIFF"),
    Format("GIF", "image/gif", (".gif",), r"GIF8[79]a", "GIF"),
    Format("BMP", "image/bmp", (".bmp", ".dib"), r"BM", "BMP"),
    Format("JPEG 2000", "image/jp2", (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
           r"(?:\x00\x00\x00\x0cjP {2}\r\n\x87\n|\xff\x4f\xff\x51)", "JPEG2000"),
    Format("PPM", "image/x-portable-anymap", (".ppm", ".pgm", ".pbm", ".pnm"), r"P[1-6f][\s#]", "PPM"),
    Format("FITS", FITS, (*_FITS, ".fz", *(suffix + packing for suffix in _FITS for packing in PACKINGS)), r"SIMPLE {2}="),
)

#: What people take for pictures: signature and name, the first that matches counts.
OTHERS: tuple[tuple[str, str], ...] = (
    (r"[^]{4}ftyp(?:hei|hev|mif1|msf1)", "a HEIC picture"),
    (r"[^]{4}ftypavi", "an AVIF picture"),
    (r"[^]{4}ftypcrx", "a camera's raw file"),
    (r"[^]{4}ftyp", "a video"),
    (r"(?:\x00\x00\x00\x0cJXL \r\n\x87\n|\xff\x0a)", "a JPEG XL picture"),
    (r"II\xbc\x01", "a JPEG XR picture"),
    (r"\x00\x00[\x01\x02]\x00[\x01-\xff]\x00", "an icon (ICO)"),
    (r"[^](?:\x00[\x02\x03\x0a\x0b]\x00{5}|\x01[\x01\x09][^]{4}[\x0f\x10\x18\x20])[^]{8}[\x08\x0f\x10\x18\x20]", "a TGA picture"),
    (r"(?:\xc5\xd0\xd3\xc6|%!PS)", "an EPS or PostScript file"),
    (r"%PDF", "a PDF document"),
    (r"8BP[SB]", "a Photoshop document"),
    (r"(?:FUJIFILMCCD-RAW|IIR[OS]|IIU\x00|MMOR|FOVb)", "a camera's raw file"),
    (r"LUCAM-RECORDER", "a SER video"),
    (r"RIFF[^]{4}AVI ", "a video"),
    (r"\x1a\x45\xdf\xa3", "a video"),
    (r"XISF0100", "an XISF picture of PixInsight"),
    (r"v/1\x01", "an OpenEXR picture"),
    (r"#\?RADIANCE", "a Radiance HDR picture"),
    (r"DDS ", "a DDS texture"),
    (r"qoif", "a QOI picture"),
    (r"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (r"CDF[\x01\x02\x05]", "a NetCDF file"),
    (r"\x93NUMPY", "a NumPy array"),
    (r"#ASDF", "an ASDF file"),
    (r"PK\x03\x04", "a zip archive or an office document"),
    (r"(?:Rar!|7z\xbc\xaf\x27\x1c|[^]{257}ustar)", "an archive"),
    (r"(?:\xfd7zXZ\x00|\x28\xb5\x2f\xfd|\x1f[\x9d\xa0])", "a packed file; of these only gzip and bzip2 are unpacked"),
    (r"(?:\xef\xbb\xbf)?(?:<\?xml[^>]*>|<!--(?:(?!-->)[^])*-->|<!doctype svg[^>]*>|\s)*<svg", "an SVG drawing"),
    (r"(?:\xff\xfe<\x00|\xfe\xff\x00<)", "an XML document or SVG drawing"),
    (r"(?:\xef\xbb\xbf)?\s*<(?:\?xml|!--)", "an XML document"),
    (r"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body)", "a web page"),
    (r"(?:\xef\xbb\xbf)?\s*[{\[]\s*[\"{}\[\]0-9]", "JSON text"),
)
# fmt: on

#: Suffix -> media type: the files that are taken from a folder.
MEDIA_TYPES = {suffix: known.media_type for known in FORMATS for suffix in known.suffixes}
_NAMES = [known.name for known in FORMATS]
SUPPORTED = f"{', '.join(_NAMES[:-1])} and {_NAMES[-1]}"  # in words


def matches(signature: str, content: bytes) -> bool:
    """Whether content begins in the way of a signature; letters of markup may be in either case."""
    pattern = signature.replace("[^]", r"[\x00-\xff]").encode("latin-1")
    return re.match(pattern, content[:HEAD_BYTES], re.IGNORECASE if b"<" in pattern else 0) is not None


def what_else(content: bytes) -> str:
    """What a file is that is no picture here, such as "a PDF document"; empty when nobody knows."""
    return next((name for signature, name in OTHERS if matches(signature, content)), "")


def has_image_suffix(name: str) -> bool:
    """Whether a file's name is that of an image, so that it is taken from a folder."""
    return name.lower().endswith(tuple(MEDIA_TYPES))


def media_type(name: str, content: bytes, default: str = UNKNOWN_TYPE) -> str:
    """Media type of an image file by its name, else by its first bytes, else the default."""
    lowered = name.lower()
    by_name = (kind for suffix, kind in MEDIA_TYPES.items() if lowered.endswith(suffix))
    by_content = (known.media_type for known in FORMATS if matches(known.signature, content))
    return next(by_name, None) or next(by_content, default)
