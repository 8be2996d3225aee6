"""The classify function under Knative's Python middleware, beside the application that our own server has."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import urllib3
from flask.testing import FlaskClient

from cosmoformer.events import cloudevents
from cosmoformer.events.attributes import REQUIRED
from cosmoformer.events.cloudevents import Event
from cosmoformer.events.notifications import ObjectCreated
from cosmoformer.settings import Settings
from functions.classify.start import create_app
from functions.runtime.start import BACKGROUND
from tests.functions.classify.conftest import BUNDLED, Deployment
from tests.functions.under_middleware import ROOT, Answer, Served, answer, under_middleware

FOLDER = ROOT / "functions" / "classify"

Request = tuple[dict[str, str], bytes]
IMAGE = (BUNDLED / "samples" / "two_armed_spiral.jpg").read_bytes()


@pytest.fixture
def served(deployment: Deployment, model: bytes, tmp_path: Path) -> Iterator[Served]:
    """The function, ready, with a registered model and one image in the bucket."""
    deployment.register(model, alias="champion")
    deployment.store.write(deployment.settings.images_bucket, "a galaxy ü.jpg", IMAGE, "image/jpeg")
    with under_middleware(FOLDER, "cloudevent", deployment.settings, tmp_path / "log") as function:
        function.wait_until_up()
        function.wait_until_ready()
        yield function


@pytest.fixture
def flask(deployment: Deployment) -> Iterator[FlaskClient]:
    """The application that our own server has, with the same settings."""
    app = create_app(deployment.settings)
    with app.test_client() as client:
        deadline = time.monotonic() + 30
        while client.get("/health/readiness").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield client
    for part in app.extensions[BACKGROUND]:
        part.stop()


def ask_flask(client: FlaskClient, request: Request) -> Answer:
    got = client.post("/", headers=request[0], data=request[1])
    return answer(got.status_code, dict(got.headers), got.data)


def created(deployment: Deployment, key: str, bucket: str = "") -> Event:
    bucket = bucket or deployment.settings.images_bucket
    return ObjectCreated(bucket, key, "ObjectCreated:Put", "ceph:s3", "", None, "e1").event()


def requests(deployment: Deployment) -> dict[str, Request]:
    """What may come, by what it is."""
    good = created(deployment, "a galaxy ü.jpg")
    binary, data = cloudevents.to_binary(good)
    picture = cloudevents.new(type=cloudevents.IMAGE, source="s", id="i", data=IMAGE, content_type="image/jpeg")
    broken = cloudevents.new(type=cloudevents.IMAGE, source="s", id="i", data=b"no picture", content_type="image/jpeg")
    found = {f"without {name}": ({k: v for k, v in binary.items() if k != f"ce-{name}"}, data) for name in REQUIRED}
    return found | {
        "binary": (binary, data),
        "structured": cloudevents.to_structured(good),
        "a picture, binary": cloudevents.to_binary(picture),
        "a picture, structured": cloudevents.to_structured(picture),
        "a broken picture": cloudevents.to_binary(broken),
        "a foreign bucket": cloudevents.to_binary(created(deployment, "x.jpg", bucket="other")),
        "a missing object": cloudevents.to_structured(created(deployment, "never.jpg")),
        "an unknown type": cloudevents.to_binary(cloudevents.new(type="org.other", source="s", id="1", data={})),
        "a hint": cloudevents.to_binary(cloudevents.new(type=cloudevents.ALIAS_MOVED, source="s", id="1", data={})),
        "malformed data": (binary, b"{nonsense"),
        "an old specversion": (binary | {"ce-specversion": "0.3"}, data),
        "a bad time": (binary | {"ce-time": "2020-01-01T00:00:00"}, data),  # without a zone
        "no time, structured": (
            {"content-type": "application/cloudevents+json"},
            b'{"specversion":"1.0","id":"n","source":"s","type":"org.other"}',
        ),
        "an event that claims to be JSON": (
            {"content-type": "application/json"},
            b'{"specversion":"1.0","id":"n","source":"s","type":"org.other"}',
        ),
    }  # fmt: skip


def steady(got: Answer) -> tuple[int, dict[str, str], Any]:
    """An answer without what differs from one request to the next: when it was worked on."""
    headers = {name: value for name, value in got.headers.items() if name != "ce-time"}
    if not got.body:
        return got.status, headers, b""
    document = json.loads(got.body)
    return (
        got.status,
        headers,
        {name: document[name] for name in document if name not in ("started", "finished", "seconds")},
    )


def test_events_are_answered_as_by_the_application(served: Served, flask: FlaskClient, deployment: Deployment) -> None:
    """Statuses, reply events, results and problems are those of the application, in both modes, for good and bad events."""
    statuses, refused_before = {}, set()
    for name, request in requests(deployment).items():
        got, expected = served.request("POST", "/", *request), ask_flask(flask, request)
        statuses[name] = got.status
        if got.body.startswith(b"Bad Request: "):  # the middleware's own words
            refused_before.add(name)
            assert got.status == expected.status, name
        else:
            assert steady(got) == steady(expected), name
    assert refused_before == {"without source", "without type", "a bad time"}
    assert {name for name, status in statuses.items() if status == 200} == {
        "binary", "structured", "a picture, binary", "a picture, structured", "a broken picture",
    }  # fmt: skip
    assert (statuses["a hint"], statuses["a foreign bucket"], statuses["a missing object"]) == (202, 403, 202)
    assert (statuses["without id"], statuses["malformed data"], statuses["an unknown type"]) == (400, 400, 415)


def test_what_the_middleware_refuses_is_a_400(served: Served) -> None:
    """A bare picture and malformed structured events never get to the function; the middleware refuses them for good."""
    assert served.request("POST", "/", {"content-type": "image/jpeg"}, IMAGE).status == 400
    structured = {"content-type": "application/cloudevents+json"}
    assert served.request("POST", "/", structured, b"{").status == 400
    assert served.request("POST", "/", structured, b'{"specversion":"1.0","id":"1","source":"s"}').status == 400


def test_bare_pictures_are_answered_with_invoke_http(deployment: Deployment, model: bytes, tmp_path: Path) -> None:
    """Under the middleware's other half everything comes as it is: bare pictures, metrics, a body of unknown length."""
    deployment.register(model, alias="champion")
    with under_middleware(FOLDER, "http", deployment.settings, tmp_path / "log") as function:
        function.wait_until_up()
        function.wait_until_ready()
        bare = function.request("POST", "/", {"content-type": "image/jpeg"}, IMAGE)
        assert json.loads(bare.body)["status"] == "classified"
        chunked = (part for part in [bytes(65536)] * 64)
        assert function.request("POST", "/", {"content-type": "image/png"}, chunked).status == 413
        assert b"cosmoformer_model_info" in function.request("GET", "/metrics").body
        assert function.request("GET", "/nothing").status == 404


def test_it_is_ready_when_its_model_is_loaded(deployment: Deployment, model: bytes, tmp_path: Path) -> None:
    """Before a model is registered it is alive but not ready, events are answered 503, and the probe says what to do."""
    deployment.settings.model_recheck_seconds = 1.0
    with under_middleware(FOLDER, "cloudevent", deployment.settings, tmp_path / "log") as function:
        function.wait_until_up()
        function.wait_for(lambda: b"champion" in function.request("GET", "/health/readiness").body)
        assert function.request("GET", "/health/readiness").status == 500
        assert function.request("POST", "/", *cloudevents.to_binary(created(deployment, "x.jpg"))).status == 503
        deployment.register(model, alias="champion")
        function.wait_until_ready()
        assert b"model version 1" in function.request("GET", "/health/readiness").body
    assert function.process.returncode == 0


def test_a_registry_that_is_away_is_named(deployment: Deployment, tmp_path: Path) -> None:
    """Without MLflow it is alive and not ready, and the probe names the setting."""
    deployment.settings.mlflow_tracking_uri = "http://127.0.0.1:9"
    with under_middleware(FOLDER, "cloudevent", deployment.settings, tmp_path / "log") as function:
        function.wait_until_up()
        function.wait_for(lambda: b"MLFLOW_TRACKING_URI" in function.request("GET", "/health/readiness").body)
        assert function.request("GET", "/health/readiness").status == 500


def test_probes_are_quick_while_a_request_waits(deployment: Deployment, model: bytes, tmp_path: Path) -> None:
    """While the store keeps a request waiting, both probes are answered at once."""
    deployment.register(model, alias="champion")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        away = Settings(**vars(deployment.settings))
        away.s3_endpoint_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with under_middleware(FOLDER, "cloudevent", away, tmp_path / "log") as function:
            function.wait_until_up()
            function.wait_for(lambda: "serving model" in function.log.read_text())
            event = cloudevents.to_binary(created(deployment, "x.jpg"))
            waiting = threading.Thread(target=until_cut_off, args=(function, event))
            waiting.start()
            time.sleep(0.3)
            begun = time.monotonic()
            assert function.request("GET", "/health/liveness").status == 200
            assert function.request("GET", "/health/readiness").status == 500
            assert time.monotonic() - begun < 1
            assert waiting.is_alive()
            function.process.kill()
            waiting.join()


def until_cut_off(function: Served, request: Request) -> None:
    with suppress(urllib3.exceptions.HTTPError):
        function.request("POST", "/", *request)


def test_a_malformed_setting_ends_it_with_one_line(deployment: Deployment, tmp_path: Path) -> None:
    """A setting that cannot be read ends the process; its first log line names it."""
    deployment.settings.store_timeout_seconds = "soon"
    with under_middleware(FOLDER, "cloudevent", deployment.settings, tmp_path / "log") as function:
        assert function.process.wait(60) != 0
    lines = [json.loads(line) for line in function.log.read_text().splitlines() if line.startswith("{")]
    assert lines[0]["level"] == "critical"
    assert "STORE_TIMEOUT_SECONDS must be a number, got 'soon'" in lines[0]["problem"]
