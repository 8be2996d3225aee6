"""Where in the sky a FITS image lies, by its header: its World Coordinate System (Greisen & Calabretta 2002) and OBJECT."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ARCSEC = 3600.0
_PLACED, _SCALED = {"CTYPE1", "CRVAL1", "CRVAL2"}, ("CDELT1", "CD1_1", "CD1_2")
_LONGEST_NAME = 128  # characters; a card of a header holds 68
#: Keywords for the side of a pixel in seconds of arc, for headers without a World Coordinate System.
_SCALES = ("PIXSCALE", "PIXSCAL1", "SECPIX", "SECPIX1")


@dataclass(frozen=True)
class Sky:
    """What a file itself says of the object and its place in the sky.

    Attributes:
        object_id: the object's name; empty where it has none.
        ra: right ascension of the picture's centre, ICRS, degrees; None where the file does not tell.
        dec: declination, likewise.
        pixel_scale: side of a pixel, seconds of arc; None likewise.
    """

    object_id: str = ""
    ra: float | None = None
    dec: float | None = None
    pixel_scale: float | None = None


NOWHERE = Sky()


def read_sky(header: Mapping[str, Any], primary: Mapping[str, Any], width: int, height: int) -> Sky:
    """What a header says of the object and its place; what it does not say, or says wrongly, is left out.

    Args:
        header: of the unit that is shown.
        primary: of the first unit, which often names the object for all.
        width: of the image, pixels.
        height: likewise.
    """
    name = next((named for one in (header, primary) if (named := _name(one))), "")
    try:
        ra, dec, scale = _centre(header, width, height)
    except Exception:  # astropy and wcslib raise almost anything on hostile headers; the picture is sound all the same
        ra = dec = scale = None
    scale = scale or next((found for one in (header, primary) if (found := _scale(one))), None)
    return Sky(name, ra, dec, scale) if name or scale or ra is not None else NOWHERE


def _name(header: Mapping[str, Any]) -> str:
    name = " ".join(str(header.get("OBJECT", "")).split())
    return name if len(name) <= _LONGEST_NAME and name.isprintable() else ""


def _scale(header: Mapping[str, Any]) -> float | None:
    for keyword in _SCALES:
        try:
            scale = abs(float(header[keyword]))
        except (KeyError, TypeError, ValueError):
            continue
        if 0 < scale < math.inf:
            return scale
    return None


def _centre(header: Mapping[str, Any], width: int, height: int) -> tuple[float | None, float | None, float | None]:
    """Right ascension and declination (ICRS, degrees) of the image's centre, and seconds of arc a pixel."""
    if not (set(header) >= _PLACED and any(header.get(keyword) for keyword in _SCALED)):
        return None, None, None  # which would be taken for zero, and a degree a pixel
    # Imported for headers that have one: it takes longer than all else of a small FITS file.
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_area

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        celestial = WCS(header).celestial
        if celestial.naxis != 2:
            return None, None, None
        place = celestial.pixel_to_world((width - 1) / 2, (height - 1) / 2).icrs
        scale = math.sqrt(abs(float(proj_plane_pixel_area(celestial)))) * _ARCSEC
    ra, dec = float(place.ra.deg), float(place.dec.deg)
    if not all(map(math.isfinite, (ra, dec, scale))) or scale <= 0:
        return None, None, None
    return ra, dec, scale
