"""The trace of a notification goes on with the event that announces the image."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from cosmoformer.events import cloudevents
from cosmoformer.settings import Settings
from tests.cosmoformer.local.subscriber import Subscriber
from tests.functions.ingest.conftest import events_at

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def notify(client: FlaskClient, settings: Settings, extensions: dict[str, str], headers: dict[str, str]) -> None:
    """Tell of an image, as an event in structured mode."""
    kind, data = f"{cloudevents.OBJECT_CREATED}Put", {"bucket": settings.images_bucket, "key": "a.png"}
    event = cloudevents.new(type=kind, source="ceph:s3..images", id="1", data=data, **extensions)
    own, body = cloudevents.to_structured(event)
    assert client.post("/", headers=own | headers, data=body).status_code == 202


@pytest.mark.parametrize("by_header", [True, False])
def test_a_trace_goes_on(client: FlaskClient, settings: Settings, broker: Subscriber, by_header: bool) -> None:
    """By the request's header or the event's extension; sent on as both, with its state."""
    trace = {"traceparent": PARENT, "tracestate": "a=1,b=2"}
    notify(client, settings, {} if by_header else trace, trace if by_header else {})
    [event] = events_at(broker)
    assert {name: event.attributes[name] for name in trace} == trace
    assert {name: broker.received[0].headers[name] for name in trace} == trace


def test_without_a_trace_none_is_invented(client: FlaskClient, settings: Settings, broker: Subscriber) -> None:
    """Also where the one that is told is malformed."""
    notify(client, settings, {}, {"traceparent": "garbage"})
    [event] = events_at(broker)
    assert "traceparent" not in event.attributes and "traceparent" not in broker.received[0].headers
