"""Results as Parquet: the columns of :mod:`cosmoformer.storage.tables`, each with its description, unit and UCD.

They stand in the metadata of the columns, as Arrow keeps them in the file: ``description``, ``unit`` and ``ucd``, each only where
there is one. Text is kept as it is; what a result does not have is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from cosmoformer.storage.results import Result
from cosmoformer.storage.tables import DESCRIPTION, Column, Kind, columns, flatten

if TYPE_CHECKING:
    import pyarrow

#: Names of Arrow's types.
_TYPES: dict[Kind, str] = {"text": "string", "integer": "int64", "number": "float64", "flag": "bool"}


def write_parquet(results: Sequence[Result], file: IO[bytes]) -> None:
    """Write results as Parquet.

    Args:
        results: what to write, in the order of the rows.
        file: binary file; need not be seekable.

    Raises:
        ImportError: pyarrow is not installed.
    """
    import pyarrow
    from pyarrow import parquet

    described = columns(results)
    schema = pyarrow.schema([_field(column) for column in described], metadata={"description": DESCRIPTION})
    rows = [flatten(result, described) for result in results]
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), file)


def _field(column: Column) -> pyarrow.Field:
    import pyarrow

    about = {"description": column.description, "unit": column.unit, "ucd": column.ucd}
    metadata = {name: text for name, text in about.items() if text}
    return pyarrow.field(column.name, pyarrow.type_for_alias(_TYPES[column.kind]), metadata=metadata)
