"""Labels of metrics: closed sets, whatever strangers send."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from cosmoformer.errors import CosmoFormerError
from cosmoformer.events.cloudevents import Event
from functions.ingest import metrics
from functions.runtime.labels import OTHER, ClosedCounter, problems
from tests.functions.ingest.conftest import post_event


def invented(number: int) -> dict[str, object]:
    """A record of a store, an object and an event that nobody has heard of."""
    return {
        "eventSource": f"store{number}:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": f"bucket-{number}"}, "object": {"key": f"key-{number}"}},
    }


def send(client: FlaskClient, number: int) -> None:
    """Strangers' words at every route that counts something by a name."""
    client.post("/", data=json.dumps({"Records": [invented(number)]}))
    event = Event(
        {"id": f"{number}", "source": f"/{number}", "type": f"org.stranger.{number}", "specversion": "1.0"}, b""
    )
    post_event(client, "/", event)
    post_event(client, "/dead-letters", event)
    files = [{"name": f"{number}.jpg", "type": f"image/x-{number}", "size": 1}, {"name": "/", "type": f"{number}"}]
    client.post("/uploads", data=json.dumps({"files": files}))
    client.open(f"/{number}", method=f"X{number}")


def labels_of(client: FlaskClient) -> dict[str, dict[str, set[str]]]:
    """By metric and label, the values that the endpoint shows."""
    shown: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        if family.name.startswith("cosmoformer_ingest_"):
            for sample in family.samples:
                for label, value in sample.labels.items():
                    if label not in ("le", "quantile"):
                        shown.setdefault(family.name.removesuffix("_created"), {}).setdefault(label, set()).add(value)
    return shown


def test_strangers_words_make_no_series(client: FlaskClient) -> None:
    """However many names are invented, ingest shows no more series than after the first, and none that it did not declare."""
    send(client, 0)
    client.post("/dead-letters/replay", data=json.dumps({"all": True}))
    before = len(client.get("/metrics").text.splitlines())
    for number in range(1, 60):
        send(client, number)
    client.post("/dead-letters/replay", data=json.dumps({"all": True}))
    assert len(client.get("/metrics").text.splitlines()) == before
    declared = {
        counter.counter._name: counter.values
        for counter in vars(metrics).values()
        if isinstance(counter, ClosedCounter)
    }
    for metric, labels in labels_of(client).items():
        for label, values in labels.items():
            assert values <= declared[metric][label] | {OTHER}, metric


def test_what_is_not_declared_is_other() -> None:
    """A value outside of the set is counted, by another name; a label too many or too few is a mistake of ours."""
    counter = ClosedCounter("cosmoformer_test_things", "Things", colour=("red",), size=("small", "large"))
    counter.count("red", "large", times=3)
    counter.count("mauve", "large")
    counter.count("mauve\n", "huge")
    samples = {
        tuple(s.labels.values()): s.value
        for m in counter.counter.collect()
        for s in m.samples
        if s.name.endswith("total")
    }
    assert samples == {("red", "large"): 3, (OTHER, "large"): 1, (OTHER, OTHER): 1}
    with pytest.raises(ValueError, match="zip"):
        counter.count("red")


def test_all_problems_are_declared() -> None:
    """Errors that are derived from errors are known, too."""
    assert {"CosmoFormerError", "TransientError", "StoreUnavailable", "ModelRefused"} <= problems(CosmoFormerError)
