"""Tables of results with odd members and names: every format can be written and read, and each value stands under its heading."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from astropy.io.votable import parse_single_table
from astropy.table import Table
from pyarrow import parquet

from cosmoformer.storage.fits_table import write_fits
from cosmoformer.storage.parquet import write_parquet
from cosmoformer.storage.result_shape import is_result
from cosmoformer.storage.results import Result
from cosmoformer.storage.tables import table_of, write_csv
from cosmoformer.storage.votable import write_votable
from tests.cosmoformer.sample_results import classified_result, estimated_result, voted_result


def _csv(*results: Result) -> list[dict[str, Any]]:
    file = io.BytesIO()
    write_csv(table_of(results), file)
    headings, *rows = csv.reader(io.StringIO(file.getvalue().decode(), newline=""))
    return [dict(zip(headings, row, strict=True)) for row in rows]


def _astropy(write: Callable[..., None], read: Callable[[io.BytesIO], Table]) -> Callable[..., list[dict[str, Any]]]:
    def rows(*results: Result) -> list[dict[str, Any]]:
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write(table_of(results), file)
            file.seek(0)
            found = read(file)
        return [dict(zip(found.colnames, row, strict=True)) for row in found.iterrows()]

    return rows


def _parquet(*results: Result) -> list[dict[str, Any]]:
    file = io.BytesIO()
    write_parquet(table_of(results), file)
    return list(parquet.read_table(file).to_pylist())


FORMATS = {
    "csv": _csv,
    "votable": _astropy(write_votable, lambda file: parse_single_table(file).to_table()),
    "fits": _astropy(write_fits, lambda file: Table.read(file, hdu=1)),
    "parquet": _parquet,
}


@pytest.mark.parametrize("form", FORMATS)
def test_names_that_look_alike_have_columns_of_their_own(form: str) -> None:
    """Classes, values and models whose headings would be the same, but for capitals, are told apart by a number."""
    probabilities = {"edge on": 0.5, "edge-on": 0.3, "edge.on": 0.15, "Edge_On": 0.05}
    further = {
        "a-b": estimated_result("m51.png", {"x y": 1.0, "x-y": 2.0}),
        "a.b": estimated_result("m51.png", {"x y": 3.0}),
    }
    [row] = FORMATS[form](classified_result("m51.png", probabilities=probabilities) | {"others": further})
    names = [name for name in row if name.lower().startswith("p_edge")]
    assert names == ["p_Edge_On", "p_edge_on_2", "p_edge_on_3", "p_edge_on_4"]
    assert [round(float(row[name]), 4) for name in names] == [0.05, 0.5, 0.3, 0.15]
    names = [name for name in row if "value_x" in name]
    assert names == ["a_b_value_x_y", "a_b_value_x_y_2", "a_b_value_x_y_3"]
    assert [float(row[name]) for name in names] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("form", FORMATS)
def test_names_that_a_format_cannot_hold_are_written_otherwise(form: str) -> None:
    """Values of any name and unit, however long, have their column."""
    values = {"gr\u00f6\u00dfe": 1.0, "v" * 100: 2.0, "v" * 100 + "2": 3.0, "\U0001f30c\t": 4.0}
    result = estimated_result(values=values)
    result["prediction"]["units"] = dict.fromkeys(values, "M\u2299")
    [row] = FORMATS[form](result)
    found = [float(value) for name, value in row.items() if name.startswith("value_")]
    assert sorted(found) == [1.0, 2.0, 3.0, 4.0]


ODD = [
    *(("object", "told"), ("object", "ra"), ("image", "width"), ("image", "format"), ("image", "bucket")),
    *(("model", "version"), ("model", "run_id"), ("prediction", "units"), ("event", "id"), ("started",)),
]


@pytest.mark.parametrize("form", FORMATS)
def test_members_of_another_kind_cost_no_table(form: str) -> None:
    """What another program wrote into a result is left out of its row, if it is not what the column holds; the rest stands."""
    odd = []
    for *path, last in ODD:
        for value in (None, [1], {"a": 1}, "x\ud800", 2**70, 10**400, True):
            result = voted_result() | {"object": {"told": [], "ignored": []}}
            holder = result
            for name in path:
                holder = holder[name]
            holder[last] = value
            odd.append(result)
    results = [*filter(is_result, odd), voted_result("other.png")]
    assert len(results) > 50
    rows = FORMATS[form](*results)
    assert [str(row["key"]) for row in rows] == ["m101.png"] * (len(results) - 1) + ["other.png"]
    assert {float(row["value_pitch_angle"]) for row in rows} == {21.5}
