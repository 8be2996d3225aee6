"""Results as FITS tables, read by astropy."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from cosmoformer.storage.fits_table import write_fits
from cosmoformer.storage.results import Result
from cosmoformer.storage.tables import columns, flatten, table_of
from tests.cosmoformer.sample_results import (
    classified_result,
    estimated_result,
    located_result,
    rejected_result,
    voted_result,
)

ALL = (classified_result(), voted_result(), estimated_result(), rejected_result(), located_result())


def written(*results: Result) -> io.BytesIO:
    file = io.BytesIO()
    write_fits(table_of(results), file)
    file.seek(0)
    return file


def test_cells_are_those_of_the_other_tables() -> None:
    """Every value in its kind; what a result does not have is masked or an empty text."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Column .* contains NULL")  # which numpy's flags have not
        table = Table.read(written(*ALL), format="fits")
    assert table.colnames == [column.name for column in columns(ALL)]
    for row, result in zip(table, ALL, strict=True):
        for name, value in flatten(result, columns(ALL)).items():
            if value in (None, ""):
                assert row[name] is np.ma.masked or row[name] in ("", False), name
            else:
                assert row[name] == value, name


def test_headers_tell_units_ucds_and_descriptions() -> None:
    """As TOPCAT reads them; the file keeps to the standard."""
    with fits.open(written(*ALL)) as units:
        units.verify("exception")
        header = units[1].header
        places = {header[f"TTYPE{number}"]: number for number in range(1, header["TFIELDS"] + 1)}
        number = places["ra"]
        assert (header[f"TUNIT{number}"], header[f"TUCD{number}"]) == ("deg", "pos.eq.ra;meta.main")
        assert header[f"TCOMM{number}"] == "Right ascension of the object, ICRS."
        assert header["RADESYS"] == "ICRS" and f"TUCD{places['object_told']}" not in header
        assert "How many" not in header[f"TCOMM{places['asked_disk_edge_on']}"]
        assert header[f"TCOMM{places['asked_disk_edge_on']}"].endswith('viewed edge-on?"')
    assert len(written(*ALL).getvalue()) % 2880 == 0


@pytest.mark.parametrize(
    ("key", "text"), [("naïve ✨.png", "na\\xefve \\u2728.png"), ("a\x1b[31m,\n\0.png", "a\\x1b[31m,\\n\\x00.png")]
)
def test_text_that_fits_cannot_hold_is_escaped(key: str, text: str) -> None:
    """FITS has printable ASCII only."""
    with fits.open(written(classified_result(key))) as units:
        assert units[1].data["key"][0] == text


def test_more_rows_than_are_held_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows follow each other across the groups that are in memory."""
    monkeypatch.setattr("cosmoformer.storage.fits_table._ROWS", 3)
    names = [f"{number:02}.png" for number in range(10)]
    table: Any = Table.read(written(*map(classified_result, names)), format="fits")
    assert list(table["key"]) == names


def test_no_results_are_a_table_without_rows() -> None:
    """The columns are there."""
    assert len(Table.read(written(), format="fits")) == 0
