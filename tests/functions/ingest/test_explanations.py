"""The page's requests for explanations, over a real store."""

from __future__ import annotations

import json
from typing import Any

import pytest
import urllib3
from flask.testing import FlaskClient

from cosmoformer.events.notifications import read_event
from cosmoformer.storage.explanations import explanation_key
from cosmoformer.storage.store import Store
from tests.cosmoformer.local.subscriber import Subscriber
from tests.functions.ingest.conftest import JUDGE, events_at, put_image, put_result

BATCH = "20260131T120000Z-" + "0123456789abcdef" * 2
OTHER = "20260131T120000Z-" + "fedcba9876543210" * 2


def test_an_image_of_a_batch_is_asked_about(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """Classify gets an event about the image that asks for an explanation; the answer tells where that will stand."""
    key = f"uploads/{BATCH}/night 1/ü.jpg"
    put_result(store, key, put_image(store, key))
    answer = client.post(f"/uploads/{BATCH}/explanations", json={"key": key})
    assert answer.status_code == 202, answer.data
    (event,) = events_at(broker)
    assert event.attributes["explain"] == "1"
    assert [(created.bucket, created.key) for created in read_event(event)] == [(store.settings.images_bucket, key)]
    place = explanation_key(store.settings, key)
    assert answer.json["key"] == place
    store.write(store.settings.results_bucket, place, b'{"output": "spiral"}', "application/json")
    assert urllib3.request("GET", answer.json["url"]).json() == {"output": "spiral"}


@pytest.mark.parametrize(
    "body",
    [
        {"key": f"uploads/{OTHER}/m51.jpg"},
        {"key": f"uploads/{BATCH}/"},
        {"key": "m51.jpg"},
        {"key": f"uploads/{BATCH}/" + "x" * 1100},
        {"key": f"uploads/{BATCH}/\ud800.jpg"},
        {"key": 7},
        {},
        [],
    ],
)
def test_only_images_of_the_batch_are_explained(client: FlaskClient, broker: Subscriber, body: Any) -> None:
    """A key of another batch, or none, is refused, and no event is sent."""
    answer = client.post(f"/uploads/{BATCH}/explanations", json=body)
    assert (answer.status_code, broker.received) == (400, [])


def test_an_image_that_is_not_there_is_not_explained(client: FlaskClient, broker: Subscriber) -> None:
    """410, and no event is sent."""
    answer = client.post(f"/uploads/{BATCH}/explanations", json={"key": f"uploads/{BATCH}/m51.jpg"})
    assert (answer.status_code, broker.received) == (410, [])


def test_the_name_that_uploads_does_not_show(client: FlaskClient) -> None:
    """Nor does a name that is none."""
    for name in ("upload-20260131T120000Z-" + "0" * 32, "x"):
        assert client.post(f"/uploads/{name}/explanations", json={"key": "m51.jpg"}).status_code == 400


def test_nobody_is_asked_twice(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """One event, however often somebody asks, and none for what stands; one about other bytes does not count."""
    key, other = f"uploads/{BATCH}/m51.jpg", f"uploads/{BATCH}/ngc1.jpg"
    etags = {one: put_image(store, one, one.encode()) for one in (key, other)}
    for one, etag in etags.items():
        put_result(store, one, etag)
    for _ in range(3):
        assert client.post(f"/uploads/{BATCH}/explanations", json={"key": key}).status_code == 202
    assert len(broker.received) == 1
    for etag, events in {"another": 2, etags[other]: 2}.items():
        document = {"schema_version": 1, "image": {"etag": etag, "zoom": None}, "model": {"sha256": JUDGE.sha256}}
        place = explanation_key(store.settings, other)
        store.write(store.settings.results_bucket, place, json.dumps(document).encode(), "application/json")
        assert client.post(f"/uploads/{BATCH}/explanations", json={"key": other}).status_code == 202
        assert len(broker.received) == events


@pytest.mark.parametrize("result", ["none", "rejected", "of other bytes"])
def test_what_has_no_class_is_not_explained(client: FlaskClient, store: Store, broker: Subscriber, result: str) -> None:
    """400: nobody is sent to look at it in vain."""
    key = f"uploads/{BATCH}/m51.jpg"
    etag = put_image(store, key)
    if result != "none":
        rejected = result == "rejected"
        put_result(store, key, etag if rejected else "other", "rejected" if rejected else "classified")
    answer = client.post(f"/uploads/{BATCH}/explanations", json={"key": key})
    assert (answer.status_code, broker.received) == (400, [])
