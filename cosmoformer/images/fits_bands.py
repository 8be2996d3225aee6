"""Which planes of a FITS file are the bands that a model takes, in the model's order.

Extensions are bands by EXTNAME, BAND or FILTER, planes of a cube by the header's BANDS. What names no band at all is taken only
where nothing else can be meant: the one image for a model of one band, or a cube of just as many planes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cosmoformer.errors import ImageRejected
from cosmoformer.images.fits_planes import Choice, Plane, axes, band_of, is_auxiliary, readable, version_of

MOST_BANDS = 8
#: Of the one rejection that is a model's own: another model may take other bands.
CODE = "missing_bands"


def choose_bands(units: Iterable[Any], wanted: Sequence[str]) -> Choice:
    """The planes of some bands.

    Args:
        units: header-data units of a file, in order; their data are not read.
        wanted: names of the bands, such as ``("g", "r", "i")``; upper and lower case are the same.

    Raises:
        ImageRejected: the file lacks one, or has them in different sizes.
    """
    usable = [unit for unit in readable(units) if _sides(unit) in (2, 3) and not is_auxiliary(unit)]
    named = _named(usable)
    names = [band.upper() for band in wanted]
    if all(name in named for name in names):
        planes = tuple(named[name] for name in names)
        if len(sizes := {_size(plane.unit) for plane in planes}) > 1:
            told = ", ".join(f"{width} × {height}" for height, width in sorted(sizes))
            raise ImageRejected(
                CODE, f"The bands {_told(wanted)} of the FITS file have different sizes: {told} pixels."
            )
        return Choice(planes, f"bands_{'_'.join(wanted)}".lower())
    if not named and len(usable) == 1 and (unnamed := _unnamed(usable[0], len(names))):
        return Choice(unnamed, f"taken_for_{'_'.join(wanted)}".lower())
    raise ImageRejected(CODE, f"The model needs the bands {_told(wanted)}; the FITS file has {_found(named, usable)}.")


def _sides(unit: Any) -> int:
    return len(axes(getattr(unit, "shape", None) or ()))


def _size(unit: Any) -> tuple[int, int]:
    """Rows and columns of one of its planes."""
    *_, rows, columns = axes(unit.shape)
    return unit.shape[rows], unit.shape[columns]


def _named(usable: Sequence[Any]) -> dict[str, Plane]:
    """The planes whose band is known, the lowest EXTVER first."""
    found: dict[str, Plane] = {}
    for unit in sorted(usable, key=version_of):
        if _sides(unit) == 2:
            if band := band_of(unit):
                found.setdefault(band, Plane(unit))
            continue
        bands = str(unit.header.get("BANDS", "")).strip().upper()
        if len(bands) == _planes(unit) and len(set(bands)) == len(bands):
            for index, band in enumerate(bands):
                found.setdefault(band, Plane(unit, index))
    return found


def _planes(unit: Any) -> int:
    """How many planes a cube has on its first axis."""
    return int(unit.shape[axes(unit.shape)[0]])


def _unnamed(unit: Any, count: int) -> tuple[Plane, ...] | None:
    if _sides(unit) == 2:
        return (Plane(unit),) if count == 1 else None
    return tuple(Plane(unit, index) for index in range(count)) if _planes(unit) == count <= MOST_BANDS else None


def _found(named: dict[str, Plane], usable: Sequence[Any]) -> str:
    if named:
        return _told([band.lower() for band in named])
    if not usable:
        return "no image"
    cubes = [f"a cube of {_planes(unit)} planes" for unit in usable if _sides(unit) == 3]
    flat = len(usable) - len(cubes)
    images = [f"{flat} image{'s' * (flat > 1)}"] if flat else []
    return f"{' and '.join(images + cubes)} without names of bands"


def _told(bands: Sequence[str]) -> str:
    return ", ".join(bands)
