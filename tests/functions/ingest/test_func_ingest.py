"""The ingest function under Knative's Python middleware."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cosmoformer.events import cloudevents
from cosmoformer.events.notifications import ObjectCreated
from cosmoformer.settings import Settings
from tests.cosmoformer.local.subscriber import Subscriber
from tests.functions.ingest.conftest import ORIGIN, events_at
from tests.functions.under_middleware import ROOT, Served, answer, under_middleware

FOLDER = ROOT / "functions" / "ingest"
JSON = {"content-type": "application/json"}


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[Served]:
    """The function in its folder, ready."""
    with under_middleware(FOLDER, "http", settings, tmp_path / "log") as function:
        function.wait_until_up()
        function.wait_until_ready()
        yield function
    assert function.process.returncode == 0


def notification(settings: Settings, key: str) -> bytes:
    s3 = {"bucket": {"name": settings.images_bucket}, "object": {"key": key}}
    return json.dumps({"Records": [{"eventSource": "ceph:s3", "eventName": "ObjectCreated:Put", "s3": s3}]}).encode()


def test_requests_are_answered_as_by_the_application(
    served: Served, client: FlaskClient, settings: Settings, broker: Subscriber
) -> None:
    """Notifications, events in both modes, bad events, probes and unknown paths get the application's own answers."""
    created = ObjectCreated(settings.images_bucket, "ü.jpg", "ObjectCreated:Put", "ceph:s3", "", None, "e1").event()
    binary, data = cloudevents.to_binary(created)
    requests = [
        ("POST", "/", JSON, notification(settings, "a b+ü.jpg")),
        ("POST", "/", binary, data),
        ("POST", "/", *cloudevents.to_structured(created)),
        ("POST", "/", {name: value for name, value in binary.items() if name != "ce-id"}, data),
        ("POST", "/", {"content-type": "application/cloudevents+json"}, b"{"),
        ("POST", "/", {"content-type": "application/cloudevents-batch+json"}, b"[]"),
        ("POST", "/", JSON, b"{nonsense"),
        ("POST", "/sweep", JSON, b'{"dry_run": true}'),
        ("GET", "/dead-letters?limit=1", {}, b""),
        ("GET", "/dead-letters?limit=none", {}, b""),
        ("POST", "/uploads", JSON | {"origin": "https://strangers.example.org"}, b"{}"),
        ("PUT", "/", {}, b""),
        ("GET", "/nowhere", {}, b""),
    ]
    statuses = []
    for method, path, headers, body in requests:
        got = served.request(method, path, headers, body)
        expected = client.open(path, method=method, headers=headers, data=body)
        assert got == answer(expected.status_code, dict(expected.headers), expected.data), (method, path, body)
        statuses.append(got.status)
    assert statuses == [202, 202, 202, 400, 400, 415, 400, 200, 200, 400, 403, 405, 404]
    announced = [event.subject for event in events_at(broker)]
    assert announced == ["a b+ü.jpg"] * 2 + ["ü.jpg"] * 4  # by the function and by the application


def test_the_page_gets_upload_addresses(served: Served) -> None:
    """The page's request is answered, with the headers that its browser wants."""
    body = json.dumps({"files": [{"name": "m51.jpg", "type": "image/jpeg", "size": 5}]}).encode()
    got = served.request("POST", "/uploads", JSON | {"origin": ORIGIN}, body)
    assert got.status == 200
    assert json.loads(got.body)["uploads"][0]["put"]["method"] == "PUT"


def test_a_body_of_unknown_length_is_read_and_bounded(served: Served, settings: Settings, broker: Subscriber) -> None:
    """A notification without Content-Length is read to its end, and no further than a request may be long."""
    body = notification(settings, "chunked.jpg")
    assert served.request("POST", "/", JSON, (part for part in (body[:20], body[20:]))).status == 202
    assert [event.subject for event in events_at(broker)] == ["chunked.jpg"]
    long = served.request("POST", "/", JSON, (part for part in [bytes(65536)] * 80))
    assert long.status == 400 and b"got 4194304 bytes" in long.body  # of 5 MiB


def test_it_is_not_ready_without_its_secret_or_store(settings: Settings, tmp_path: Path) -> None:
    """Without the secret key, or the store, it is alive and not ready, and the probe names the setting."""
    for setting, value in {"aws_secret_access_key": "", "s3_endpoint_url": "http://127.0.0.1:9"}.items():
        broken = Settings(**(vars(settings) | {setting: value}))
        with under_middleware(FOLDER, "http", broken, tmp_path / "log") as function:
            function.wait_until_up()
            name = setting.upper().encode()
            function.wait_for(lambda wanted=name: wanted in function.request("GET", "/health/readiness").body)
            assert function.request("GET", "/health/readiness").status == 500
