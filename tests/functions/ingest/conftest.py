"""The ingest function over a real store, with a real HTTP server in the broker's place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.models.registry import ModelIdentity, ModelVersion
from cosmoformer.settings import Settings, load
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.results import classified, rejected, result_key
from cosmoformer.storage.store import Store
from functions.ingest.app import create_app
from functions.runtime.start import stop_background
from tests.conftest import ObjectStore
from tests.cosmoformer.local.subscriber import Subscriber

ORIGIN = "https://galaxies.example.org"
SECRET = "signed with this"
JUDGE = ModelIdentity("cosmoformer", 1, "0" * 64)


@pytest.fixture
def broker() -> Iterator[Subscriber]:
    """Takes every event and remembers it."""
    with Subscriber() as subscriber:
        yield subscriber


@pytest.fixture
def settings(object_store: ObjectStore, bucket: Callable[[], str], broker: Subscriber) -> Settings:
    """Settings with buckets of their own and ``broker`` as sink."""
    return object_store.settings(
        images_bucket=bucket(),
        results_bucket=bucket(),
        k_sink=broker.url,
        broker_timeout_seconds=5.0,
        sweep_at_start_seconds=0.0,
        page_origins=[ORIGIN],
        mlflow_webhook_secret=SECRET,
    )


@pytest.fixture
def store(settings: Settings) -> Store:
    """The store with these buckets."""
    return Store(settings)


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    """A client of the ingest function."""
    with client_with(settings) as client:
        yield client


@contextmanager
def client_with(settings: Settings, **others: Any) -> Iterator[FlaskClient]:
    """A client of an ingest function with some settings of its own, which does nothing any more when the block ends."""
    app = create_app(load({}, **(vars(settings) | others)))
    try:
        yield app.test_client()
    finally:
        stop_background(app)


def events_at(broker: Subscriber) -> list[Event]:
    """The events that the broker took, as it reads them."""
    return [cloudevents.parse(request.headers, request.body) for request in broker.received]


def post_event(client: FlaskClient, path: str, event: Event) -> Any:
    """POST an event in binary mode."""
    headers, body = cloudevents.to_binary(event)
    return client.post(path, headers=headers, data=body)


def put_image(store: Store, key: str, content: bytes = b"an image") -> str:
    """Put an image into the images bucket; returns its eTag."""
    store.write(store.settings.images_bucket, key, content, "image/jpeg")
    return store.head_image(key).etag


def put_result(
    store: Store,
    key: str,
    etag: str,
    status: str = "classified",
    model: ModelIdentity | None = None,
) -> None:
    """Put the result of an image, whatever stands there; a rejected one is nobody's, unless a model is said."""
    image = ImageFacts(store.settings.images_bucket, key, etag, 8, None)
    origin = Origin("1", "/test", None, datetime.now(UTC))
    judge = model or JUDGE
    version = ModelVersion(judge.name, judge.version, "", "mlflow-artifacts:/m", judge.sha256)
    if status == "rejected":
        code = "missing_bands" if model else "damaged"
        result = rejected(image, code, "Cut off.", version if model else None, origin)
    else:
        result = classified(image, {"spiral": 0.9, "edge_on": 0.1}, "clean5", version, origin, 0.7)
    where = result_key(store.settings, key)
    store.write(store.settings.results_bucket, where, json.dumps(result).encode(), "application/json")
