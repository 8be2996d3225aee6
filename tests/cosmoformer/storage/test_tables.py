"""Results as tables, read by the tools that astronomers read them with."""

from __future__ import annotations

import csv
import io
import json
import warnings
from typing import Any

import jsonschema
import numpy as np
import pandas
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.votable import parse_single_table
from astropy.io.votable.ucd import parse_ucd

from cosmoformer.storage.result_shape import is_result, schema
from cosmoformer.storage.results import Result
from cosmoformer.storage.tables import COLUMNS, columns, flatten, table_of, write_csv
from cosmoformer.storage.votable import write_votable
from tests.cosmoformer.sample_results import (
    VALUES,
    VOTES,
    classified_result,
    estimated_result,
    located_result,
    rejected_result,
    strange_result,
    voted_result,
)


def as_csv(*results: Result) -> str:
    file = io.BytesIO()
    write_csv(table_of(results), file)
    return file.getvalue().decode()


def as_votable(*results: Result) -> Any:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_votable(table_of(results), file)
        file.seek(0)
        return parse_single_table(file).to_table()


def test_every_member_of_the_schema_has_a_column() -> None:
    """No member of the result schema is missing from the table, but its version, which the columns themselves fix, and the
    explanation, which no stored result has."""
    paths = {column.path for column in columns([classified_result(), estimated_result(), voted_result()])}
    by_name = {("prediction", name) for name in ("probabilities", "values", "votes")}
    units = ("prediction", "units")  # stand beside the headings, in formats that have a place for them
    stored = {name: member for name, member in schema()["properties"].items() if name != "explanation"}
    known = set(_paths(stored)) - {("schema_version",), units}
    assert {path[:2] if path[:2] in by_name else path for path in paths} == known


def _paths(properties: dict[str, Any], start: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, part in properties.items():
        variants = [part, *part.get("oneOf", [])]
        inner = [variant["properties"] for variant in variants if "properties" in variant]
        found += [path for members in inner for path in _paths(members, (*start, name))] or [(*start, name)]
    return found


def test_samples_are_results() -> None:
    """The results that these tests use are valid by the schema."""
    samples = (
        classified_result(),
        estimated_result(),
        rejected_result(),
        voted_result(),
        strange_result(),
        located_result(),
    )
    for result in samples:
        assert is_result(result)
        jsonschema.validate(json.loads(json.dumps(result)), schema())


def test_columns_have_a_fixed_order_and_probabilities_follow_by_name() -> None:
    """The order of columns depends neither on the results' order nor on that of the classes within them."""
    first = classified_result(probabilities={"spiral": 0.9, "edge on": 0.1})
    second = classified_result(probabilities={"bar": 0.2, "spiral": 0.8})
    names = [column.name for column in columns([rejected_result(), first, second])]
    assert names == [column.name for column in columns([second, first])]
    assert names[: len(COLUMNS)] == [column.name for column in COLUMNS]
    assert names[len(COLUMNS) :] == ["p_bar", "p_edge_on", "p_spiral"]
    assert names[:5] == ["key", "object_id", "ra", "dec", "survey"]


def test_what_is_no_galaxy_is_told_in_every_table() -> None:
    """Score, flag and limit have columns; the cells of a result by a model that does not tell are empty, not false."""
    both = (strange_result(), classified_result())
    rows = list(csv.DictReader(io.StringIO(as_csv(*both))))
    told = ("in_domain", "no_galaxy", "no_galaxy_below")
    assert [[row[name] for name in told] for row in rows] == [["0.03", "true", "0.5"], ["", "", ""]]
    table = as_votable(*both)
    assert table["no_galaxy"].mask.tolist() == [False, True] and table["no_galaxy"][0]
    assert table["in_domain"][0] == 0.03 and table["in_domain"].description.startswith("Likeness")


def test_values_have_columns_beside_the_probabilities() -> None:
    """In a table of both kinds each has its own columns, and the other's cells are empty, for pandas and for astropy."""
    both = (classified_result(), estimated_result())
    assert [column.name for column in columns(both)][-2:] == ["value_axis_ratio", "value_inclination_deg_"]
    for table in (pandas.read_csv(io.StringIO(as_csv(*both))), as_votable(*both).to_pandas()):
        assert table["value_inclination_deg_"][1] == VALUES["inclination (deg)"]
        assert np.isnan(table["value_axis_ratio"][0]) and np.isnan(table["p_spiral"][1])
        assert np.isnan(table["confidence"][1]) and list(table["task"]) == ["clean5", "inclination"]


def test_votes_have_columns_by_question_and_answer() -> None:
    """Every question has how many are asked and the fraction of each answer; results of models without votes have empty cells."""
    both = (classified_result(), voted_result())
    names = [column.name for column in columns(both)]
    assert names[names.index("value_pitch_angle") + 1 :] == [
        "asked_disk_edge_on",
        "f_disk_edge_on_no",
        "f_disk_edge_on_yes",
        "asked_smooth_or_featured",
        "f_smooth_or_featured_artifact",
        "f_smooth_or_featured_featured_or_disk",
        "f_smooth_or_featured_smooth",
    ]
    for table in (pandas.read_csv(io.StringIO(as_csv(*both))), as_votable(*both).to_pandas()):
        assert table["f_smooth_or_featured_smooth"][1] == VOTES["smooth-or-featured"]["fractions"]["smooth"]
        assert table["asked_disk_edge_on"][1] == 88.0 and np.isnan(table["asked_disk_edge_on"][0])


def test_votes_and_values_are_described_in_the_votable() -> None:
    """Columns of votes have the question's and the answer's words; what has a unit has it there."""
    table = as_votable(voted_result())
    question = "Could this be a disk viewed edge-on?"
    told = {name: " ".join(table[name].description.split()) for name in table.colnames}  # astropy breaks its lines
    assert told["asked_disk_edge_on"] == f'Of 100 volunteers, how many would be asked "{question}"'
    assert told["f_disk_edge_on_no"] == f'Fraction of those asked "{question}" who answer "no".'
    assert str(table["value_pitch_angle"].unit) == "deg"


def test_a_rejected_file_has_empty_cells_where_a_galaxy_has_a_class() -> None:
    """What a result does not have is None in its row."""
    row = flatten(rejected_result(), columns([classified_result()]))
    assert row["class"] is None and row["p_spiral"] is None and row["model_version"] is None
    assert row["rejection_code"] == "not_an_image" and row["size_bytes"] == 5


def test_csv_is_read_by_pandas_with_the_right_types() -> None:
    """Numbers are numbers, flags are flags, text is text, and missing values are missing."""
    table = pandas.read_csv(io.StringIO(as_csv(classified_result(), rejected_result())))
    assert table["p_spiral"].dtype == np.float64 and table["p_spiral"][0] == 0.9 and np.isnan(table["p_spiral"][1])
    assert table["size_bytes"].dtype == np.int64
    assert table["unsure"][0] == False and pandas.isna(table["unsure"][1])  # noqa: E712 (numpy's own False)
    assert table["conversions"][0] == "p_to_rgb;padded_to_square"
    assert list(table["key"]) == ["m51.png", "notes.txt"]


@pytest.mark.parametrize("key", ['a,"b"\n c\r.png', "naïve ✨.png", "'quoted'.png", "a\tb.png"])
def test_csv_keeps_unusual_keys(key: str) -> None:
    """Keys with separators, quotes, line breaks and letters beyond ASCII come back, without one apostrophe in front."""
    rows = list(csv.DictReader(io.StringIO(as_csv(classified_result(key)), newline="")))
    assert rows[0]["key"].removeprefix("'") == key
    assert len(rows) == 1


@pytest.mark.parametrize("start", list("=+-@\t\r＝＋－＠"))
def test_csv_text_never_begins_like_a_formula(start: str) -> None:
    """A spreadsheet does not run what a stranger wrote into an object key or what a decoder said."""
    text = start + "HYPERLINK(1)"
    rows = list(csv.DictReader(io.StringIO(as_csv(rejected_result(key=text, reason=text)), newline="")))
    assert rows[0]["key"] == rows[0]["rejection_reason"] == f"'{text}"


def test_votable_is_read_by_astropy_with_types_units_and_descriptions() -> None:
    """Types, units and descriptions arrive, and what is missing is masked."""
    table = as_votable(classified_result(), rejected_result())
    assert table["p_spiral"].dtype == np.float64 and table["p_spiral"][0] == 0.9 and table["p_spiral"].mask[1]
    assert table["model_version"].dtype == np.int64 and table["model_version"].mask.tolist() == [False, True]
    assert table["unsure"].dtype == bool and table["unsure"].mask.tolist() == [False, True]
    assert str(table["seconds"].unit) == "s" and str(table["width"].unit) == "pix"
    assert table["key"].description == "Object key of the image."
    assert list(table["class"]) == ["spiral", ""]


def test_votable_replaces_what_xml_cannot_hold() -> None:
    """A control character in a key does not make the document unreadable; other letters stay."""
    table = as_votable(classified_result("a\x1b[31m<é>&✨.png"))
    assert table["key"][0] == "a\\x1b[31m<é>&✨.png"


def test_places_are_of_one_system_and_match_on_the_sky() -> None:
    """Right ascension and declination refer to ICRS, and astropy makes coordinates of them that match a catalogue's."""
    file = io.BytesIO()
    write_votable(table_of([located_result(), classified_result()]), file)
    file.seek(0)
    parsed = parse_single_table(file)
    fields = {field.name: field for field in parsed.fields}
    assert {fields[name].ref for name in ("ra", "dec")} == {"ICRS"}
    rows = parsed.to_table()
    assert list(rows["ra"].mask) == [False, True]
    here = SkyCoord(rows["ra"][:1], rows["dec"][:1], unit="deg")
    assert here.separation(SkyCoord("12h30m49.42s", "+12d23m28.0s")).arcsec[0] < 1


def test_what_was_told_wrongly_stands_in_the_table() -> None:
    """A right ascension of 400 degrees is named, and that of the file's header taken."""
    row = flatten(located_result(), COLUMNS)
    assert (row["object_id"], row["ra"], row["survey"], row["zoom"]) == ("M 87", 187.7059, "SDSS", None)
    assert row["object_ignored"] == "ra: expected degrees from 0 to below 360, got '400'"
    assert row["object_told"] == "object_id;size_arcsec;survey;zoom"


def test_tables_without_results_are_readable() -> None:
    """No results is a table with headings and no rows, not an error."""
    assert len(as_votable()) == 0
    assert len(pandas.read_csv(io.StringIO(as_csv()))) == 0


@pytest.mark.parametrize(
    "column", [one for one in columns([voted_result()]) if one.ucd], ids=lambda column: column.name
)
def test_ucds_are_words_of_the_vocabulary(column: Any) -> None:
    """Every UCD is made of words that the IVOA's list has."""
    parse_ucd(column.ucd, check_controlled_vocabulary=True, has_colon=True)
