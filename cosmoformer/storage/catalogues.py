"""Tables that people bring: CSV, VOTable, FITS, ECSV and Parquet files, by the suffix of their names."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosmoformer.errors import InvalidRequest, PermanentError, first_line

if TYPE_CHECKING:
    from astropy.table import Table

#: Formats as astropy names them, by suffix; Parquet is read by pyarrow.
_FORMATS = {
    ".csv": "ascii.csv",
    ".tsv": "ascii.tab",
    ".ecsv": "ascii.ecsv",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".fits": "fits",
    ".fit": "fits",
    ".fits.gz": "fits",
    ".parquet": "parquet",
}
SUFFIXES = tuple(_FORMATS)


def read_catalogue(path: Path, *, as_text: bool = False) -> Table:
    """The table in a file; what it leaves empty is masked.

    Args:
        path: the file.
        as_text: cells of CSV files as they stand there, so that an identifier keeps its zeros. Bytes that are no UTF-8 become
            replacement characters in any case.

    Raises:
        InvalidRequest: it has no suffix of :data:`SUFFIXES`, or is no such table.
        PermanentError: the package that reads it is not installed.
    """
    form = next((form for suffix, form in _FORMATS.items() if path.name.lower().endswith(suffix)), None)
    if form is None:
        raise InvalidRequest(f"{path.name} is no table: expected a name that ends in {', '.join(SUFFIXES)}")
    try:
        with warnings.catch_warnings():  # of units and versions that astropy does not know
            warnings.simplefilter("ignore")
            return _read_parquet(path) if form == "parquet" else _read_by_astropy(path, form, as_text)
    except ImportError as error:
        raise PermanentError(f"reading {path.name} needs {error.name}", "pip install 'cosmoformer[local]'") from None
    except Exception as error:  # whatever astropy, expat and pyarrow raise on what is no such table
        raise InvalidRequest(f"{path.name} cannot be read as a table: {first_line(error)}") from error


def _read_by_astropy(path: Path, form: str, as_text: bool) -> Table:
    from astropy.table import Table

    if not form.startswith("ascii."):
        return Table.read(path, format=form)
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if not text.strip():
        raise ValueError("it is empty")
    options: dict[str, Any] = {"converters": {"*": [str]}} if as_text and form != "ascii.ecsv" else {}
    return Table.read(text + "\n", format=form, **options)


def _read_parquet(path: Path) -> Table:
    """Column by column: the way by numpy would make integers with a gap among them floating point, and spoil identifiers."""
    from astropy.table import MaskedColumn, Table
    from pyarrow import parquet

    table = Table()
    arrow = parquet.read_table(path)
    for name in arrow.column_names:
        values = arrow[name].to_pylist()
        filler = next((value for value in values if value is not None), "")
        mask = [value is None for value in values]
        unit = (arrow.schema.field(name).metadata or {}).get(b"unit", b"").decode() or None
        table[name] = MaskedColumn(
            [filler if gap else value for value, gap in zip(values, mask, strict=True)], mask=mask
        )
        table[name].unit = unit
    return table
