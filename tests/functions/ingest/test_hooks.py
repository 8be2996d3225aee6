"""MLflow's webhooks, sent by a real MLflow server and made by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import urllib3
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from cosmoformer.events import cloudevents
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings, load
from functions.ingest.app import create_app
from tests.cosmoformer.local.subscriber import Answer, Subscriber
from tests.functions.ingest.conftest import SECRET, events_at
from tests.mlflow_server import MlflowServer

ALIAS = {"name": "cosmoformer", "alias": "champion", "version": "3"}


def _message(entity: str = "model_version_alias", action: str = "created", data: Any = ALIAS) -> bytes:
    return json.dumps({"entity": entity, "action": action, "timestamp": "2026-11-20T00:00:00Z", "data": data}).encode()


def _signed(body: bytes, secret: str = SECRET, age_s: float = 0, delivery: str = "d-1") -> dict[str, str]:
    timestamp = str(int(time.time() - age_s))
    mac = hmac.new(secret.encode(), f"{delivery}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": timestamp,
        "X-MLflow-Signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def _post(client: FlaskClient, body: bytes, headers: dict[str, str]) -> int:
    return client.post("/hooks/mlflow", data=body, headers=headers, content_type="application/json").status_code


def test_moved_alias_is_announced(client: FlaskClient, broker: Subscriber) -> None:
    """A signed message about an alias of the model becomes an event under the delivery's id."""
    body = _message()
    assert _post(client, body, _signed(body)) == 202
    (event,) = events_at(broker)
    assert (event.type, event.id, event.subject) == (cloudevents.ALIAS_MOVED, "d-1", "cosmoformer@champion")
    assert event.json() == ALIAS


@pytest.mark.parametrize(
    "body",
    [
        _message(action="deleted", data={"name": "cosmoformer", "alias": "champion"}),
        _message(entity="model_version", data=ALIAS),
        _message(data=ALIAS | {"name": "another-model"}),
        _message(data=None),
        b"{}",
    ],
)
def test_other_messages_are_taken_and_ignored(client: FlaskClient, broker: Subscriber, body: bytes) -> None:
    """Signed messages about anything else get 202 and reach nobody."""
    assert _post(client, body, _signed(body)) == 202
    assert broker.received == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"[" * 100_000])
def test_signed_nonsense_is_refused(client: FlaskClient, body: bytes) -> None:
    """A signed body that is no JSON object is a bad request."""
    assert _post(client, body, _signed(body)) == 400


def _message_headers() -> dict[str, str]:
    return _signed(_message())


#: Made at the time of the test, since signatures grow old.
UNTRUSTED: dict[str, Callable[[], dict[str, str]]] = {
    "none": dict,
    "another body": lambda: _signed(b"another body"),
    "another secret": lambda: _signed(_message(), secret="guessed"),
    "old": lambda: _signed(_message(), age_s=310),
    "from the future": lambda: _signed(_message(), age_s=-310),
    "another delivery": lambda: _message_headers() | {"X-MLflow-Delivery-Id": "d-2"},
    "another time": lambda: _message_headers() | {"X-MLflow-Timestamp": str(int(time.time()) - 100)},
    "endless time": lambda: _message_headers() | {"X-MLflow-Timestamp": "9" * 5000},
    "odd digits": lambda: _message_headers() | {"X-MLflow-Timestamp": "²"},
    "no base64": lambda: _message_headers() | {"X-MLflow-Signature": "v1,not base64"},
    "no ASCII": lambda: _message_headers() | {"X-MLflow-Signature": "v1,ü"},
    "empty": lambda: _message_headers() | {"X-MLflow-Signature": "v1,"},
    "no scheme": lambda: _message_headers() | {"X-MLflow-Signature": _message_headers()["X-MLflow-Signature"][3:]},
}


@pytest.mark.parametrize("case", UNTRUSTED)
def test_unsigned_forged_and_old_messages_are_refused(client: FlaskClient, broker: Subscriber, case: str) -> None:
    """Without a fresh signature over exactly this message there is 401 and no event."""
    assert _post(client, _message(), UNTRUSTED[case]()) == 401
    assert broker.received == []


def test_without_secret_every_message_is_refused(settings: Settings) -> None:
    """A function without secret accepts no webhook, not even one signed with nothing."""
    client = create_app(load({}, **(vars(settings) | {"mlflow_webhook_secret": ""}))).test_client()
    assert _post(client, _message(), _signed(_message(), secret="")) == 401


def test_broker_failure_makes_mlflow_try_again(client: FlaskClient, broker: Subscriber) -> None:
    """MLflow repeats a message that was answered with 503."""
    broker.script = [Answer(500)]
    assert _post(client, _message(), _signed(_message())) == 503


@contextmanager
def _served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@pytest.mark.slow
def test_real_mlflow_server(settings: Settings, broker: Subscriber, mlflow_server: MlflowServer) -> None:
    """What MLflow itself signs and sends is understood: its test message is taken, a moved alias is announced."""
    own_model = {"mlflow_tracking_uri": mlflow_server.url, "model_name": settings.images_bucket}
    with_registry = load({}, **(vars(settings) | own_model))
    registry = Registry(with_registry)
    with _served(create_app(with_registry)) as url:
        hook = {
            "name": "cosmoformer",
            "url": f"{url}/hooks/mlflow",
            "events": [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}],
            "secret": SECRET,
        }
        webhook = registry.post("webhooks", **hook)["webhook"]
        try:
            result = registry.post(f"webhooks/{webhook['webhook_id']}/test")["result"]
            assert (result["success"], result["response_status"]) == (True, 202)
            assert broker.received == []
            register(registry, b"an artifact", tags={}, alias="champion")
            deadline = time.monotonic() + 20
            while not broker.received and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            urllib3.request("DELETE", f"{mlflow_server.url}/api/2.0/mlflow/webhooks/{webhook['webhook_id']}", json={})
    (event,) = events_at(broker)
    assert event.json() == {"name": settings.images_bucket, "alias": "champion", "version": "1"}
