"""What a catalogue tells of image files: its rows, found by the files' names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from cosmoformer.errors import InvalidRequest
from cosmoformer.images.formats import MEDIA_TYPES
from cosmoformer.storage.catalogues import read_catalogue
from cosmoformer.storage.image_files import ImageFile
from cosmoformer.storage.sky_objects import FIELDS, Told, read, spelling

if TYPE_CHECKING:
    from astropy.table import Column, Table

#: Headings that are looked for where nobody names the column of files.
FILE_COLUMNS = ("file", "filename", "image", "path", "key")
#: Units that numbers are wanted in, the first that a column's own can be turned into.
_UNITS = {"ra": ("deg",), "dec": ("deg",), "pixel_scale": ("arcsec", "arcsec/pix"), "size_arcsec": ("arcsec",)}


@dataclass(frozen=True)
class Row:
    """A row of a catalogue.

    Attributes:
        number: from 1.
        file: the file that it names, with slashes.
        told: what it tells of the object.
    """

    number: int
    file: str
    told: Told


@dataclass(frozen=True)
class Pairing:
    """Files and their rows.

    Attributes:
        told: by object key, of the files whose row tells something.
        amiss: what is wrong, sentences by kind.
    """

    told: dict[str, Told] = field(default_factory=dict)
    amiss: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def read_rows(path: Path, file_column: str | None, columns: Mapping[str, str]) -> list[Row]:
    """The rows of a catalogue that name a file.

    Args:
        path: the catalogue.
        file_column: its column of file names; None looks for :data:`FILE_COLUMNS`.
        columns: headings by the names of :data:`~cosmoformer.storage.sky_objects.FIELDS`, where they are others.

    Raises:
        InvalidRequest: it cannot be read, or lacks one of these columns.
        PermanentError: the package that reads it is not installed.
    """
    table = read_catalogue(path, as_text=True)
    files = _column(path, table, [file_column] if file_column else FILE_COLUMNS)
    texts = {name: _texts(name, table[heading]) for name, heading in _headings(path, table, columns)}
    rows = []
    for number, file in enumerate(_texts("", table[files])):
        cells = {name: cells[number] for name, cells in texts.items() if cells[number]}
        if file:
            rows.append(Row(number + 1, file.replace("\\", "/").removeprefix("./"), read(cells)))
    return rows


def _headings(path: Path, table: Table, columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The name of each field that the table tells, and its heading."""
    spelled = {spelling(heading): heading for heading in reversed(table.colnames)}
    for one in FIELDS:
        if one.name in columns:
            yield one.name, _column(path, table, [columns[one.name]])
        elif spelling(one.name) in spelled:
            yield one.name, spelled[spelling(one.name)]


def _column(path: Path, table: Table, names: Iterable[str]) -> str:
    wanted = [name.lower() for name in names]
    found: list[tuple[int, str]] = sorted(
        (wanted.index(name.lower()), name) for name in table.colnames if name.lower() in wanted
    )
    if not found:
        raise InvalidRequest(f"{path.name} has no column {' or '.join(wanted)}, but {', '.join(table.colnames)}")
    return found[0][1]


def _texts(name: str, column: Column) -> list[str]:
    """The cells of a column as texts, numbers in the unit that the field has; empty where there is nothing."""
    convert = _conversion(name, column)
    masked = getattr(column, "mask", None)
    gaps = [False] * len(column) if masked is None else masked
    cells = ("" if gap else _text(cell) for cell, gap in zip(column, gaps, strict=True))
    return ["" if cell == "nan" else convert(cell) for cell in cells]


def _text(cell: Any) -> str:
    return (cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)).strip()


def _conversion(name: str, column: Column) -> Callable[[str], str]:
    from astropy import units

    for wanted in _UNITS.get(name, ()) if column.unit is not None else ():
        with suppress(ValueError, TypeError, AttributeError):  # of units, such as the h:m:s of VizieR's tables
            return partial(_times, column.unit.to(units.Unit(wanted)))
    return lambda cell: cell


def _times(factor: float, cell: str) -> str:
    """A number in another unit; what is none stays, and is named as told wrongly where it is read."""
    try:
        return str(float(cell) * factor) if factor != 1 else cell
    except ValueError:
        return cell


def pair(rows: Iterable[Row], files: Iterable[ImageFile]) -> Pairing:
    """Find the row of each file.

    A row names a file by its object key, its path, any end of that, or its name without the suffix; the longest counts. Rows
    that tell a file different things, and rows that fit files in several folders, are not used.
    """
    pairing = Pairing()
    named: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        named[row.file].append(row)
        for sentence in row.told.ignored:
            pairing.amiss["told wrongly"].append(f"row {row.number}, {row.file}: {sentence}")
    fitting: dict[str, list[ImageFile]] = defaultdict(list)
    for file in files:
        name = next((name for name in _names(file) if name in named), None)
        if name is None:
            pairing.amiss["file without a row"].append(str(file.path))
        else:
            fitting[name].append(file)
    for name, same in named.items():
        _decide(pairing, name, same, fitting.get(name, []))
    return pairing


def _decide(pairing: Pairing, name: str, rows: list[Row], files: list[ImageFile]) -> None:
    numbers = ", ".join(str(row.number) for row in rows)
    if not files:
        pairing.amiss["row without a file"].append(f"row {numbers}, {name}")
    elif len({file.path.absolute().parent for file in files}) > 1:
        paths = ", ".join(str(file.path) for file in files)
        pairing.amiss["row of several files"].append(f"row {numbers}, {name}: {paths}; none gets it")
    elif any(row.told != rows[0].told for row in rows):
        pairing.amiss["file with several rows"].append(f"{name}: rows {numbers} tell different things; none is used")
    elif not rows[0].told.known:
        pairing.amiss["row that tells nothing"].append(f"row {numbers}, {name}")
    else:
        pairing.told.update((file.key, rows[0].told) for file in files)


def _names(file: ImageFile) -> Iterator[str]:
    """What a row may call a file, the most telling first."""
    path = file.path.absolute().as_posix()
    for one in (path, file.key):
        yield one
        yield _without_suffix(one)
    parts = PurePath(path).parts[1:]
    for start in range(len(parts)):
        end = "/".join(parts[start:])
        yield end
        yield _without_suffix(end)


def _without_suffix(name: str) -> str:
    longest = max((suffix for suffix in MEDIA_TYPES if name.lower().endswith(suffix)), key=len, default="")
    return name[: len(name) - len(longest)]
