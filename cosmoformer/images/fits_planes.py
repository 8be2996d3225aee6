"""Which planes of a FITS file make the picture: told by EXTNAME, EXTVER, BANDS and FILTER, never by what comes first.

Errors, weights and masks are never classified. Three planes of equal size that are known as bands become one picture, the longest
wavelength red. Else the science extension with the lowest EXTVER is taken, else the primary image, else the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cosmoformer.errors import ImageRejected

COLOURS = 3
#: Words of an EXTNAME that say the plane is about the picture, not the picture: noise, weights, flags, what was found in it.
# fmt: off
AUXILIARY = frozenset((
    "ERR", "ERROR", "ERRORS", "STDDEV", "STDEV", "SIGMA", "RMS", "NOISE", "UNC", "UNCERT", "UNCERTAINTY", "STAT",
    "VAR", "VARIANCE", "IVAR", "INVVAR", "WHT", "WGT", "WEIGHT", "WEIGHTS", "EXPMAP", "NEXP", "COVERAGE", "SAMP",
    "DQ", "MASK", "MASKS", "MSK", "BPM", "FLAG", "FLAGS", "QUALITY", "CTX", "CONTEXT",
    "PSF", "BKG", "BACKGROUND", "RESIDUAL", "RESID", "CHI", "SEG", "SEGM", "SEGMAP", "SEGMENTATION", "WCSDVARR", "IMARR",
))
#: Words of an EXTNAME that say the plane is the picture, the surest first.
SCIENCE = ("SCI", "SCIENCE", "DATA", "IMAGE", "FLUX", "SIGNAL", "COADD")
#: Wavelength by band, in nm. Upper and lower case mean the same here, since headers mix them.
BANDS: Mapping[str, float] = {
    "U": 360, "B": 440, "BLUE": 450, "G": 480, "GREEN": 530, "V": 550, "R": 620, "RED": 650, "I": 770, "Z": 900, "Y": 1000,
    "J": 1250, "H": 1650, "K": 2160, "KS": 2160,
}
# fmt: on
#: Of more than three bands these, as red, green and blue.
_PREFERRED = (("I", "R", "G"), ("Z", "R", "G"), ("R", "V", "B"), ("I", "V", "B"), ("K", "H", "J"))
#: Of one or two bands, or of planes that differ in size, this.
_SINGLE = ("R", "I", "V", "G", "Z", "Y", "B", "J", "H", "K", "KS", "U", "RED", "GREEN", "BLUE")
_WORDS = re.compile(r"[A-Za-z]+")
MOST_UNITS = 512  # that are looked at: mosaics have about a hundred


@dataclass(frozen=True)
class Plane:
    """A 2-D image, or a cube of colours, within a FITS file.

    Attributes:
        unit: its header-data unit.
        index: which plane of a cube whose planes are on the first axis; None for all there is.
    """

    unit: Any
    index: int | None = None


@dataclass(frozen=True)
class Choice:
    """The planes that make the picture.

    Attributes:
        planes: one, or three as red, green and blue.
        note: what was chosen, for the result's conversions; empty where there was no choice.
    """

    planes: tuple[Plane, ...]
    note: str = ""


def axes(shape: tuple[int, ...]) -> list[int]:
    """Which axes hold more than one value."""
    return [axis for axis, side in enumerate(shape) if side != 1]


def plane_axes(shape: tuple[int, ...]) -> list[int]:
    """The axes of rows and columns, and of colours where these come last."""
    wide = axes(shape)
    return wide[1:] if (len(wide) == 3 and shape[wide[-1]] != COLOURS) or _plane_first(shape) else wide


def height_and_width(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a picture."""
    rows, columns = plane_axes(shape)[:2]
    return shape[rows], shape[columns]


def choose(units: Iterable[Any]) -> Choice:
    """The planes of a file to classify.

    Args:
        units: its header-data units, in order; their data are not read.

    Raises:
        ImageRejected: none of them is a picture.
    """
    pictures = [(number, unit) for number, unit in enumerate(readable(units)) if _is_picture(unit)]
    usable = [(number, unit) for number, unit in pictures if not is_auxiliary(unit)]
    if not usable:
        raise ImageRejected("no_picture", _nothing(pictures))
    return _colours(usable) or _one(usable, chosen=len(pictures) > 1)


def readable(units: Iterable[Any]) -> list[Any]:
    """The units up to the first that cannot be read: what comes before it may be the picture."""
    found: list[Any] = []
    try:
        for unit in units:
            found.append(unit)
            if len(found) == MOST_UNITS:
                break
    except Exception:  # astropy raises almost anything on hostile headers
        if not any(_is_picture(unit) for unit in found):
            raise
    return found


def _nothing(pictures: Sequence[tuple[int, Any]]) -> str:
    if not pictures:
        return "The FITS file holds no 2-D image and no cube of three planes."
    names = ", ".join(sorted({_printable(_name(unit)) for _, unit in pictures}))
    return f"The FITS file holds only planes that are about an image, not an image: {names}."


def _one(usable: Sequence[tuple[int, Any]], *, chosen: bool) -> Choice:
    """The surest science plane, lowest EXTVER first; else the primary image, else the first there is."""
    number, unit = min(usable, key=lambda pair: (_rank(pair[1]), version_of(pair[1]), pair[0]))
    if (planes := _cube(unit)) is not None:
        return planes
    colours = _plane_first(unit.shape)
    planes_of = tuple(Plane(unit, index) for index in range(COLOURS)) if colours else (Plane(unit),)
    name = _printable(_name(unit)).lower()
    return Choice(planes_of, f"hdu_{number}{f'_{name}' if name else ''}" if chosen else "")


def _rank(unit: Any) -> float:
    words = _words(_name(unit))
    ranks = [rank for rank, word in enumerate(SCIENCE) if word in words]
    if ranks:
        return ranks[0]
    band = band_of(unit)
    return len(SCIENCE) + (_SINGLE.index(band) / len(_SINGLE) if band in _SINGLE and words else 1)


def _colours(usable: Sequence[tuple[int, Any]]) -> Choice | None:
    """Three planes that are known as bands and of one size, as one picture."""
    bands: dict[str, Any] = {}
    for _, unit in sorted(usable, key=lambda pair: (version_of(pair[1]), pair[0])):
        band = band_of(unit)
        if band and len(axes(unit.shape)) == 2:
            bands.setdefault(band, unit)
    chosen = _three(bands)
    if chosen is None or len({bands[band].shape for band in chosen}) > 1:
        return None
    return Choice(tuple(Plane(bands[band]) for band in chosen), _bands_note(chosen))


def _cube(unit: Any) -> Choice | None:
    """Planes of a cube whose header names their bands, as the cutouts of imaging surveys do: ``BANDS = 'grz'``."""
    bands = str(unit.header.get("BANDS", "")).strip().upper()
    shape = unit.shape
    known = len(axes(shape)) == 3 and len(bands) == shape[axes(shape)[0]] and len(set(bands)) == len(bands)
    chosen = _three([band for band in bands if band in BANDS]) if known else None
    if chosen is None:
        return None
    return Choice(tuple(Plane(unit, bands.index(band)) for band in chosen), _bands_note(chosen))


def _three(bands: Iterable[str]) -> tuple[str, ...] | None:
    """Three of the bands as red, green and blue; None when there are fewer."""
    known = set(bands)
    if len(known) == COLOURS:
        return tuple(sorted(known, key=lambda band: -BANDS[band]))
    return next((three for three in _PREFERRED if known.issuperset(three)), None) if len(known) > COLOURS else None


def _bands_note(chosen: Iterable[str]) -> str:
    return "bands_" + "_".join(chosen).lower()


def _is_picture(unit: Any) -> bool:
    shape: tuple[int, ...] = getattr(unit, "shape", None) or ()
    wide = axes(shape)
    if len(wide) == 2:
        return True
    return len(wide) == 3 and (COLOURS in (shape[wide[0]], shape[wide[-1]]) or _cube(unit) is not None)


def is_auxiliary(unit: Any) -> bool:
    """Whether a plane is about a picture: its errors, weights or flags."""
    return bool(_words(_name(unit)) & AUXILIARY)


def _plane_first(shape: tuple[int, ...]) -> bool:
    wide = axes(shape)
    return len(wide) == 3 and shape[wide[0]] == COLOURS


def _name(unit: Any) -> str:
    return str(unit.header.get("EXTNAME", ""))


def version_of(unit: Any) -> int:
    """EXTVER; 1 where there is none."""
    version = unit.header.get("EXTVER", 1)
    return version if isinstance(version, int) else 1


def _words(name: str) -> set[str]:
    return {word.upper() for word in _WORDS.findall(name)}


def band_of(unit: Any) -> str:
    """The band of a plane by its name, else by its filter; empty when neither tells."""
    texts = (_name(unit), *(str(unit.header.get(keyword, "")) for keyword in ("BAND", "FILTER", "FILTER1")))
    words = (word.upper() for text in texts for word in _WORDS.findall(text))
    return next((word for word in words if word in BANDS), "")


def _printable(name: str) -> str:
    """A name by a stranger, for notes and messages."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:20]
