"""What is known of the object in an image: how it is told, checked, and brought together."""

from __future__ import annotations

from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmoformer.images.framing import Framing
from cosmoformer.images.sky import NOWHERE, Sky
from cosmoformer.storage.sky_objects import (
    FIELDS,
    Told,
    as_metadata,
    is_told,
    member,
    of_metadata,
    of_name,
    others,
    read,
    same_told,
)


@pytest.mark.parametrize("spelling", ["object-id", "object_id", "objectid", "Object-Id"])
def test_a_field_is_known_in_every_spelling(spelling: str) -> None:
    """Metadata have hyphens, results underscores, and attributes of CloudEvents neither."""
    assert read({spelling: "NGC 1300"}) == Told({"object_id": "NGC 1300"})


def test_everything_that_can_be_told_is_read_in_its_kind() -> None:
    """Texts stay texts, numbers become numbers, and what else comes along is nobody's business."""
    told = {
        "object-id": "1237648720693755918",
        "ra": "184.9511",
        "dec": "-0.8754",
        "survey": "SDSS DR17",
        "pixel-scale": "0.396",
        "size-arcsec": "12.5",
        "zoom": "2",
        "mode": "33188",
    }
    known = read(told).known
    assert known == {
        "object_id": "1237648720693755918",
        "ra": 184.9511,
        "dec": -0.8754,
        "survey": "SDSS DR17",
        "pixel_scale": 0.396,
        "size_arcsec": 12.5,
        "zoom": 2.0,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ra", "360"),
        ("ra", "-0.1"),
        ("ra", "12:30:00"),
        ("dec", "90.5"),
        ("dec", "nan"),
        ("zoom", "0.1"),
        ("zoom", "inf"),
        ("pixel_scale", "0"),
        ("size_arcsec", "-3"),
        ("object_id", ""),
        ("object_id", "x" * 129),
        ("object_id", "a\x00b"),
        ("object_id", "caf\ufffd"),
        ("survey", "x" * 65),
    ],
)
def test_what_is_told_wrongly_is_left_out_and_named(name: str, value: str) -> None:
    """One sentence says which field, what was expected and what came."""
    expected = next(field.expected for field in FIELDS if field.name == name)
    told = read({name: value})
    assert told.known == {}
    assert told.ignored[0].startswith(f"{name}: expected {expected}, got ")


@pytest.mark.parametrize("name", ["ra", "dec"])
def test_half_a_place_is_none(name: str) -> None:
    """A right ascension without a declination joins to nothing."""
    assert read({name: "1"}) == Told({}, (f"{name}: expected ra and dec together",))


def test_what_is_told_twice_is_told_once_or_named() -> None:
    """Two spellings of one field may agree; where they do not, the first counts."""
    assert read({"object-id": "a", "object_id": "a"}) == Told({"object_id": "a"})
    assert read({"object-id": "a", "object_id": "b"}).ignored == ("object_id: told twice, as 'a' and 'b'",)


@pytest.mark.parametrize("value", ["Käsekästchen".encode().decode("latin-1"), Header("Käsekästchen", "utf-8").encode()])
def test_text_beyond_ascii_is_read_as_stores_give_it(value: str) -> None:
    """As UTF-8 in a header that was read as Latin-1, and as RFC 2047 encodes it."""
    assert of_metadata({"object-id": value}).known == {"object_id": "Käsekästchen"}


@pytest.mark.parametrize("value", ["=?utf-8?b?a?=", "=?utf-8?b?abcde?=", "=?utf-8?b?////?=", "=?x?b?YQ==?=", "=?"])
def test_a_broken_encoding_is_taken_as_it_stands(value: str) -> None:
    """In the metadata that tell of the object and in any other: the image is classified all the same."""
    assert of_metadata({"object-id": value, "somebody-elses": value}).known == {"object_id": value}


def test_header_text_that_is_no_utf_8_is_named() -> None:
    """Whatever the bytes were meant to be, nobody can tell."""
    assert (
        of_metadata({"object-id": "caf\xe9"}).ignored[0].startswith("object_id: expected 1 to 128 printable characters")
    )


@given(st.dictionaries(st.sampled_from([field.name for field in FIELDS]), st.text()))
def test_anything_can_be_told(members: dict[str, str]) -> None:
    """Whatever text comes, it is used or named; and what is used is told again by the result."""
    told = read(members)
    named = {sentence.partition(":")[0] for sentence in told.ignored}
    assert set(members) == set(told.known) | named
    result = member(told, NOWHERE, {})
    assert is_told(result, told)


@given(st.dictionaries(st.sampled_from([field.name for field in FIELDS]), st.text()))
def test_metadata_tell_what_was_told(members: dict[str, str]) -> None:
    """They are ASCII, as headers must be, fit S3's two kilobytes, and are read as what was meant."""
    told = read(members)
    metadata = as_metadata(told)
    assert all(name.isascii() and value.isascii() and value.isprintable() for name, value in metadata.items())
    assert sum(len(name) + len(value) for name, value in metadata.items()) < 2048
    assert of_metadata(metadata).known == told.known


def test_metadata_of_others_are_kept_apart() -> None:
    """In a form that can be written again, whatever the store made of it."""
    raw = "Käse".encode().decode("latin-1")
    kept = others({"mode": "33188", "object_id": "x", "pixelscale": "1", "owner": raw})
    assert kept == {"mode": "33188", "owner": "=?utf-8?b?S8Okc2U=?="}


def test_a_place_comes_whole_from_the_one_who_knows_best() -> None:
    """The sender's word comes before the header's, and that before the name's."""
    sky = Sky("M 87", 187.7, 12.4, 0.4)
    named = of_name("J123049.42+122328.0.fits")
    told = read({"ra": "10", "dec": "20"})
    known = member(told, sky, named)
    assert known == {
        "object_id": "M 87",
        "ra": 10,
        "dec": 20,
        "pixel_scale": 0.4,
        "told": ["dec", "ra"],
        "ignored": [],
    }
    assert member(read({}), NOWHERE, named) == {**named, "told": [], "ignored": []}
    assert member(read({}), NOWHERE, {}) is None


@pytest.mark.parametrize(
    ("name", "ra", "dec"),
    [
        ("night/SDSS J123049.42+122328.0.png", 187.7059167, 12.3911111),
        ("J000000-000001.fits", 0, -0.0002778),
        ("cutout_J235959.99+895959.9_r.png", 359.9999583, 89.9999722),
    ],
)
def test_a_designation_tells_the_place(name: str, ra: float, dec: float) -> None:
    """Hours, minutes and seconds, then degrees, minutes and seconds of arc, as IAU designations have them."""
    found = of_name(name)
    assert (found["ra"], found["dec"]) == (pytest.approx(ra, abs=1e-6), pytest.approx(dec, abs=1e-6))
    assert str(found["object_id"]).startswith("J")


@pytest.mark.parametrize(
    "name",
    ["m51.jpg", "J1230+1223.png", "J250000+000000.png", "J126100+000000.png", "J120000+910000.png", "XJ120000+000000"],
)
def test_other_names_tell_nothing(name: str) -> None:
    """Short designations, impossible ones and words that end in J are no places."""
    assert of_name(name) == {}


def test_a_zoom_that_is_told_comes_before_a_size_and_that_before_the_setting() -> None:
    """The most direct word counts; a size that the model cannot use leaves the setting."""
    size = {"size-arcsec": "10", "pixel-scale": "0.5"}
    assert read({**size, "zoom": "3"}).framing(8, 1.5).zoom_of(480, 480) == 3
    assert read(size).framing(8, 1.5).zoom_of(480, 480) == 3
    assert read(size).framing(0, 1.5).zoom_of(480, 480) == 1.5
    unknown_scale = read({"size-arcsec": "10"}).framing(8, 1.5)
    assert unknown_scale.zoom_of(480, 480) == 1.5
    assert unknown_scale.with_scale(0.5).zoom_of(480, 480) == 3
    assert unknown_scale.identity != read({"size-arcsec": "10"}).framing(8, 1.0).identity
    assert read({"size-arcsec": "1e-3", "pixel-scale": "0.5"}).framing(8, 1.5).zoom_of(480, 480) == 1.5
    assert read({}).framing(8, 1.5) == Framing(1.5, None, None, 8)


def test_results_that_rest_on_other_words_are_told_apart() -> None:
    """What the sender says now is compared with what the result was told, not with what a header says."""
    sky = Sky("M 87", 187.7, 12.4, 0.4)
    one = {"object": member(read({"survey": "SDSS"}), sky, {})}
    assert same_told(one, {"object": member(read({"survey": "SDSS"}), NOWHERE, {})})
    assert not same_told(one, {"object": member(read({"survey": "DECaLS"}), sky, {})})
    assert not same_told(one, {})
    assert is_told(None, Told()) and not is_told(None, read({"survey": "SDSS"}))
