"""Notifications in, one CloudEvent an image out."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from subprocess import run
from typing import Any

import pytest
from flask.testing import FlaskClient

from cosmoformer.events import cloudevents
from cosmoformer.local.process import free_port
from cosmoformer.served_models import changes_for
from cosmoformer.settings import Settings, load
from functions.ingest.announce import is_image
from functions.ingest.app import create_app
from tests.contracts import contract, read_http
from tests.cosmoformer.local.subscriber import Answer, Subscriber, wait_until
from tests.functions.ingest.conftest import client_with, events_at, post_event


def _notification(settings: Settings, *keys: str, bucket: str | None = None, **members: Any) -> dict[str, Any]:
    records = [
        {
            "eventSource": "ceph:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-11-20T17:48:39.849773Z",
            "awsRegion": "",
            "responseElements": {"x-amz-request-id": "r", "x-amz-id-2": "h"},
            "s3": {"bucket": {"name": bucket or settings.images_bucket}, "object": {"key": key}},
            **members,
        }
        for key in keys
    ]
    return {"Records": records}


def test_plain_notification_is_announced(client: FlaskClient, settings: Settings, broker: Subscriber) -> None:
    """Each image of a notification becomes one event at the broker, before the empty 202."""
    answer = client.post("/", json=_notification(settings, "a b+ü%.jpg", "b.png"))
    assert (answer.status_code, answer.data) == (202, b"")
    first, second = events_at(broker)
    assert first.json() == {"bucket": settings.images_bucket, "key": "a b+ü%.jpg"}
    assert (first.type, first.subject) == ("com.amazonaws.s3.ObjectCreated:Put", "a b+ü%.jpg")
    assert first.id != second.id


def test_notification_without_json_content_type(client: FlaskClient, settings: Settings, broker: Subscriber) -> None:
    """A notification is read whatever content type it claims; SNS says text/plain."""
    body = json.dumps(_notification(settings, "a"))
    assert client.post("/", data=body, content_type="text/plain").status_code == 202
    assert [event.subject for event in events_at(broker)] == ["a"]


@pytest.mark.parametrize("capture", ["pacific16/ceph-plain-01", "reef18-cloudevents/reef-ce-01"])
def test_captured_notifications_of_ceph(capture: str, broker: Subscriber, settings: Settings) -> None:
    """What Ceph sent, plain or as a CloudEvent, becomes the same normalised event with Ceph's own id."""
    headers, body = read_http(contract(f"ceph-notifications/{capture}.http"))
    bucket = json.loads(body)["Records"][0]["s3"]["bucket"]["name"]
    client = create_app(load({}, **(vars(settings) | {"images_bucket": bucket}))).test_client()
    assert client.post("/", headers=headers, data=body).status_code == 202
    (event,) = events_at(broker)
    assert event.json() == {"bucket": bucket, "key": "in/gal axy+ü.jpg"}
    assert event.type == "com.amazonaws.s3.ObjectCreated:Put"
    assert event.id.endswith("100a-default-default")


def test_structured_event_is_announced(client: FlaskClient, settings: Settings, broker: Subscriber) -> None:
    """A notification inside a structured CloudEvent is announced."""
    data = _notification(settings, "a")
    event = cloudevents.new(type="com.amazonaws.ObjectCreated:Put", source="ceph:s3", id="1", data=data)
    headers, body = cloudevents.to_structured(event)
    assert client.post("/", headers=headers, data=body).status_code == 202
    assert [event.subject for event in events_at(broker)] == ["a"]


def test_store_is_asked_nothing(settings: Settings, broker: Subscriber) -> None:
    """A notification is announced although the store does not answer: this may run inside an upload."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    client = create_app(load({}, **(vars(settings) | {"s3_endpoint_url": nowhere}))).test_client()
    assert client.post("/", json=_notification(settings, "a")).status_code == 202
    assert len(broker.received) == 1


@pytest.mark.parametrize(
    "payload",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"},
        {"Records": [{"Service": "NooBaa", "Event": "s3:TestEvent"}]},
        {"Records": []},
        {"detail-type": "Object Deleted", "detail": {}},
    ],
)
def test_test_messages_are_taken(client: FlaskClient, broker: Subscriber, payload: dict[str, Any]) -> None:
    """Test messages and other kinds of events get an empty 202 and reach nobody."""
    answer = client.post("/", json=payload)
    assert (answer.status_code, answer.data, broker.received) == (202, b"", [])


def test_other_buckets_prefixes_and_deletions_are_dropped(settings: Settings, broker: Subscriber) -> None:
    """Objects outside bucket and prefix, folder markers and deletions are answered with 202 and announced to nobody."""
    client = create_app(load({}, **(vars(settings) | {"images_prefix": "in/"}))).test_client()
    for payload in (
        _notification(settings, "in/a", bucket="other"),
        _notification(settings, "out/a", "in", "in/", "in/folder/"),
        _notification(settings, "in/a", eventName="ObjectRemoved:Delete"),
        _notification(settings, "in/\ud800"),
    ):
        assert client.post("/", json=payload).status_code == 202
    assert broker.received == []
    client.post("/", json=_notification(settings, "in/a"))
    assert len(broker.received) == 1


def test_own_objects_are_no_images() -> None:
    """Where images and results share a bucket, nothing that stands at one of the settings' keys is announced as an image."""
    shared = load({}, images_bucket="b", results_bucket="b")
    settings = vars(shared) | {f"further {name}": place for name, place in changes_for("inclination").items()}
    own = [place for name, place in settings.items() if name.endswith(("_prefix", "_key")) and place]
    assert {"results/", "copies/", "judgements/latest.json", "by-model/inclination/copies/"} <= set(own)
    assert [place for place in own if is_image(shared, "b", f"{place}m51.jpg")] == []
    assert is_image(shared, "b", "m51.jpg")
    assert is_image(load({}, images_bucket="a", results_bucket="b"), "a", "results/m51.jpg")
    none = {"features_prefix": "", "copies_prefix": "", "judgements_key": "", "serving_key": ""}
    assert is_image(load({}, images_bucket="b", results_bucket="b", **none), "b", "m51.jpg")


@pytest.mark.parametrize("script", [503, 404, 400, 302, Answer(500, {"Retry-After": "60"})])
def test_broker_that_refuses_makes_the_store_try_again(
    client: FlaskClient, settings: Settings, broker: Subscriber, script: Answer | int
) -> None:
    """Whatever the broker says but 2xx, the store hears 503, at once, so that it keeps the notification."""
    broker.script = [script if isinstance(script, Answer) else Answer(script, {"Location": "/elsewhere"})]
    answer = client.post("/", json=_notification(settings, "a"))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.json and answer.json["title"] == "Broker unavailable"
    assert len(broker.received) == 1


def test_broker_that_is_away(settings: Settings) -> None:
    """Without a broker the store hears 503, and which setting to check."""
    with client_with(settings, k_sink=f"http://127.0.0.1:{free_port()}") as client:
        answer = client.post("/", json=_notification(settings, "a"))
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert answer.json and "K_SINK" in answer.json["mend"]


def test_connection_that_the_broker_closed_is_replaced(settings: Settings) -> None:
    """A broker that closes idle connections, without saying so before, still gets every event."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard = threading.Thread(target=_answer_once_a_connection, args=(server, 3), daemon=True)
        heard.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        client = create_app(load({}, **(vars(settings) | {"k_sink": url}))).test_client()
        statuses = [client.post("/", json=_notification(settings, key)).status_code for key in ("a", "b", "c")]
        assert statuses == [202, 202, 202]
        heard.join(5)
        assert not heard.is_alive()


def _answer_once_a_connection(server: socket.socket, connections: int) -> None:
    for _ in range(connections):
        connection, _ = server.accept()
        with connection:
            received = b""
            while not received.endswith(b"}"):
                received += connection.recv(65536)
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "expected JSON"),
        (b"{", 400, "expected JSON"),
        (b"[" * 100_000, 400, "expected JSON"),
        (b"[]", 400, "expected a bucket notification"),
        (b'{"Records": [{"eventSource": "gcs"}]}', 400, "must end in ':s3'"),
        (b" " * (4 * 2**20 + 1), 413, "exceeds"),
    ],
)
def test_refusals_have_one_shape(client: FlaskClient, body: bytes, status: int, words: str) -> None:
    """What is no notification is refused with problem details that say what was expected."""
    answer = client.post("/", data=body, content_type="application/json")
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.json and words in answer.json["detail"]
    assert answer.json["status"] == status


def test_malformed_event_is_refused_by_attribute(client: FlaskClient) -> None:
    """A CloudEvent without id is refused with the attribute's name."""
    answer = client.post("/", headers={"ce-specversion": "1.0", "ce-type": "t", "ce-source": "s"}, data=b"{}")
    assert answer.status_code == 400
    assert answer.json and "'id'" in answer.json["detail"]


def test_addresses_in_a_message_are_not_visited(client: FlaskClient, broker: Subscriber) -> None:
    """A message that asks to visit an address, as SNS does to confirm a subscription, is refused and not obeyed."""
    message = {"Type": "SubscriptionConfirmation", "SubscribeURL": broker.url}
    assert client.post("/", json=message).status_code == 400
    asked = client.options("/", headers={"WebHook-Request-Origin": "x", "WebHook-Request-Callback": broker.url})
    assert asked.status_code == 200
    assert broker.received == []


def test_probes(client: FlaskClient) -> None:
    """MinIO's HEAD gets 200, OPTIONS tells what is allowed, unknown paths and methods get problem details."""
    assert client.head("/").status_code == 200
    assert set(client.options("/").headers["Allow"].split(", ")) == {"POST", "HEAD", "OPTIONS"}
    assert client.get("/nowhere").status_code == 404
    answer = client.put("/")
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert "POST" in answer.headers["Allow"]


def test_health(client: FlaskClient, settings: Settings) -> None:
    """A function with all its settings is alive and ready; without the secret key it is alive only."""
    assert client.get("/health/liveness").status_code == 200
    wait_until(lambda: client.get("/health/readiness").status_code == 200)  # the store is asked meanwhile
    keyless = create_app(load({}, **(vars(settings) | {"aws_secret_access_key": ""}))).test_client()
    assert keyless.get("/health/liveness").status_code == 200
    wait_until(lambda: b"AWS_SECRET_ACCESS_KEY" in keyless.get("/health/readiness").data)
    assert keyless.get("/health/readiness").status_code == 500


def test_metrics_count_by_store(client: FlaskClient, settings: Settings) -> None:
    """Notifications are counted by the store that sent them; made-up stores share one label."""
    client.post("/", json=_notification(settings, "a"))
    data = {"bucket": settings.images_bucket, "key": "k"}
    event = cloudevents.new(type="com.amazonaws.s3.ObjectCreated:Put", source="made-up.r.b", id="1", data=data)
    post_event(client, "/", event)
    text = client.get("/metrics").text
    assert 'cosmoformer_ingest_notifications_total{outcome="announced",store="ceph:s3"}' in text
    assert 'cosmoformer_ingest_notifications_total{outcome="announced",store="other"}' in text
    assert "made-up" not in text


def test_failure_is_logged_once_with_what_it_is_about(
    client: FlaskClient, settings: Settings, broker: Subscriber, capfd: pytest.CaptureFixture[str]
) -> None:
    """A failed announcement gives one log line, which names path, key and event."""
    from cosmoformer import logs

    broker.script = [Answer(503)]
    logs.configure()
    client.post("/", json=_notification(settings, "ü.jpg"))
    (line,) = [json.loads(text) for text in capfd.readouterr().err.splitlines()]
    assert (line["level"], line["path"], line["key"], line["event_id"]) == ("error", "/", "ü.jpg", "r.h")


def test_stranger_pages_are_refused(client: FlaskClient, broker: Subscriber, settings: Settings) -> None:
    """A page of another origin can start nothing here, not even a notification."""
    answer = client.post("/", json=_notification(settings, "a"), headers={"Origin": "https://evil.example"})
    assert (answer.status_code, broker.received) == (403, [])


def test_start_imports_nothing_heavy() -> None:
    """The function is made without torch, Pillow, numpy or mlflow, in well under a second of CPU time."""
    program = (
        "import sys, time\n"
        "from functions.ingest.app import create_app\nfrom cosmoformer import settings\n"
        "create_app(settings.load({}, aws_secret_access_key='x'))\n"
        "print(time.process_time(), *({'torch', 'PIL', 'numpy', 'mlflow', 'jsonschema'} & set(sys.modules)))"
    )
    seconds, *heavy = run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout.split()
    assert heavy == []
    assert float(seconds) < 1.0


def test_a_notification_takes_milliseconds(client: FlaskClient, settings: Settings) -> None:
    """A warm function spends a few milliseconds of CPU on a notification, broker's part included."""
    payload = _notification(settings, "a")
    client.post("/", json=payload)
    begun = time.process_time()
    for _ in range(50):
        client.post("/", json=payload)
    assert (time.process_time() - begun) / 50 < 0.02
