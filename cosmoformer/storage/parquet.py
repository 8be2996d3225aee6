"""Results as Parquet: the columns of :mod:`cosmoformer.storage.tables`, each with its description, unit and UCD.

They stand in the metadata of the columns, as Arrow keeps them in the file: ``description``, ``unit`` and ``ucd``, each only where
there is one. Text is kept as it is; what a result does not have is null.
"""

from __future__ import annotations

from itertools import islice
from typing import IO, TYPE_CHECKING

from cosmoformer.storage.tables import DESCRIPTION, Column, Kind, ResultTable

if TYPE_CHECKING:
    import pyarrow

_ROWS = 5_000  # of a row group, which is held in memory
#: Names of Arrow's types.
_TYPES: dict[Kind, str] = {"text": "string", "integer": "int64", "number": "float64", "flag": "bool"}


def write_parquet(table: ResultTable, file: IO[bytes]) -> None:
    """Write results as Parquet.

    Args:
        table: what to write.
        file: binary file; need not be seekable.

    Raises:
        ImportError: pyarrow is not installed.
    """
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([_field(column) for column in table.columns], metadata={"description": DESCRIPTION})
    rows = table.rows()
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(rows, _ROWS)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))


def _field(column: Column) -> pyarrow.Field:
    import pyarrow

    about = {"description": column.description, "unit": column.unit, "ucd": column.ucd}
    metadata = {name: text for name, text in about.items() if text}
    return pyarrow.field(column.name, pyarrow.type_for_alias(_TYPES[column.kind]), metadata=metadata)
