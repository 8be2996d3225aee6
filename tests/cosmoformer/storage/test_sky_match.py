"""Results and other catalogues, joined on the sky."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from cosmoformer.errors import InvalidRequest
from cosmoformer.images.sky import NOWHERE
from cosmoformer.storage.results import Result
from cosmoformer.storage.sky_match import check, match
from cosmoformer.storage.sky_objects import member, read
from cosmoformer.storage.tables import ResultTable, table_of
from cosmoformer.storage.votable import write_votable
from tests.cosmoformer.sample_results import classified_result

ARCSEC = 1 / 3600


def at(ra: float, dec: float, key: str = "m51.png") -> Result:
    """A result of a galaxy at a place."""
    told = read({"ra": str(ra), "dec": str(dec)})
    return classified_result(key) | {"object": member(told, NOWHERE, {})}


def others(**columns: Any) -> Table:
    """Three objects, of the last of which no place is known."""
    dec = MaskedColumn([20.0, -60.0, 0.0], mask=[False, False, True])
    return Table({"RA": [10.0, 359.9999, 30.0], "DEC": dec, "z": [0.1, np.nan, 0.3], **columns})


def rows(table: ResultTable) -> list[dict[str, Any]]:
    return [dict(row) for row in table.rows()]


def test_the_nearest_row_within_the_radius_stands_beside() -> None:
    """With its distance; without a partner and without a place a result stays, and its cells are empty."""
    results = [at(10, 20 + 0.5 * ARCSEC), at(10, 20 + 2 * ARCSEC), classified_result()]
    found = rows(match(table_of(results), others(), 1, {}))
    assert [(row["z"], row["separation"]) for row in found] == [(0.1, 0.5), (None, None), (None, None)]
    assert rows(match(table_of(results), others(), 3, {}))[1]["separation"] == 2
    assert [row["key"] for row in found] == ["m51.png"] * 3


def test_distances_are_those_on_the_sky() -> None:
    """Across the zero of right ascension, and at high declinations, as astropy measures them."""
    table = match(table_of([at(0.0001, -60)]), others(), 1, {})
    expected = SkyCoord(0.0001, -60, unit="deg").separation(SkyCoord(359.9999, -60, unit="deg")).arcsec
    assert rows(table)[0]["separation"] == pytest.approx(expected, abs=1e-4)
    assert rows(table)[0]["z"] is None, "not a number is no number"


def test_columns_that_are_more_than_cells_are_named() -> None:
    """Times and places of astropy's own kinds; a column with a unit is one of cells."""
    mixed = others(
        seen=Time(["2026-01-01"] * 3), centre=SkyCoord([1, 2, 3], [4, 5, 6], unit="deg"), flux=[1, 2, 3] * u.Jy
    )
    with pytest.raises(InvalidRequest, match=r"columns seen \(Time\), centre \(SkyCoord\) cannot stand"):
        check(mixed, {})
    mixed.remove_columns(["seen", "centre"])
    check(mixed, {})
    assert rows(match(table_of([at(10, 20)]), mixed, 1, {}))[0]["flux"] == 1


def test_headings_that_collide_have_a_word_in_front() -> None:
    """In any case of letters, which FITS does not tell apart; the others stay as they are."""
    table = match(table_of([at(10, 20)]), others(match_ra=[1, 2, 3], separation=["a", "b", "c"]), 1, {})
    names = [column.name for column in table.columns][-6:]
    assert names == ["match_RA", "match_DEC", "z", "match_match_ra", "match_separation", "separation"]
    row = rows(table)[0]
    assert (row["ra"], row["match_RA"], row["match_match_ra"], row["match_separation"]) == (10, 10, 1, "a")


def test_cells_keep_their_kinds_units_and_descriptions() -> None:
    """Integers, flags, bytes and arrays become what a result table can hold; gaps are empty."""
    other = others(n=MaskedColumn([1, 2, 3], mask=[True, False, False]), ok=[True, False, True], raw=[b"x", b"y", b"z"])
    other["pair"] = [[1, 2], [3, 4], [5, 6]]
    other["z"].description, other["RA"].unit = "Redshift.", "deg"
    other["z"].meta["ucd"] = "src.redshift;meta.main"
    table = match(table_of([at(10, 20)]), other, 1, {})
    described = {column.name: column for column in table.columns}
    assert (described["z"].description, described["z"].ucd) == ("Redshift.", "src.redshift")
    assert [described[name].kind for name in ("n", "ok", "raw", "pair")] == ["integer", "flag", "text", "text"]
    row = rows(table)[0]
    assert [row[name] for name in ("n", "ok", "raw", "pair")] == [None, True, "x", "[1, 2]"]


def test_places_are_found_by_ucd_by_usual_headings_or_as_told() -> None:
    """In degrees, or turned into them."""
    other = others()
    other.rename_columns(["RA", "DEC"], ["a", "b"])
    with pytest.raises(InvalidRequest, match=r"no column ra or .* but a, b, z"):
        match(table_of([at(10, 20)]), other, 1, {})
    assert rows(match(table_of([at(10, 20)]), other, 1, {"ra": "A", "dec": "b"}))[0]["z"] == 0.1
    other["a"].meta["ucd"], other["b"].meta["ucd"] = "pos.eq.ra;meta.main", "pos.eq.dec;meta.main"
    other["a"] = MaskedColumn(other["a"] / 15, unit="hourangle", meta=other["a"].meta)
    assert rows(match(table_of([at(10, 20)]), other, 1, {}))[0]["z"] == 0.1
    other["a"] = ["00:40:00"] * 3
    with pytest.raises(InvalidRequest, match="the catalogue's column a holds no degrees"):
        match(table_of([at(10, 20)]), other, 1, {"ra": "a", "dec": "b"})


@pytest.mark.parametrize("other", [others()[:0], others()[2:]])
def test_a_catalogue_without_places_matches_nothing(other: Table) -> None:
    """That is no error."""
    assert rows(match(table_of([at(10, 20)]), other, 1, {}))[0]["separation"] is None
    assert rows(match(table_of([]), others(), 1, {})) == []


def test_a_matched_table_is_a_table_as_any() -> None:
    """Written as a VOTable, its own places alone refer to ICRS for sure."""
    file = io.BytesIO()
    other = others()
    other["RA"].meta["ucd"] = "pos.eq.ra;meta.main"
    write_votable(match(table_of([at(10, 20)]), other, 1, {}), file)
    file.seek(0)
    table = Table.read(file, format="votable")
    assert table["separation"][0] == 0 and str(table["separation"].unit) == "arcsec"
