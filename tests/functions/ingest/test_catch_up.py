"""What nobody heard of, because the broker or ingest itself was away, is announced as soon as both are there."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from cosmoformer.events import cloudevents
from cosmoformer.settings import Settings
from cosmoformer.storage.store import Store
from functions.ingest import catch_up
from functions.ingest.announce import Broker
from functions.ingest.sweep import Sweeper
from functions.ingest.sweep_options import SweepOptions
from tests.cosmoformer.local.subscriber import Answer, Subscriber, wait_until
from tests.functions.ingest.conftest import client_with, events_at, post_event, put_image, put_result

START = {"sweep_at_start_seconds": 30.0}


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep at the start begins without much ado."""
    monkeypatch.setattr(catch_up, "SETTLE_S", 0.5)
    monkeypatch.setattr(catch_up, "_HEARD_S", 0.1)


def _notification(settings: Settings, *keys: str) -> dict[str, Any]:
    bucket = {"name": settings.images_bucket}
    return {
        "Records": [
            {
                "eventSource": "ceph:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": bucket, "object": {"key": key}},
            }
            for key in keys
        ]
    }


def _announced(broker: Subscriber) -> list[str]:
    """Subjects of the events that the broker took: those that it refused do not count."""
    return [event.subject or "" for event in events_at(broker)]


def test_what_the_broker_refused_is_sent_again_without_the_store(
    client: FlaskClient, settings: Settings, broker: Subscriber
) -> None:
    """A store that tries once has done its part: ingest sends each image of the notification again until the broker takes it."""
    broker.script = [Answer(503)]
    assert client.post("/", json=_notification(settings, "a", "b")).status_code == 503
    assert _announced(broker) == ["a"]
    broker.script = [Answer(202)]
    wait_until(lambda: _announced(broker)[-2:] == ["a", "b"])
    first, *_, last, _ = events_at(broker)
    assert first.id == last.id


def test_what_the_store_sent_again_is_not_sent_by_ingest_too(
    client: FlaskClient, settings: Settings, broker: Subscriber
) -> None:
    """A store that keeps its notifications, and is faster, leaves nothing to do."""
    broker.script = [Answer(503), Answer(202)]
    note = _notification(settings, "a")
    assert [client.post("/", json=note).status_code for _ in range(2)] == [503, 202]
    assert client.post("/", json=_notification(settings, "b")).status_code == 202
    time.sleep(1.5)  # longer than until the first attempt
    assert _announced(broker) == ["a", "a", "b"]


@pytest.mark.usefixtures("soon")
def test_more_than_can_be_kept_is_found_by_a_sweep(
    settings: Settings, store: Store, broker: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long outage takes a bounded amount of memory, and no image is lost by that."""
    monkeypatch.setattr(catch_up, "MOST_KEPT", 1)
    for key in ("a", "b", "c"):
        put_image(store, key)
    broker.script = [Answer(503)]
    with client_with(settings) as client:
        assert client.post("/", json=_notification(settings, "a", "b", "c")).status_code == 503
        broker.script = [Answer(202)]
        wait_until(lambda: {"a", "b", "c"} <= set(_announced(broker)))


@pytest.mark.usefixtures("soon")
def test_a_start_finds_what_came_while_nobody_listened(settings: Settings, store: Store, broker: Subscriber) -> None:
    """Images without a result are announced once, however young; those that a notification announced meanwhile are not again."""
    for key in ("unheard", "heard", "judged"):
        put_image(store, key)
    put_result(store, "judged", store.head_image("judged").etag)
    with client_with(settings, **START) as client:
        assert client.post("/", json=_notification(settings, "heard")).status_code == 202
        wait_until(lambda: "unheard" in _announced(broker))
        time.sleep(0.5)
    assert _announced(broker) == ["heard", "unheard"]


@pytest.mark.usefixtures("soon")
def test_a_start_waits_for_the_broker(settings: Settings, store: Store, broker: Subscriber) -> None:
    """A broker that is away at the start is asked again until the sweep is through."""
    put_image(store, "a")
    broker.script = [Answer(503)]
    with client_with(settings, **START):
        wait_until(lambda: broker.received)
        broker.script = [Answer(202)]
        wait_until(lambda: len(broker.received) > 1)
    assert set(_announced(broker)) == {"a"}


def _sweeper(settings: Settings, store: Store) -> Sweeper:
    return Sweeper(settings, store, Broker(settings))


def test_a_sweep_at_the_start_is_bounded(settings: Settings, store: Store, broker: Subscriber) -> None:
    """It ends when its time is over, in a bucket of any size."""
    put_image(store, "a")
    counts = _sweeper(settings, store).sweep(SweepOptions(prefix="", periodic=True, within_s=0.0))
    assert (counts["images"], broker.received) == (0, [])


def test_a_ping_lets_a_bounded_sweep_go_on(settings: Settings, store: Store, broker: Subscriber) -> None:
    """The periodic sweep of a pod that its own ping has woken goes through the whole bucket."""
    for number in range(60):
        put_image(store, f"{number:02}")
    sweeper = _sweeper(settings, store)
    broker.script = [Answer(202, after_s=0.7)]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(sweeper.sweep, SweepOptions(prefix="", periodic=True, within_s=3.0))
        wait_until(lambda: broker.received)
        sweeper.sweep_by_ping(cloudevents.new(type=cloudevents.SWEEP_PING, source="/ping", id="1", data={}))
        assert running.result()["announced"] == 60


def test_a_ping_may_say_how_young(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """A PingSource's data gives options of its sweep; what is none is refused by name."""
    put_image(store, "a")
    for number, (data, status) in enumerate([(b'{"min_age_s": 0}', 202), (b'{"age": 0}', 400), (b"[]", 400)]):
        ping = cloudevents.new(type=cloudevents.SWEEP_PING, source="/ping", id=str(number), data=data)
        assert post_event(client, "/sweep", ping).status_code == status
    assert _announced(broker) == ["a"]
