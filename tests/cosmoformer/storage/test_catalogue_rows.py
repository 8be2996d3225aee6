"""Which row of a catalogue is about which file, and what it tells."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy import units
from astropy.table import Table

from cosmoformer.errors import InvalidRequest
from cosmoformer.storage.catalogue_rows import Pairing, pair, read_rows
from cosmoformer.storage.image_files import ImageFile

FILES = [
    ImageFile(Path("/data/night/a.jpg"), "n1/a.jpg"),
    ImageFile(Path("/data/night/deep/b.fits.gz"), "n1/deep/b.fits.gz"),
    ImageFile(Path("/data/night/deep/a.jpg"), "n1/deep/a.jpg"),
]


def rows_of(tmp_path: Path, text: str, **columns: str) -> Pairing:
    path = tmp_path / "objects.csv"
    path.write_text(text)
    return pair(read_rows(path, columns.pop("file_column", None), columns), FILES)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("/data/night/a.jpg", "n1/a.jpg"),
        ("n1/a.jpg", "n1/a.jpg"),
        ("./night/a.jpg", "n1/a.jpg"),
        ("night\\a.jpg", "n1/a.jpg"),
        ("deep/a.jpg", "n1/deep/a.jpg"),
        ("b.fits.gz", "n1/deep/b.fits.gz"),
        ("b", "n1/deep/b.fits.gz"),
    ],
)
def test_a_row_names_its_file(tmp_path: Path, name: str, key: str) -> None:
    """By path, object key, an end of the path, or the name without its suffix; what is no image of it has no row."""
    pairing = rows_of(tmp_path, f"file,ra,dec\n{name},10,20\n")
    assert {key: told.known for key, told in pairing.told.items()} == {key: {"ra": 10, "dec": 20}}
    assert len(pairing.amiss["file without a row"]) == 2 and len(pairing.amiss) == 1


def test_headings_may_be_others_and_in_any_spelling(tmp_path: Path) -> None:
    """Fields are found by their names in any case, and by the headings that are told."""
    text = "JPG,Object ID,RAJ2000,DEJ2000,ra\na,007,10,20,11\nb,,1,2,3\n"
    columns = {"file_column": "jpg", "ra": "RAJ2000", "dec": "dej2000"}
    told = rows_of(tmp_path, text.replace("\na,", "\nnight/a,"), **columns).told
    assert told["n1/a.jpg"].known == {"object_id": "007", "ra": 10, "dec": 20}
    assert told["n1/deep/b.fits.gz"].known == {"ra": 1, "dec": 2}


def test_what_is_wrong_in_a_catalogue_is_named_by_kind(tmp_path: Path) -> None:
    """Rows that contradict each other or fit several files are not used; what is right of a row is."""
    text = "file,ra,dec,survey\nb,400,20,SDSS\na.jpg,1,2,x\nc.jpg,1,2,x\nnight/a.jpg,1,2,x\nnight/a.jpg,1,3,x\nb,400,20,SDSS\n"
    pairing = rows_of(tmp_path, text)
    assert {key: told.known["survey"] for key, told in pairing.told.items()} == {
        "n1/deep/b.fits.gz": "SDSS",
        "n1/deep/a.jpg": "x",  # the other of this name has rows of its own
    }
    assert "ra" not in pairing.told["n1/deep/b.fits.gz"].known
    assert pairing.amiss["file with several rows"] == ["night/a.jpg: rows 4, 5 tell different things; none is used"]
    assert pairing.amiss["row without a file"] == ["row 3, c.jpg"]
    assert pairing.amiss["told wrongly"][0].startswith("row 1, b: ra: expected degrees from 0 to below 360, got '400'")
    assert "row of several files" not in pairing.amiss


def test_a_name_in_several_folders_is_no_name(tmp_path: Path) -> None:
    """Nobody can tell which of them was meant; files that differ in their suffixes are of one object."""
    pairing = rows_of(tmp_path, "file,survey\na,x\n")
    assert pairing.told == {}
    assert pairing.amiss["row of several files"] == [
        "row 1, a: /data/night/a.jpg, /data/night/deep/a.jpg; none gets it"
    ]
    twins = [ImageFile(Path("a.jpg"), "a.jpg"), ImageFile(Path("a.fits"), "a.fits")]
    assert list(pair(read_rows(tmp_path / "objects.csv", None, {}), twins).told) == ["a.jpg", "a.fits"]


def test_a_row_of_empty_cells_tells_nothing(tmp_path: Path) -> None:
    """It is named, and takes nothing from the image."""
    pairing = rows_of(tmp_path, "file,survey\nb,\n")
    assert pairing.told == {} and pairing.amiss["row that tells nothing"] == ["row 1, b"]


@pytest.mark.parametrize("columns", [{"file_column": "jpg"}, {}, {"file_column": "name", "ra": "RAJ2000"}])
def test_a_column_that_is_not_there_is_named(tmp_path: Path, columns: dict[str, str]) -> None:
    """With those that are."""
    with pytest.raises(InvalidRequest, match=r"has no column .*, but name, ra"):
        rows_of(tmp_path, "name,ra\na,1\n", **columns)


def test_numbers_come_in_the_units_of_the_fields(tmp_path: Path) -> None:
    """Hours, minutes of arc and seconds of arc a pixel are turned into what results have; numbers that are none stay as told."""
    table = Table({"file": ["b"], "ra": [12.5] * units.hourangle, "dec": [60.0] * units.arcmin})
    table["size_arcsec"], table["pixel_scale"] = [0.5] * units.arcmin, [0.4] * units.arcsec / units.pixel
    table.write(tmp_path / "objects.vot", format="votable")
    told = pair(read_rows(tmp_path / "objects.vot", None, {}), FILES).told["n1/deep/b.fits.gz"].known
    expected = {"ra": 187.5, "dec": 1.0, "size_arcsec": 30.0, "pixel_scale": 0.4}
    assert told == pytest.approx(expected)


@pytest.mark.parametrize(
    ("heading", "unit", "cell", "suffix"),
    [
        ("size_arcsec", "arcmin", "<0.5", "vot"),
        ("ra", "hourangle", "13 29 52", "ecsv"),
        ("pixel_scale", "deg", "?", "fits"),
        ("dec", "rad", "1,5", "vot"),
    ],
)
def test_text_in_a_column_with_a_unit_costs_only_itself(
    tmp_path: Path, heading: str, unit: str, cell: str, suffix: str
) -> None:
    """It is named with what was expected, and everything else in the catalogue is told."""
    others = {"survey": ["SDSS", "SDSS"], "size_arcsec": ["2", "2"], "ra": ["1", "1"], "dec": ["2", "2"]}
    table = Table({"file": ["b", "night/a.jpg"], **others, heading: [cell, "0.25"]})
    table[heading].unit = unit
    path = tmp_path / f"objects.{suffix}"
    table.write(path, format={"vot": "votable"}.get(suffix))
    pairing = pair(read_rows(path, None, {}), FILES)
    assert pairing.amiss["told wrongly"][0].startswith(f"row 1, b: {heading}: expected ")
    assert f"got {cell!r}" in pairing.amiss["told wrongly"][0]
    assert heading not in pairing.told["n1/deep/b.fits.gz"].known
    assert pairing.told["n1/deep/b.fits.gz"].known["survey"] == "SDSS"
    assert heading in pairing.told["n1/a.jpg"].known


@pytest.mark.parametrize("unit", ["gibberish", "mag", "deg deg", "'h:m:s'"])
def test_a_unit_that_cannot_be_turned_into_the_fields_changes_nothing(tmp_path: Path, unit: str) -> None:
    """Also one that nobody knows: numbers are taken as they stand."""
    table = Table({"file": ["b"], "size_arcsec": [12.5]})
    table["size_arcsec"].unit = units.Unit(unit, parse_strict="silent")
    table.write(tmp_path / "objects.ecsv")
    assert pair(read_rows(tmp_path / "objects.ecsv", None, {}), FILES).told["n1/deep/b.fits.gz"].known == {
        "size_arcsec": 12.5
    }
