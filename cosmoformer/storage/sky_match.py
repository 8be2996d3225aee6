"""Results beside the rows of another catalogue, joined by their places on the sky."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cosmoformer.errors import InvalidRequest
from cosmoformer.storage.results import Result
from cosmoformer.storage.tables import Column, Kind, Repeatable, ResultTable, Value

if TYPE_CHECKING:
    import numpy as np
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

_MEMBER = "match"
_SEPARATION = Column(
    "separation", ("separation",), "number", "Distance on the sky to the row beside.", "arcsec", "pos.angDistance"
)
#: Headings of places, in lower case, where no UCD tells them.
_PLACES = {
    "ra": ("ra", "raj2000", "_raj2000", "ra_icrs", "alpha_j2000", "ra_deg", "radeg"),
    "dec": ("dec", "dej2000", "_dej2000", "de_icrs", "delta_j2000", "dec_deg", "dedeg"),
}
_KINDS: dict[str, Kind] = {"i": "integer", "u": "integer", "f": "number", "b": "flag"}  # by numpy's kind


def check(other: Table, columns: Mapping[str, str]) -> None:
    """See before any result is read whether another table can be joined; the words of the error are for its owner.

    Args:
        other: the other table.
        columns: as for :func:`match`.

    Raises:
        InvalidRequest: it has no places, or columns that are more than cells: times, places and others of ECSV and FITS.
        ImportError: astropy is not installed.
    """
    from astropy.table import Column as Cells

    mixed = [f"{name} ({type(other[name]).__name__})" for name in other.colnames if not isinstance(other[name], Cells)]
    if mixed:
        raise InvalidRequest(
            f"the catalogue's columns {', '.join(mixed)} cannot stand in a table beside results",
            "Leave them out, or write them as plain columns: a time as text, a place as ra and dec",
        )
    _places(other, columns)


def match(table: ResultTable, other: Table, radius_arcsec: float, columns: Mapping[str, str]) -> ResultTable:
    """Results with the columns of the nearest row of another table; without a partner, or a place, these are empty.

    Headings that results have, too, get ``match_`` in front.

    Args:
        table: the results.
        other: the other table; its places are ICRS.
        radius_arcsec: how far a partner is at most.
        columns: headings of ``ra`` and ``dec`` in the other table, where they are not found by UCD or usual names.

    Raises:
        InvalidRequest: the other table has no such columns, or they hold no degrees.
        ImportError: astropy or scipy is not installed.
    """
    rows, places = _places(other, columns)
    taken = {column.name.lower() for column in (*table.columns, _SEPARATION)}
    beside = tuple(_column(other, name, taken) for name in other.colnames)
    found = _nearest(_positions(table.results), rows, places, radius_arcsec)
    return ResultTable(_Matched(table.results, other, *found), (*table.columns, *beside, _SEPARATION))


@dataclass(frozen=True)
class _Matched:
    """Results with a member for the row that is beside each."""

    results: Repeatable
    other: Table
    rows: np.ndarray  # of the other table, by number of the result; -1 for none
    arcsec: np.ndarray  # distances, likewise

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        for result, row, arcsec in zip(self.results, self.rows.tolist(), self.arcsec.tolist(), strict=True):
            yield result | (self._beside(row, arcsec) if row >= 0 else {_MEMBER: None, "separation": None})

    def _beside(self, row: int, arcsec: float) -> dict[str, Any]:
        cells = {name: _plain(self.other[name][row]) for name in self.other.colnames}
        return {_MEMBER: cells, "separation": round(arcsec, 4)}


def _plain(cell: Any) -> Value:
    """What a cell holds, as Python has it; None for what is masked or not a number."""
    import numpy as np

    if isinstance(cell, np.ndarray) and cell.ndim:
        return str(cell.tolist())
    if np.ma.is_masked(cell) or cell is None or cell != cell:
        return None
    if isinstance(cell, bytes):
        return cell.decode(errors="replace")
    value = cell.item() if isinstance(cell, np.generic) else cell
    return value if isinstance(value, bool | int | float | str) else str(value)


def _column(other: Table, name: str, taken: set[str]) -> Column:
    found = other[name]
    heading = name
    while heading.lower() in taken:
        heading = f"match_{heading}"
    taken.add(heading.lower())
    kind = _KINDS.get(found.dtype.kind, "text") if found.ndim == 1 else "text"
    ucd = str(found.meta.get("ucd") or "").replace(";meta.main", "")
    unit = "" if found.unit is None else str(found.unit)
    return Column(heading, (_MEMBER, name), kind, found.description or f"{name} of the catalogue.", unit, ucd)


def _places(other: Table, columns: Mapping[str, str]) -> tuple[np.ndarray, SkyCoord]:
    """Numbers of the rows that have a place, and their places."""
    import numpy as np
    from astropy.coordinates import SkyCoord

    ra, dec = (_degrees(other, columns.get(axis, ""), axis) for axis in ("ra", "dec"))
    rows = np.flatnonzero(np.isfinite(ra) & (np.abs(dec) <= 90))
    return rows, SkyCoord(ra[rows], dec[rows], unit="deg")


def _degrees(other: Table, heading: str, axis: str) -> np.ndarray:
    import numpy as np

    wanted = (heading.lower(),) if heading else _PLACES[axis]
    by_ucd = [
        name for name in other.colnames if str(other[name].meta.get("ucd")).startswith(f"pos.eq.{axis};meta.main")
    ]
    named = sorted((wanted.index(name.lower()), name) for name in other.colnames if name.lower() in wanted)
    found = [name for _, name in named] if heading else [*by_ucd, *(name for _, name in named)]
    if not found:
        raise InvalidRequest(f"the catalogue has no column {' or '.join(wanted)}, but {', '.join(other.colnames)}")
    cells = other[found[0]]
    try:
        values: np.ndarray = np.ma.filled(np.ma.asarray(cells, float), np.nan)
        return np.asarray(values if cells.unit is None else values * cells.unit.to("deg"))
    except (ValueError, TypeError) as error:  # of units, too
        raise InvalidRequest(f"the catalogue's column {found[0]} holds no degrees: {error}") from None


def _positions(results: Repeatable) -> np.ndarray:
    """Right ascension and declination of each result, shape ``[N, 2]``; not a number where it has none."""
    import numpy as np

    places = (result.get("object") or {} for result in results)
    numbers = (place.get(axis, np.nan) for place in places for axis in ("ra", "dec"))
    return np.fromiter(numbers, float).reshape(-1, 2)


def _nearest(positions: np.ndarray, rows: np.ndarray, places: SkyCoord, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """The row that is beside each position, -1 for none, and the distance in seconds of arc."""
    import numpy as np
    from astropy.coordinates import SkyCoord

    beside, arcsec = np.full(len(positions), -1), np.full(len(positions), np.nan)
    known = np.flatnonzero(np.isfinite(positions).all(axis=1))
    if len(rows) and len(known):
        here = SkyCoord(positions[known, 0], positions[known, 1], unit="deg")
        nearest, separation, _ = here.match_to_catalog_sky(places)
        near = separation.arcsec <= radius
        beside[known[near]] = rows[nearest[near]]
        arcsec[known[near]] = separation.arcsec[near]
    return beside, arcsec
