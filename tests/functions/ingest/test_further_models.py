"""Ingest with models side by side: addresses, sweeps and webhooks of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from cosmoformer.events import cloudevents
from cosmoformer.served_models import FOR_MODEL, settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage.results import result_key
from cosmoformer.storage.store import Store
from functions.ingest.app import create_app
from functions.ingest.hooks import alias_event
from functions.runtime.start import stop_background
from tests.cosmoformer.local.subscriber import Subscriber
from tests.functions.ingest.conftest import events_at, put_image, put_result

SECOND = "inclination"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The same with a further model."""
    return Settings(**(vars(settings) | {"served_models": SECOND}))


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    """A client of an ingest function that knows both."""
    app = create_app(settings)
    with app.test_client() as client:
        yield client
    stop_background(app)


def put_further_result(store: Store, settings: Settings, key: str) -> None:
    """What stands for a result of the second model in a listing."""
    place = result_key(settings_for(settings, SECOND), key)
    store.write(settings.results_bucket, place, b"{}", "application/json")


def test_uploads_and_batches_have_an_address_for_each_models_result(
    client: FlaskClient, store: Store, settings: Settings
) -> None:
    """Both answers name the second model, and sign where its result will stand."""
    file = {"name": "m51.png", "type": "image/png", "size": 8}
    answer = client.post("/uploads", json={"files": [file]}).json
    assert answer
    (upload,) = answer["uploads"]
    expected = f"by-model/{SECOND}/results/{upload['key']}.json"
    assert upload["further"][SECOND]["key"] == expected
    put_result(store, upload["key"], put_image(store, upload["key"]))
    page = client.get(f"/uploads/{answer['show']}").json
    assert page and page["results"][0]["further"][SECOND]["key"] == expected


def test_a_sweep_for_a_model_finds_what_that_model_lacks(
    client: FlaskClient, store: Store, settings: Settings, broker: Subscriber
) -> None:
    """Its event is for that model alone, and has another id than the first model's about the same image."""
    put_result(store, "a.png", put_image(store, "a.png"))
    put_image(store, "b.png")
    put_further_result(store, settings, "b.png")
    for model in ("", SECOND):
        assert client.post("/sweep", json={"model": model}).status_code == 200
    first, second = events_at(broker)
    assert (first.subject, first.attributes.get(FOR_MODEL)) == ("b.png", None)
    assert (second.subject, second.attributes.get(FOR_MODEL)) == ("a.png", SECOND)
    client.post("/sweep", json={"model": SECOND, "again": "all"})
    ids = {event.id for event in events_at(broker)}
    assert len(ids) == 3


def test_a_sweep_for_a_model_that_is_not_served_is_refused(client: FlaskClient) -> None:
    """The answer says which are."""
    answer = client.post("/sweep", json={"model": "votes"})
    assert answer.status_code == 400
    assert "model must be one that is served (cosmoformer, inclination)" in answer.text


def test_a_periodic_sweep_leaves_a_model_without_champion_alone(
    client: FlaskClient, store: Store, broker: Subscriber
) -> None:
    """Nobody could judge for it, so nothing is announced; the first model's images are, as ever."""
    put_image(store, "a.png")
    ping = cloudevents.new(type=cloudevents.SWEEP_PING, source="/ping", id="1", data={"min_age_s": 0})
    headers, body = cloudevents.to_binary(ping)
    assert client.post("/sweep", data=body, headers=headers).status_code == 202
    assert [event.attributes.get(FOR_MODEL) for event in events_at(broker)] == [None]


@pytest.mark.parametrize(("name", "announced"), [("cosmoformer", True), (SECOND, True), ("votes", False)])
def test_promotions_of_every_served_model_are_announced(settings: Settings, name: str, announced: bool) -> None:
    """To that model alone."""
    data: dict[str, Any] = {"name": name, "alias": "champion", "version": "2"}
    message = {"entity": "model_version_alias", "action": "created", "data": data}
    event = alias_event(settings, "delivery", json.dumps(message).encode())
    assert (event is not None) == announced
    if event:
        assert event.attributes[FOR_MODEL] == name
