"""Batches that are reopened, on a real object gateway."""

from __future__ import annotations

from typing import Any

import pytest
import urllib3
from flask.testing import FlaskClient

from cosmoformer.served_models import settings_for
from cosmoformer.settings import Settings, load
from cosmoformer.storage.features import Seen, document, folder_of, new_key, rows_of
from cosmoformer.storage.results import result_key
from cosmoformer.storage.store import Store
from functions.ingest.app import create_app
from tests.functions.ingest.conftest import JUDGE, ORIGIN, client_with, put_image, put_result

BATCH = "20260131T120000Z-" + "0123456789abcdef" * 2
OTHER = "20260131T120000Z-" + "fedcba9876543210" * 2


def _opened(client: FlaskClient, batch: str = BATCH, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/uploads/{batch}{query}")
    assert answer.status_code == 200, answer.data
    document: dict[str, Any] = answer.json or {}
    return document


def _upload(store: Store, name: str, batch: str = BATCH) -> str:
    """An image and its result; returns its key."""
    key = f"{store.settings.images_prefix}uploads/{batch}/{name}"
    put_result(store, key, put_image(store, key, name.encode()))
    return key


@pytest.mark.parametrize("name", ["m51.jpg", "night 1/<b>ü🌌&=?#;.png", "a.json", "x.jpg.json"])
def test_batch_gives_results_and_images(client: FlaskClient, store: Store, name: str) -> None:
    """Each result comes with its image's key and name, and with addresses that the store answers, whatever the name."""
    key = _upload(store, name)
    (entry,) = _opened(client)["results"]
    assert (entry["key"], entry["name"]) == (key, name)
    assert entry["result"]["key"] == result_key(store.settings, key)
    assert urllib3.request("GET", entry["result"]["url"]).json()["image"]["key"] == key
    assert urllib3.request("GET", entry["image"]["url"]).data == name.encode()


def test_batch_has_only_its_own_results(client: FlaskClient, store: Store) -> None:
    """Neither other batches nor images without a result are listed."""
    key = _upload(store, "mine.jpg")
    _upload(store, "theirs.jpg", OTHER)
    _upload(store, "near.jpg", BATCH + "0")
    put_image(store, f"uploads/{BATCH}/waiting.jpg")
    store.write(store.settings.results_bucket, f"results/uploads/{BATCH}/notes.txt", b"no result", "text/plain")
    assert [entry["key"] for entry in _opened(client)["results"]] == [key]


def test_batch_comes_in_pages(client: FlaskClient, store: Store) -> None:
    """A batch can be read in parts, each telling where the next begins; together they are all of it, once."""
    names = sorted([*(f"{number:03} ü.jpg" for number in range(7)), "deep/a.jpg"])
    for name in names:
        _upload(store, name)
    found: list[str] = []
    after: str | None = ""
    pages = 0
    while after is not None:
        answer = client.get(f"/uploads/{BATCH}", query_string={"limit": "3", "after": after}).json or {}
        found += [entry["name"] for entry in answer["results"]]
        after, pages = answer["next"], pages + 1
    assert (found, pages) == (names, 3)


def test_cut_key_tells_its_image(client: FlaskClient, store: Store) -> None:
    """A result whose key was cut to fit the store names its image all the same; a forged one opens nothing else."""
    key = _upload(store, "ü" * 475 + ".jpg")
    assert len(result_key(store.settings, key).encode()) > 1020
    forged = f"results/uploads/{BATCH}/".ljust(1024 - 70, "f") + f"~{'0' * 64}.json"
    elsewhere = b'{"schema_version": 1, "image": {"key": "private/secret.jpg"}}'
    store.write(store.settings.results_bucket, forged, elsewhere, "application/json")
    assert [entry["key"] for entry in _opened(client)["results"]] == [key]


def test_unknown_batch_is_empty(client: FlaskClient) -> None:
    """A batch that never was looks like one without results."""
    assert _opened(client) == {"batch": BATCH, "results": [], "next": None}


@pytest.mark.parametrize(
    "batch", ["night-1", "b", BATCH[:-1], BATCH + "0", BATCH.upper(), "..", "20260131T120000Z-", "%2e"]
)
def test_guessable_batch_is_not_opened(client: FlaskClient, batch: str) -> None:
    """A name that is none of those that show is refused, whether such a batch exists or not."""
    answer = client.get(f"/uploads/{batch}")
    assert answer.status_code in (400, 404)
    if answer.status_code == 400:
        assert answer.json and "no link to a batch" in answer.json["detail"]


def test_new_batch_is_opened_by_the_name_that_shows(client: FlaskClient, store: Store) -> None:
    """Of the two names that come with upload addresses one opens what was uploaded; the one that uploads is refused."""
    asked = client.post("/uploads", json={"files": [{"name": "m51.jpg", "type": "image/jpeg", "size": 7}]}).json or {}
    _upload(store, "m51.jpg", asked["show"])
    opened = _opened(client, asked["show"])
    assert [entry["key"] for entry in opened["results"]] == [asked["uploads"][0]["key"]]
    assert asked["batch"][-32:] not in str(opened)
    assert client.get(f"/uploads/{asked['batch']}").status_code == 400


def test_prefixes_stand_before_the_keys(settings: Settings) -> None:
    """Batches are looked for where IMAGES_PREFIX and RESULTS_PREFIX put them."""
    moved = load({}, **(vars(settings) | {"images_prefix": "in/", "results_prefix": "out/"}))
    key = _upload(Store(moved), "m51.jpg")
    assert key.startswith("in/uploads/")
    assert [entry["key"] for entry in _opened(create_app(moved).test_client())["results"]] == [key]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", ""])
def test_limit_is_checked(client: FlaskClient, limit: str) -> None:
    """A page has 1 to 1,000 results."""
    answer = client.get(f"/uploads/{BATCH}?limit={limit}")
    assert answer.status_code == 400
    assert answer.json and "limit must be" in answer.json["detail"]


def test_only_the_page_may_open_batches(client: FlaskClient) -> None:
    """The configured page may read the answer, another page gets none."""
    allowed = client.get(f"/uploads/{BATCH}", headers={"Origin": ORIGIN})
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    assert allowed.headers["Cache-Control"] == "no-store"  # addresses expire
    refused = client.get(f"/uploads/{BATCH}", headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "Access-Control-Allow-Origin" not in refused.headers


def _describe(store: Store, key: str, model: str = "") -> str:
    """Feature vectors of an image by a served model; returns the key of their object."""
    place = new_key(settings_for(store.settings, model), folder_of(store.settings, key), JUDGE.sha256)
    row = Seen(key, "etag", b"\0\0\0<")
    store.write_json(store.settings.results_bucket, place, document(JUDGE, [row]), replacing=None)
    return place


def test_a_batch_is_given_its_own_vectors(client: FlaskClient, store: Store) -> None:
    """Their addresses are answered by the store, in parts if need be; those of other batches and of other images are not told."""
    own = sorted(_describe(store, _upload(store, name)) for name in ("a.jpg", "deep/b.jpg", "c.jpg"))
    _describe(store, _upload(store, "theirs.jpg", OTHER))
    _describe(store, "night/elsewhere.jpg")
    first = client.get(f"/uploads/{BATCH}/features?limit=2").json or {}
    rest = client.get(f"/uploads/{BATCH}/features", query_string={"after": first["next"]}).json or {}
    entries = first["features"] + rest["features"]
    assert [entry["key"] for entry in entries] == own
    assert rest["next"] is None
    rows = [row for entry in entries for row in rows_of(urllib3.request("GET", entry["url"]).json())]
    assert {row.key for row in rows} == {f"uploads/{BATCH}/{name}" for name in ("a.jpg", "deep/b.jpg", "c.jpg")}


def test_a_further_model_has_vectors_of_its_own(settings: Settings, store: Store) -> None:
    """They are told to whoever names it, and no others; a name that nothing is served under is refused."""
    key = _upload(store, "a.jpg")
    first = _describe(store, key)
    second = _describe(store, key, "inclination")
    with client_with(settings, served_models="inclination") as client:
        for model, expected in (("", first), ("inclination", second), (settings.model_name, first)):
            (entry,) = (client.get(f"/uploads/{BATCH}/features", query_string={"model": model}).json or {})["features"]
            assert entry["key"] == expected
        refused = client.get(f"/uploads/{BATCH}/features?model=other")
    assert refused.status_code == 400
    assert "model must be one that is served" in (refused.json or {})["detail"]


def test_vectors_are_told_by_the_name_that_shows_alone(client: FlaskClient) -> None:
    """What is no such name is refused, and a batch without vectors has none."""
    assert client.get("/uploads/upload-20260131T120000Z-0123456789abcdef0123456789abcdef/features").status_code == 400
    assert client.get(f"/uploads/{OTHER}/features").json == {"batch": OTHER, "features": [], "next": None}
