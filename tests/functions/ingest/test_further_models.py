"""Ingest with models side by side: addresses, sweeps and webhooks of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from cosmoformer.events import cloudevents
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.served_models import FOR_MODEL, dead_letters_path, settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage.results import result_key
from cosmoformer.storage.store import Store
from functions.ingest import catch_up
from functions.ingest.announce import Broker
from functions.ingest.app import create_app
from functions.ingest.hooks import alias_event
from functions.ingest.sweep import Sweeper
from functions.runtime.start import stop_background
from tests.cosmoformer.local.subscriber import Subscriber, wait_until
from tests.functions.ingest.conftest import client_with, events_at, post_event, put_image, put_result
from tests.mlflow_server import MlflowServer

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


def test_a_batch_has_what_any_model_has_judged(client: FlaskClient, store: Store, settings: Settings) -> None:
    """In pages, each image once, also where the models' keys are cut differently; the first model's result need not be there."""
    batch = "20260131T120000Z-" + "0123456789abcdef" * 2
    names = sorted(["a.png", "b.png", "c.png", "d.png", "k" * 935 + ".png", "m" * 960 + ".png"])
    for number, name in enumerate(names):
        key = f"uploads/{batch}/{name}"
        etag = put_image(store, key)
        if number % 3 != 1 or len(name) > 900:
            put_result(store, key, etag)
        if number % 3 or len(name) > 900:
            put_result(Store(settings_for(settings, SECOND)), key, etag)
    for limit in (2, 100):
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = client.get(f"/uploads/{batch}", query_string={"limit": limit, "after": after}).json or {}
            found += [entry["name"] for entry in page["results"]]
            after = page["next"]
        assert sorted(found) == names


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


def test_each_model_has_dead_letters_of_its_own(
    client: FlaskClient, store: Store, settings: Settings, broker: Subscriber
) -> None:
    """One event that neither model took is two letters, and each keeps only its own model's sweep from the image."""
    put_image(store, "a.png")
    client.post("/sweep", json={})
    (event,) = events_at(broker)
    expected = {"": "announced", SECOND: "announced"}
    for model in (SECOND, ""):
        assert post_event(client, dead_letters_path(model), event).status_code == 202
        expected[model] = "dead_lettered"
        for swept, outcome in expected.items():
            for name in (swept, swept or settings.model_name):
                counts = client.post("/sweep", json={"model": name}).json
                assert counts and counts[outcome] == 1, (model, name, counts)
    listed = client.get("/dead-letters").json
    assert listed and len(listed["dead_letters"]) == 2


def test_a_letter_of_no_model_is_refused(client: FlaskClient, broker: Subscriber) -> None:
    """A name that no model can have makes no object key, and the broker is told that it will never be taken."""
    event = cloudevents.new(type="t", source="/s", id="1")
    assert post_event(client, "/dead-letters/by-model/.json", event).status_code == 400


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


@pytest.fixture
def judged_by_second(settings: Settings, mlflow_server: MlflowServer, bucket: Callable[[], str]) -> Settings:
    """The same with a registry in which the second model alone has a champion."""
    second = bucket()  # a name that no other test registers
    own = {"mlflow_tracking_uri": mlflow_server.url, "served_models": second, "model_name": bucket()}
    made = Settings(**(vars(settings) | own))
    register(Registry(settings_for(made, second)), b"an artifact", tags={}, alias="champion")
    return made


def test_a_models_failed_sweep_ends_no_other_models(
    judged_by_second: Settings, store: Store, broker: Subscriber
) -> None:
    """Without a champion nobody can say which of the first model's results are stale; the second's images are announced."""
    put_image(store, "a.png")
    data = {"min_age_s": 0, "again": "stale"}
    ping = cloudevents.new(type=cloudevents.SWEEP_PING, source="/ping", id="1", data=data)
    with client_with(judged_by_second) as client:
        assert post_event(client, "/sweep", ping).status_code == 503
    assert [event.attributes.get(FOR_MODEL) for event in events_at(broker)] == [judged_by_second.served_models]


def test_the_sweep_at_the_start_is_for_every_model(
    judged_by_second: Settings, store: Store, broker: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came while ingest was away gets a result of each model without waiting for the next ping."""
    monkeypatch.setattr(catch_up, "SETTLE_S", 0.5)
    monkeypatch.setattr(catch_up, "_HEARD_S", 0.1)
    put_image(store, "a.png")
    put_result(store, "a.png", store.head_image("a.png").etag)
    put_image(store, "b.png")
    with client_with(judged_by_second, sweep_at_start_seconds=30.0):
        wait_until(lambda: len(broker.received) == 3)
    second = judged_by_second.served_models
    told = {(event.subject, event.attributes.get(FOR_MODEL)) for event in events_at(broker)}
    assert told == {("b.png", None), ("a.png", second), ("b.png", second)}


def test_pings_look_at_images_that_were_heard(judged_by_second: Settings, store: Store, broker: Subscriber) -> None:
    """Whatever became of the sweep at the start: what was heard then and has no result yet is announced again."""
    put_image(store, "a.png")
    waiting = Settings(**(vars(judged_by_second) | {"sweep_at_start_seconds": 30.0}))
    sweeper = Sweeper(waiting, store, Broker(waiting))
    sweeper.heard("a.png")
    sweeper.sweep_by_ping(cloudevents.new(type=cloudevents.SWEEP_PING, source="/ping", id="1", data={"min_age_s": 0}))
    assert "a.png" in {event.subject for event in events_at(broker)}


@pytest.mark.parametrize(("name", "announced"), [("cosmoformer", True), (SECOND, True), ("votes", False)])
def test_promotions_of_every_served_model_are_announced(settings: Settings, name: str, announced: bool) -> None:
    """To that model alone."""
    data: dict[str, Any] = {"name": name, "alias": "champion", "version": "2"}
    message = {"entity": "model_version_alias", "action": "created", "data": data}
    event = alias_event(settings, "delivery", json.dumps(message).encode())
    assert (event is not None) == announced
    if event:
        assert event.attributes[FOR_MODEL] == name
