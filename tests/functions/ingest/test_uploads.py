"""Upload addresses, against a real object gateway."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st

from cosmoformer.settings import Settings, load
from cosmoformer.storage.presigned import ACL
from cosmoformer.storage.results import result_key
from cosmoformer.storage.store import Store
from functions.ingest.app import create_app
from functions.ingest.links import showing
from functions.ingest.uploads import object_key
from tests.functions.ingest.conftest import ORIGIN, put_result

BODY = b"picture"  # 7 bytes
BATCH = "upload-20260131T120000Z-" + "0123456789abcdef" * 2
FOLDER = f"uploads/{showing(BATCH)}"
OTHER_FOLDER = f"uploads/{showing(BATCH[:-1] + '0')}"


def _file(name: Any = "m51.jpg", type_: Any = "image/jpeg", size: Any = 7) -> dict[str, Any]:
    return {"name": name, "type": type_, "size": size}


def _renewal(key: Any) -> dict[str, Any]:
    return {"key": key, "type": "image/jpeg", "size": 7}


def _ask(client: FlaskClient, *files: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = client.post("/uploads", json={"files": list(files), **more})
    assert answer.status_code == 200, answer.data
    document: dict[str, Any] = answer.json or {}
    return document


def _put(upload: dict[str, Any], body: bytes = BODY, content_type: str | None = None) -> int:
    put = upload["put"]
    headers = put["headers"] | ({"Content-Type": content_type} if content_type else {})
    return urllib3.request(put["method"], put["url"], body=body, headers=headers).status


@pytest.mark.parametrize("name", ["m51.jpg", "gal axy+50%_ü🌌&=?#;'\"\\.png", "night 1/a b/ü.fits"])
def test_address_takes_the_file(client: FlaskClient, store: Store, name: str) -> None:
    """A file put to its address stands under its key, which ends in its name, folders and all."""
    document = _ask(client, _file(name))
    (upload,) = document["uploads"]
    assert upload["key"] == f"uploads/{document['show']}/{name}"
    assert _put(upload) == 200
    assert store.read_image(upload["key"])[1] == BODY


def test_address_takes_nothing_else(client: FlaskClient, store: Store) -> None:
    """The store refuses another type or size than the address was asked for."""
    (upload,) = _ask(client, _file())["uploads"]
    assert _put(upload, content_type="text/html") == 403
    assert _put(upload, BODY + b"!") == 403
    assert _put(upload, b"") == 403
    assert list(store.list(store.settings.images_bucket)) == []


def test_result_address_waits_for_the_result(client: FlaskClient, store: Store) -> None:
    """The result's address answers 404 before and the result after it was written."""
    (upload,) = _ask(client, _file("ü+.jpg"))["uploads"]
    assert upload["result"]["key"] == result_key(store.settings, upload["key"])
    assert urllib3.request("GET", upload["result"]["url"]).status == 404
    put_result(store, upload["key"], "e")
    assert urllib3.request("GET", upload["result"]["url"]).json()["status"] == "classified"


def test_expiry_is_told(client: FlaskClient, settings: Settings) -> None:
    """The answer says until when each address is valid."""
    (upload,) = _ask(client, _file())["uploads"]
    for expires, seconds in (
        (upload["expires"], settings.upload_expiry_seconds),
        (upload["result"]["expires"], settings.result_expiry_seconds),
    ):
        lasts = datetime.fromisoformat(expires) - datetime.now(UTC)
        assert abs(lasts - timedelta(seconds=seconds)) < timedelta(seconds=30)


def test_expired_address_is_renewed(settings: Settings, store: Store) -> None:
    """The store refuses an address after its time; asking for its key again gives another for the same object."""
    client = create_app(load({}, **(vars(settings) | {"upload_expiry_seconds": 1}))).test_client()
    document = _ask(client, _file("n~1/m51.jpg"), _file("n~1/m51.jpg"))
    second = document["uploads"][1]
    time.sleep(2.1)  # expiry counts in whole seconds
    assert _put(second) == 403
    (renewed,) = _ask(client, _renewal(second["key"]), batch=document["batch"])["uploads"]
    assert {name: renewed[name] for name in ("key", "name")} == {"key": second["key"], "name": "n~1/m51~2.jpg"}
    assert renewed["result"]["key"] == second["result"]["key"]
    assert _put(renewed) == 200
    assert [image.key for image in store.list(settings.images_bucket)] == [second["key"]]


def test_longest_key_is_renewed(client: FlaskClient) -> None:
    """A key that was cut to the store's limit is renewed as it is."""
    document = _ask(client, _file("ü" * 600 + ".jpeg"))
    key = document["uploads"][0]["key"]
    assert _ask(client, _renewal(key), batch=document["batch"])["uploads"][0]["key"] == key


@pytest.mark.parametrize(
    "key", [None, 5, "", "m51.jpg", FOLDER, f"{OTHER_FOLDER}/m51.jpg", f"{FOLDER}/" + "m" * 1020, f"{FOLDER}/\ud800"]
)
def test_key_of_elsewhere_is_not_renewed(client: FlaskClient, key: Any) -> None:
    """Only keys of the batch that the request names are renewed."""
    refused, fine = _ask(client, _renewal(key), _file(), batch=BATCH)["uploads"]
    assert refused["error"]["code"] in ("invalid_key", "invalid_name")
    assert fine["put"]["url"]


@pytest.mark.parametrize("name", ["", "../a.jpg", "a//b.jpg", "./a.jpg", "a\n.jpg", "\ufffe.jpg"])
def test_renewed_key_is_checked_like_a_name(client: FlaskClient, name: str) -> None:
    """Asking for a key of the batch is no way round the rules for names."""
    (refused,) = _ask(client, _renewal(f"{FOLDER}/{name}"), batch=BATCH)["uploads"]
    assert refused["error"]["code"] == "invalid_name"


def test_new_batches_sort_by_time_and_differ(client: FlaskClient) -> None:
    """A batch that was not named gets names with the time and a part that nobody guesses: one to upload, one to show."""
    first, second = _ask(client, _file()), _ask(client, _file())
    for document in (first, second):
        assert re.fullmatch(r"upload-\d{8}T\d{6}Z-[0-9a-f]{32}", document["batch"])
        assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{32}", document["show"])
        assert document["batch"][-32:] not in str(document["uploads"])
    assert first["batch"] != second["batch"] and first["show"] != second["show"]
    assert first["show"][:16] <= second["show"][:16]


def test_a_batch_is_added_to_by_its_name(client: FlaskClient) -> None:
    """A second request with the name that uploads goes into the same batch, which is shown by the same other name."""
    first = _ask(client, _file())
    second = _ask(client, _file("m101.jpg"), batch=first["batch"])
    assert (second["batch"], second["show"]) == (first["batch"], first["show"])
    assert second["uploads"][0]["key"] == f"uploads/{first['show']}/m101.jpg"


def test_the_name_that_shows_uploads_nothing(client: FlaskClient) -> None:
    """Whoever has a link that shows a batch gets no address in it: neither for a new file nor for one that is there."""
    document = _ask(client, _file())
    for file in (_file(), _renewal(document["uploads"][0]["key"])):
        answer = client.post("/uploads", json={"files": [file], "batch": document["show"]})
        assert answer.status_code == 403
        assert answer.json and "shows a batch" in answer.json["detail"]
        (refused,) = _ask(client, _renewal(document["uploads"][0]["key"]))["uploads"]  # nor by a batch of one's own
        assert refused["error"]["code"] == "invalid_key"


@pytest.mark.parametrize(
    "batch",
    [
        "",
        "..",
        "a/b",
        "ü",
        "night-1",
        5,
        ["a"],
        BATCH[:-1],
        BATCH + "0",
        BATCH.upper(),
        BATCH + "\n",
        "upload-" + BATCH,
    ],
)
def test_batch_that_was_not_named_here_is_refused(client: FlaskClient, batch: Any) -> None:
    """A name that could be guessed, or is no name, opens nothing: whoever guessed it would read results and replace images."""
    answer = client.post("/uploads", json={"files": [_file()], "batch": batch})
    assert answer.status_code == 400
    assert answer.json and "service" in answer.json["detail"]


def test_prefix_stands_before_the_key(settings: Settings) -> None:
    """Keys start with IMAGES_PREFIX, or no notification would be acted on."""
    client = create_app(load({}, **(vars(settings) | {"images_prefix": "in/"}))).test_client()
    assert _ask(client, _file(), batch=BATCH)["uploads"][0]["key"] == f"in/{FOLDER}/m51.jpg"


def test_equal_names_get_different_keys(client: FlaskClient) -> None:
    """Files of one name in one request do not replace each other."""
    names = ["a.jpg", "a.jpg", "a~2.jpg", "a.jpg", "f/a.jpg", ".hidden", ".hidden"]
    keys = [
        upload["key"].removeprefix(f"{FOLDER}/") for upload in _ask(client, *map(_file, names), batch=BATCH)["uploads"]
    ]
    assert keys == ["a.jpg", "a~2.jpg", "a~2~2.jpg", "a~3.jpg", "f/a.jpg", ".hidden", ".hidden~2"]


def test_long_name_fits_into_a_key(client: FlaskClient, store: Store) -> None:
    """Names over the store's limit are cut within 1,024 bytes, stay apart and keep their extension; the store takes them."""
    names = ["ü" * 600 + "1.jpeg", "ü" * 600 + "2.jpeg", "ü" * 600 + "1.jpeg"]
    uploads = _ask(client, *map(_file, names))["uploads"]
    keys = [upload["key"] for upload in uploads]
    assert len(set(keys)) == 3
    assert all(len(key.encode()) <= 1024 and key.endswith(".jpeg") for key in keys)
    assert [_put(upload) for upload in uploads] == [200, 200, 200]


@tries(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=700), min_size=2, max_size=4))
def test_keys_fit_and_differ(names: list[str]) -> None:
    """Whatever the names, keys are at most 1,024 bytes of UTF-8, start with their folder and are all different."""
    taken: set[str] = set()
    for name in names + names:
        key = object_key("in/uploads/b/", name, taken)
        assert len(key.encode()) <= 1024 and key.startswith("in/uploads/b/") and key not in taken
        taken.add(key)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (_file("../a.jpg"), "invalid_name"),
        (_file("a/../b.jpg"), "invalid_name"),
        (_file("./a.jpg"), "invalid_name"),
        (_file("/a.jpg"), "invalid_name"),
        (_file("a//b.jpg"), "invalid_name"),
        (_file("a/"), "invalid_name"),
        (_file(""), "invalid_name"),
        (_file(None), "invalid_name"),
        (_file("a\nb.jpg"), "invalid_name"),
        (_file("a\x7f.jpg"), "invalid_name"),
        (_file("a\ud800.jpg"), "invalid_name"),
        (_file("\ufffe0001.png"), "invalid_name"),
        (_file("a/\uffff"), "invalid_name"),
        (_file(type_="text/html"), "unsupported_type"),
        (_file(type_="image/jpeg\r\nX: y"), "unsupported_type"),
        (_file(type_=["image/jpeg"]), "unsupported_type"),
        (_file(size=0), "empty"),
        (_file(size=-1), "invalid_size"),
        (_file(size=1.5), "invalid_size"),
        (_file(size=True), "invalid_size"),
        (_file(size=None), "invalid_size"),
        (_file(size=33554433), "too_large"),
    ],
)
def test_refused_file_does_not_hold_up_the_others(client: FlaskClient, file: dict[str, Any], code: str) -> None:
    """A file that cannot be taken is told why, and its neighbours get their addresses."""
    refused, fine = _ask(client, file, _file())["uploads"]
    assert refused["name"] == file["name"]
    assert refused["error"]["code"] == code and refused["error"]["detail"].endswith(".")
    assert fine["put"]["url"]


@pytest.mark.parametrize(
    ("given_type", "bound_type"),
    [
        ("", "application/octet-stream"),
        (None, "application/octet-stream"),
        ("application/octet-stream", "application/octet-stream"),
        ("application/fits", "application/fits"),
        ("image/fits", "image/fits"),
        ("IMAGE/PNG", "image/png"),
        ("image/vnd.adobe.photoshop", "image/vnd.adobe.photoshop"),
    ],
)
def test_types_that_are_taken(client: FlaskClient, given_type: str | None, bound_type: str) -> None:
    """Pictures, FITS and files of no known type are taken; the answer says which type to send."""
    (upload,) = _ask(client, _file(type_=given_type))["uploads"]
    assert upload["put"]["headers"] == {"Content-Type": bound_type, "x-amz-acl": ACL}
    assert _put(upload) == 200


@pytest.mark.parametrize("body", [{}, [], {"files": {}}, {"files": ["a.jpg"]}, {"files": []}, {"files": [{}] * 101}])
def test_malformed_request_shows_what_was_expected(client: FlaskClient, body: Any) -> None:
    """A request that is none is refused as a whole."""
    answer = client.post("/uploads", json=body)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert answer.json and "expected" in answer.json["detail"] and answer.json["mend"]


def test_page_may_ask(client: FlaskClient) -> None:
    """The configured page passes its preflight and may read answers and refusals."""
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = client.options("/uploads", headers={"Origin": ORIGIN, **asked})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert preflight.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert preflight.headers["Access-Control-Allow-Headers"] == "Content-Type"
    for body, status in (({"files": [_file()]}, 200), ({}, 400)):
        answer = client.post("/uploads", json=body, headers={"Origin": ORIGIN})
        assert answer.status_code == status
        assert (answer.headers["Access-Control-Allow-Origin"], answer.headers["Vary"]) == (ORIGIN, "Origin")
        assert answer.headers["Cache-Control"] == "no-store"


def test_other_pages_may_not_ask(client: FlaskClient) -> None:
    """A page of another origin is refused, by preflight and by request."""
    for answer in (
        client.options("/uploads", headers={"Origin": "https://evil.example"}),
        client.post("/uploads", json={"files": [_file()]}, headers={"Origin": "https://evil.example"}),
    ):
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/sweep", "/dead-letters/replay", "/uploadsx"])
def test_page_may_ask_for_nothing_but_addresses(client: FlaskClient, path: str) -> None:
    """Even the configured page starts no sweep and no replay."""
    assert client.post(path, headers={"Origin": ORIGIN}).status_code == 403
