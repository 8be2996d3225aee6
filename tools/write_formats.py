"""Write the page's list of image formats, ``web/js/formats.js``, from ``cosmoformer/images/formats.py``.

python tools/write_formats.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from cosmoformer.images.formats import FORMATS, HEAD_BYTES, MEDIA_TYPES, OTHERS, PACKINGS, SUPPORTED

TARGET = Path(__file__).resolve().parents[1] / "web" / "js" / "formats.js"
_HEAD = """\
// Image formats, written by tools/write_formats.py; do not edit.
"""


def script() -> str:
    """The module's text."""
    regular = {known.signature: known.media_type for known in FORMATS}
    return "\n".join(
        (
            _HEAD,
            f"export const HEAD_BYTES = {HEAD_BYTES};",
            f"export const SUPPORTED = {json.dumps(SUPPORTED)};",
            "/** Ends of names. */",
            f"export const SUFFIXES = {json.dumps(list(MEDIA_TYPES), indent=2)};",
            "/** First bytes, one character a byte, and media types. */",
            f"export const SIGNATURES = {_pairs(regular.items())};",
            "/** First bytes of FITS files that are packed as a whole, by suffix. */",
            f"export const PACKINGS = {json.dumps(PACKINGS)};",
            "/** First bytes of what is no picture here, and its name. */",
            f"export const OTHERS = {_pairs(OTHERS)};",
            "",
        )
    )


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return "[\n" + "".join(f"  {json.dumps(list(pair))},\n" for pair in pairs) + "]"


if __name__ == "__main__":
    TARGET.write_text(script(), encoding="utf-8")
