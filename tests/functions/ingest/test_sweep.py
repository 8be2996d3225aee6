"""Sweeps over real buckets."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from cosmoformer.events import cloudevents
from cosmoformer.events.notifications import read_event
from cosmoformer.local.process import free_port
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings, load
from cosmoformer.storage.store import Store
from functions.ingest.app import create_app
from tests.cosmoformer.local.subscriber import Answer, Subscriber
from tests.functions.ingest.conftest import events_at, post_event, put_image, put_result
from tests.mlflow_server import MlflowServer

PING = cloudevents.new(type=cloudevents.SWEEP_PING, source="/ping", id="1", data={})
#: Where one key starts another, the order of results is not that of their images.
TANGLED = ["a", "a!", "a!b", "a-core", "a.jpg", "a.jpg.json", "a.json", "a/b", "ab", "_x", "ü", "ü 🌌+%.png", "🌌"]


def _sweep(client: FlaskClient, **options: Any) -> dict[str, int]:
    answer = client.post("/sweep", json=options)
    assert answer.status_code == 200, answer.data
    counts: dict[str, int] = answer.json or {}
    assert counts["images"] == sum(number for name, number in counts.items() if name != "images")
    return {name: number for name, number in counts.items() if number}


def _announced(broker: Subscriber) -> list[str]:
    return sorted(event.subject or "" for event in events_at(broker))


def test_images_without_result_are_announced(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """Every image without a result is announced once, whatever its key."""
    for key in TANGLED:
        put_image(store, key)
    assert _sweep(client) == {"images": len(TANGLED), "announced": len(TANGLED)}
    assert _announced(broker) == sorted(TANGLED)


def test_images_with_result_are_left_alone(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """Images with a result are found to have one although the two listings are in different orders."""
    for key in TANGLED:
        put_result(store, key, put_image(store, key))
    assert _sweep(client) == {"images": len(TANGLED), "with_result": len(TANGLED)}
    assert broker.received == []


@pytest.mark.slow
def test_sweep_goes_over_pages(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """Buckets longer than one page of a listing are gone through to the end."""
    with ThreadPoolExecutor(8) as pool:
        etags = dict(pool.map(lambda number: (f"{number:04}", put_image(store, f"{number:04}")), range(1010)))
        judged = [(key, etag) for key, etag in etags.items() if key[-1] != "7"]
        list(pool.map(lambda item: put_result(store, *item), judged))
    assert _sweep(client) == {"images": 1010, "with_result": 909, "announced": 101}
    assert _announced(broker) == [key for key in sorted(etags) if key[-1] == "7"]


def test_event_of_a_sweep(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """A swept image's event reads like any other's; its id is the same each time until the image changes."""
    bucket = store.settings.images_bucket
    put_image(store, "a b+ü%.jpg")
    for content in (b"an image", b"an image", b"another"):
        put_image(store, "a b+ü%.jpg", content)
        _sweep(client)
    first, second, third = events_at(broker)
    assert first.type == "com.amazonaws.s3.ObjectCreated:Put"
    assert first.source == f"cosmoformer.sweep..{bucket}"
    assert first.id == second.id != third.id
    (created,) = read_event(first)
    assert (created.bucket, created.key) == (bucket, "a b+ü%.jpg")


def test_result_older_than_its_image(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """An image that was replaced after its result was written is announced."""
    put_result(store, "a", put_image(store, "a"))
    time.sleep(0.02)  # the store's clock counts milliseconds
    put_image(store, "a", b"another")
    assert _sweep(client) == {"images": 1, "announced": 1}


def test_metadata_that_changed_unheard(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """The same bytes told of otherwise are announced, also where a slow result of before came later; told alike they are not."""
    for key in ("alike", "told", "slow"):
        put_result(store, key, put_image(store, key))
    time.sleep(1.1)  # the store's headers count seconds
    place = {"Bucket": store.settings.images_bucket, "CopySource": {"Bucket": store.settings.images_bucket}}
    for key, metadata in {"alike": {"note": "1"}, "told": {"object-id": "M 51"}, "slow": {"zoom": "2"}}.items():
        source = place["CopySource"] | {"Key": key}
        copied = place | {"Key": key, "CopySource": source, "MetadataDirective": "REPLACE", "Metadata": metadata}
        store.client.copy_object(**copied)
    slow = store.read_json(store.settings.results_bucket, "results/slow.json")
    assert slow
    slow[0]["image"]["last_modified"] = "2026-01-01T00:00:00Z"
    store.write_json(store.settings.results_bucket, "results/slow.json", slow[0], replacing=slow[1])
    assert _sweep(client) == {"images": 3, "with_result": 2, "announced": 1}
    assert _announced(broker) == ["told"]
    assert _sweep(client, deep=True) == {"images": 3, "with_result": 1, "announced": 2}


def test_deep_sweep_compares_etags(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """A result that was written later but is about an older image is found only by reading it."""
    put_image(store, "a")
    put_result(store, "a", "etag-of-another-image")
    put_result(store, "b", put_image(store, "b"))
    assert _sweep(client) == {"images": 2, "with_result": 2}
    assert _sweep(client, deep=True) == {"images": 2, "with_result": 1, "announced": 1}
    assert _announced(broker) == ["a"]


@pytest.mark.parametrize("content", [b'{"schema_version": 1}', b"", b"no JSON"])
def test_deep_sweep_replaces_what_is_no_result(
    client: FlaskClient, store: Store, broker: Subscriber, content: bytes
) -> None:
    """A foreign or broken object in a result's place counts as none: its image is announced again."""
    for key in ("a", "b"):
        put_result(store, key, put_image(store, key))
    store.write(store.settings.results_bucket, "results/a.json", content, "application/json")
    assert _sweep(client, deep=True) == {"images": 2, "with_result": 1, "announced": 1}
    assert _announced(broker) == ["a"]


def test_key_too_long_for_its_result(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """Images whose result keys had to be cut are announced without and left alone with a result, and hide no others."""
    long = "k" * 1018
    put_image(store, long)
    for key in (long[:1000], long[:1000] + "z"):
        put_result(store, key, put_image(store, key))
    assert _sweep(client) == {"images": 3, "with_result": 2, "announced": 1}
    put_result(store, long, put_image(store, long))
    assert _sweep(client) == {"images": 3, "with_result": 3}


def test_rejected_images_again(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """Images that were rejected are announced again on request."""
    put_result(store, "good", put_image(store, "good"))
    put_result(store, "bad", put_image(store, "bad"), status="rejected")
    assert _sweep(client) == {"images": 2, "with_result": 2}
    assert _sweep(client, again="rejected") == {"images": 2, "with_result": 1, "announced": 1}
    assert _announced(broker) == ["bad"]


def test_all_images_again(client: FlaskClient, store: Store) -> None:
    """On request every image is announced, result or not."""
    put_image(store, "a")
    put_result(store, "b", put_image(store, "b"))
    assert _sweep(client, again="all") == {"images": 2, "announced": 2}


@pytest.mark.slow
def test_stale_images_again(settings: Settings, store: Store, broker: Subscriber, mlflow_server: MlflowServer) -> None:
    """On request, images are announced that another model judged than the alias names: of another name, number or digest, and a
    file that one did not take while another may."""
    own_model = {"mlflow_tracking_uri": mlflow_server.url, "model_name": settings.images_bucket}
    with_registry = load({}, **(vars(settings) | own_model))
    for alias in (None, "champion"):
        champion = register(Registry(with_registry), b"an artifact", tags={}, alias=alias).identity
    judges = {
        "new": champion,
        "older": champion._replace(version=1),
        "renamed": champion._replace(name="cosmoformer"),
        "restored": champion._replace(sha256="f" * 64),
    }
    for key, judge in judges.items():
        put_result(store, key, put_image(store, key), model=judge)
    put_result(store, "bad", put_image(store, "bad"), status="rejected")
    put_result(store, "unfit", put_image(store, "unfit"), status="rejected", model=judges["older"])
    client = create_app(with_registry).test_client()
    assert _sweep(client, again="stale") == {"images": 6, "with_result": 2, "announced": 4}
    assert _announced(broker) == ["older", "renamed", "restored", "unfit"]


def test_stale_without_registry_is_told(settings: Settings) -> None:
    """A sweep for stale results fails when the registry cannot say which version counts."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    client = create_app(load({}, **(vars(settings) | {"mlflow_tracking_uri": nowhere}))).test_client()
    answer = client.post("/sweep", json={"again": "stale"})
    assert answer.status_code == 503
    assert answer.json and "MLFLOW_TRACKING_URI" in answer.json["mend"]


def test_young_images_are_left_to_their_notifications(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """Images younger than asked for are counted and not announced."""
    put_image(store, "a")
    put_result(store, "b", put_image(store, "b"))
    assert _sweep(client, min_age_s=3600) == {"images": 2, "with_result": 1, "too_young": 1}
    assert broker.received == []


def test_dead_lettered_images_are_left_alone(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """An image whose delivery was given up waits for its replay; a new image under its key does not."""
    put_image(store, "a")
    put_image(store, "b")
    _sweep(client)
    failed = next(event for event in events_at(broker) if event.subject == "a")
    assert post_event(client, "/dead-letters", failed).status_code == 202
    assert _sweep(client) == {"images": 2, "announced": 1, "dead_lettered": 1}
    time.sleep(0.02)  # the store's clock counts milliseconds
    put_image(store, "a", b"another")
    assert _sweep(client) == {"images": 2, "announced": 2}


def test_dry_run_announces_nothing(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """A dry run counts what would be announced."""
    put_image(store, "a")
    assert _sweep(client, dry_run=True) == {"images": 1, "announced": 1}
    assert broker.received == []


def test_prefix_limits_the_sweep(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """Only images whose key starts with the prefix are looked at."""
    put_image(store, "in/a")
    put_result(store, "in/b", put_image(store, "in/b"))
    put_image(store, "out/a")
    assert _sweep(client, prefix="in/") == {"images": 2, "with_result": 1, "announced": 1}
    assert _announced(broker) == ["in/a"]


def test_shared_bucket(settings: Settings, store: Store) -> None:
    """Where images and results share a bucket, results are not swept as images."""
    shared = load({}, **(vars(settings) | {"results_bucket": settings.images_bucket}))
    store = Store(shared)
    put_result(store, "a", put_image(store, "a"))
    put_image(store, "folder/")
    assert _sweep(create_app(shared).test_client()) == {"images": 1, "with_result": 1}


@pytest.mark.parametrize("path", ["/sweep", "/"])
def test_ping_sweeps(settings: Settings, store: Store, broker: Subscriber, path: str) -> None:
    """A PingSource's event starts a sweep that leaves young images alone, and is answered with an empty 202."""
    put_image(store, "a")
    young = create_app(settings).test_client()
    assert post_event(young, path, PING).status_code == 202
    assert broker.received == []
    client = create_app(load({}, **(vars(settings) | {"sweep_min_age_seconds": 0.0}))).test_client()
    answer = post_event(client, path, PING)
    assert (answer.status_code, answer.data, _announced(broker)) == (202, b"", ["a"])


def test_periodic_sweeps_do_not_pile_up_events(settings: Settings, store: Store, broker: Subscriber) -> None:
    """An image that waits in a long queue is not announced by every ping, but is by a sweep on request."""
    put_image(store, "a")
    client = create_app(load({}, **(vars(settings) | {"sweep_min_age_seconds": 0.0}))).test_client()
    for _ in range(3):
        post_event(client, "/sweep", PING)
    assert len(broker.received) == 1
    put_image(store, "a", b"another")
    post_event(client, "/sweep", PING)
    assert len(broker.received) == 2
    assert _sweep(client) == {"images": 1, "announced": 1}
    assert len(broker.received) == 3


def test_other_events_start_no_sweep(client: FlaskClient) -> None:
    """An event of another type is refused by its type."""
    answer = post_event(client, "/sweep", cloudevents.new(type="t", source="s", id="1"))
    assert answer.status_code == 415


def test_one_sweep_at_a_time(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """While a sweep runs, another request is told to wait, and a ping is taken for done."""
    put_image(store, "a")
    broker.script = [Answer(202, after_s=1.0)]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(_sweep, client)
        deadline = time.monotonic() + 10
        while not broker.received and time.monotonic() < deadline:
            time.sleep(0.01)
        answer = client.post("/sweep", json={})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert post_event(client, "/sweep", PING).status_code == 202
        assert running.result() == {"images": 1, "announced": 1}
    assert len(broker.received) == 1
    broker.script = [Answer(202)]
    assert _sweep(client)["announced"] == 1


def test_broker_failure_ends_the_sweep(client: FlaskClient, store: Store, broker: Subscriber) -> None:
    """A sweep whose events are not taken fails, also for a ping, and the next one is free to run."""
    put_image(store, "a")
    broker.script = [Answer(503)]
    assert client.post("/sweep", json={}).status_code == 503
    broker.script = [Answer(202)]
    assert _sweep(client) == {"images": 1, "announced": 1}


def test_sweep_without_body(client: FlaskClient) -> None:
    """A bare POST is a plain sweep."""
    answer = client.post("/sweep")
    assert answer.status_code == 200
    assert answer.json and answer.json["images"] == 0


@pytest.mark.parametrize(
    "options",
    [{"deep": 1}, {"min_age_s": -1}, {"min_age_s": True}, {"again": "some"}, {"prefix": 3}, {"depp": True}, []],
)
def test_malformed_options_are_named(client: FlaskClient, options: Any) -> None:
    """A malformed or unknown option is refused by name."""
    answer = client.post("/sweep", json=options)
    assert answer.status_code == 400
    assert answer.json and str(next(iter(options), "object")) in answer.json["detail"]


def test_prefix_outside_the_configured_one(settings: Settings) -> None:
    """A sweep cannot leave IMAGES_PREFIX."""
    client = create_app(load({}, **(vars(settings) | {"images_prefix": "in/"}))).test_client()
    assert client.post("/sweep", json={"prefix": "out/"}).status_code == 400
    assert client.post("/sweep", json={"prefix": "in/a"}).status_code == 200
