"""Results as a FITS binary table (FITS Standard 4.0, section 7.3), with units, descriptions and UCDs in its header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from cosmoformer.storage.tables import DESCRIPTION, Column, Kind, ResultTable, Row, Value, with_distinct_names

if TYPE_CHECKING:
    import numpy as np
    from astropy.io import fits

_ROWS = 10_000  # that are held in memory
_BLOCK = 2880  # bytes, of which a FITS file has a whole number
_CARD = 60  # characters of a value, and room for a number behind it
_NO_INTEGER = -(2**63)
_TYPES: dict[Kind, tuple[str, str]] = {"integer": ("K", ">i8"), "number": ("D", ">f8"), "flag": ("L", "S1")}
_BLANK: dict[Kind, Any] = {"text": b"", "integer": _NO_INTEGER, "number": float("nan"), "flag": b"\0"}


def write_fits(table: ResultTable, file: IO[bytes]) -> None:
    """Write results as a FITS file with one table; cells without a value are blank, texts are ASCII with escapes.

    Raises:
        ImportError: astropy is not installed.
    """
    import numpy as np
    from astropy.io import fits

    widths = _widths(table)
    formats = [
        _TYPES.get(column.kind, (f"{width}A", f"S{width}")) for column, width in zip(table.columns, widths, strict=True)
    ]
    header = _header(table, [form for form, _ in formats])
    file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
    file.write(header.tostring().encode("ascii"))
    kind = np.dtype([(f"c{number}", code) for number, (_, code) in enumerate(formats)])
    length = 0
    for group in _groups(table, kind):
        file.write(group.tobytes())
        length += group.nbytes
    file.write(bytes(-length % _BLOCK))


def _widths(table: ResultTable) -> list[int]:
    """Bytes of the longest text of each column; 1 for others."""
    texts = [(number, column.name) for number, column in enumerate(table.columns) if column.kind == "text"]
    widths = [1] * len(table.columns)
    for row in table.rows():
        for number, name in texts:
            widths[number] = max(widths[number], len(_ascii(row[name])))
    return widths


def _header(table: ResultTable, formats: Sequence[str]) -> fits.Header:
    from astropy.io import fits

    described = list(with_distinct_names(map(_plain, table.columns)))
    columns = [
        fits.Column(column.name, form, column.unit or None, null=_NO_INTEGER if column.kind == "integer" else None)
        for column, form in zip(described, formats, strict=True)
    ]
    header = fits.BinTableHDU.from_columns(columns, nrows=0).header
    header["NAXIS2"] = len(table.results)
    header["EXTNAME"] = ("MORPHOLOGIES", DESCRIPTION)
    header["RADESYS"] = ("ICRS", "of the columns ra and dec")
    for number, column in enumerate(described, 1):
        header[f"TCOMM{number}"] = column.description
        if column.ucd:
            header[f"TUCD{number}"] = column.ucd
    return header


def _plain(column: Column) -> Column:
    """The column, described as a header can: in ASCII, its name and unit on a card each."""
    name, unit, ucd = (_ascii(text).decode()[:_CARD] for text in (column.name, column.unit, column.ucd))
    return replace(column, name=name, unit=unit, ucd=ucd, description=_ascii(column.description).decode())


def _groups(table: ResultTable, kind: np.dtype[Any]) -> Iterator[np.ndarray]:
    import numpy as np

    rows = table.rows()
    while group := list(islice(rows, _ROWS)):
        yield np.array([_cells(table.columns, row) for row in group], kind)


def _cells(columns: Sequence[Column], row: Row) -> tuple[Any, ...]:
    return tuple(
        _BLANK[column.kind] if value is None else _cell(value)
        for column, value in zip(columns, row.values(), strict=True)
    )


def _cell(value: Value) -> Any:
    if isinstance(value, bool):
        return b"T" if value else b"F"
    return _ascii(value) if isinstance(value, str) else value


def _ascii(text: Value) -> bytes:
    """Printable ASCII; anything else stands as an escape such as ``\\xe4``."""
    plain = str("" if text is None else text)
    return plain.encode() if plain.isascii() and plain.isprintable() else plain.encode("unicode_escape")
