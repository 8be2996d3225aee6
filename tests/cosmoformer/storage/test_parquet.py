"""Results as Parquet, read by pyarrow and pandas."""

from __future__ import annotations

import io
from pathlib import Path

import pandas
import pyarrow
import pytest
from pyarrow import parquet

from cosmoformer.storage.parquet import write_parquet
from cosmoformer.storage.results import Result
from cosmoformer.storage.tables import columns, flatten, table_of
from tests.cosmoformer.sample_results import classified_result, estimated_result, rejected_result, voted_result

ALL = (classified_result(), voted_result(), estimated_result(), rejected_result())


def written(*results: Result) -> io.BytesIO:
    file = io.BytesIO()
    write_parquet(table_of(results), file)
    file.seek(0)
    return file


def test_columns_and_cells_are_those_of_the_other_tables() -> None:
    """The same columns in the same order, with every value as it is and null for what a result does not have."""
    described = columns(ALL)
    table = parquet.read_table(written(*ALL))
    assert table.column_names == [column.name for column in described]
    assert table.to_pylist() == [flatten(result, described) for result in ALL]


def test_columns_have_types_descriptions_units_and_ucds() -> None:
    """What a VOTable says of a column stands in its metadata, and nothing that a column lacks."""
    schema = parquet.read_schema(written(*ALL))
    kinds = {"text": pyarrow.string(), "integer": pyarrow.int64(), "number": pyarrow.float64(), "flag": pyarrow.bool_()}
    for column in columns(ALL):
        field = schema.field(column.name)
        given = {"description": column.description, "unit": column.unit, "ucd": column.ucd}
        known = {name.encode(): text.encode() for name, text in given.items() if text}
        assert (field.type, field.metadata) == (kinds[column.kind], known)
    assert schema.field("value_pitch_angle").metadata[b"unit"] == b"deg"
    assert schema.metadata[b"description"] == b"Galaxy morphologies found by CosmoFormer"


def test_pandas_reads_it(tmp_path: Path) -> None:
    """Numbers are numbers and texts are texts, also in columns that begin with an empty cell."""
    (tmp_path / "galaxies.parquet").write_bytes(written(*ALL[::-1]).read())
    table = pandas.read_parquet(tmp_path / "galaxies.parquet")
    assert table["f_disk_edge_on_no"].dtype == float and table["f_disk_edge_on_no"][2] == 0.75
    assert pandas.isna(table["class"][0]) and table["class"][3] == "spiral"


@pytest.mark.parametrize("key", ["=1+1.png", "'quoted'.png", "a\x1b[31m,\n\0.png", "naïve ✨.png"])
def test_every_key_is_kept_as_it_is(key: str) -> None:
    """No text is changed, whatever a spreadsheet or XML would make of it."""
    assert parquet.read_table(written(classified_result(key)))["key"].to_pylist() == [key]


def test_no_results_are_a_table_without_rows() -> None:
    """The columns are there, with their types."""
    table = parquet.read_table(written())
    assert table.num_rows == 0 and table.schema.field("confidence").type == pyarrow.float64()
