"""A broker on a free port of this process, and its client's view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from cosmoformer.events.cloudevents import Event, new, to_binary
from cosmoformer.local.knative.broker import Broker, BrokerConfig
from cosmoformer.local.knative.triggers import DeliverySpec, Trigger

QUICK = {"backoff_delay_s": 0.02, "timeout_s": 5.0}


class Client:
    """Posts to a broker and reads its queue."""

    def __init__(self, port: int) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}/"
        self._pool = urllib3.PoolManager(maxsize=8)

    def post(self, event: Event) -> None:
        headers, body = to_binary(event)
        answer = self.send(headers, body)
        assert (answer.status, answer.data) == (202, b"")

    def send(self, headers: Mapping[str, str], body: bytes, method: str = "POST") -> urllib3.BaseHTTPResponse:
        return self._pool.request(method, self.url, headers=headers, body=body, retries=False)

    def queue(self, trigger: str = "t") -> dict[str, Any]:
        states = self._pool.request("GET", self.url + "queue").json()["triggers"]
        return next(state for state in states if state["name"] == trigger)

    def set_aside(self) -> list[dict[str, Any]]:
        return list(self._pool.request("GET", self.url + "set-aside").json()["set_aside"])

    def forget(self, key: str) -> urllib3.BaseHTTPResponse:
        return self._pool.request("DELETE", self.url + key)

    def is_idle(self, trigger: str = "t") -> bool:
        state = self.queue(trigger)
        return not (state["waiting"] or state["in_flight"] or state["dead_letters_waiting"])


@contextmanager
def running_broker(folder: Path, *triggers: Trigger, **config: Any) -> Iterator[Client]:
    broker = Broker(BrokerConfig(port=0, folder=folder, triggers=triggers, **config))
    broker.server.start("broker")
    try:
        yield Client(broker.server.port)
    finally:
        broker.stop()


def trigger(subscriber: str, dead_letters: str | None = None, retry: int = 3, **fields: Any) -> Trigger:
    delivery = DeliverySpec(**{**QUICK, "retry": retry, "dead_letter_url": dead_letters, **fields.pop("delivery", {})})
    return Trigger(**{"name": "t", "subscriber": subscriber, "delivery": delivery, **fields})


def an_event(id: str = "1", type: str = "com.amazonaws.s3.ObjectCreated:Put", **fields: Any) -> Event:
    return new(**{"type": type, "source": "urn:test", "id": id, "data": {"key": "a.jpg"}, **fields})
