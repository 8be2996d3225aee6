"""Dead letters over HTTP."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from flask.testing import FlaskClient

from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.settings import Settings, load
from cosmoformer.storage.store import Store
from functions.ingest.app import create_app
from tests.cosmoformer.local.subscriber import Answer, Subscriber
from tests.functions.ingest.conftest import events_at, post_event
from tests.lacking_store import Refusal, lacking_store, refusing


def _dead(id_: str = "1", data: bytes = b'{"a": 1}') -> Event:
    event = cloudevents.new(type="t", source="/s", id=id_, subject="ü.jpg", data=data)
    error = {
        "knativeerrordest": "http://classify",
        "knativeerrorcode": "422",
        "knativeerrordata": base64.b64encode(b"why").decode(),
    }
    return Event({**event.attributes, **error}, event.data)


def _listed(client: FlaskClient, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/dead-letters{query}")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json or {}
    return document


def test_dead_letter_is_kept_and_listed(client: FlaskClient) -> None:
    """A dead letter is taken with an empty 202 and listed with its event and failure, without its data."""
    for _ in range(2):
        answer = post_event(client, "/dead-letters", _dead())
        assert (answer.status_code, answer.data) == (202, b"")
    document = _listed(client)
    (letter,) = document["dead_letters"]
    assert document["next"] is None
    assert letter["error"] == {"dest": "http://classify", "code": 422, "data": "why"}
    assert {name: letter["event"][name] for name in ("id", "subject")} == {"id": "1", "subject": "ü.jpg"}
    assert not {name for name in letter["event"] if name.startswith("knative") or name == "data"}


def test_listing_has_pages(client: FlaskClient) -> None:
    """A listing can be asked for in parts, each telling where the next begins."""
    for number in range(3):
        post_event(client, "/dead-letters", _dead(str(number)))
    first = _listed(client, "?limit=2")
    rest = _listed(client, f"?limit=2&after={first['next']}")
    assert [len(first["dead_letters"]), len(rest["dead_letters"]), rest["next"]] == [2, 1, None]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "²"])
def test_limit_is_checked(client: FlaskClient, limit: str) -> None:
    """A limit that is no number within reason is refused."""
    assert client.get("/dead-letters", query_string={"limit": limit}).status_code == 400


def test_large_event_is_kept(settings: Settings) -> None:
    """An event that carries a picture of the largest allowed size fits; one that is far too large does not."""
    client = create_app(load({}, **(vars(settings) | {"max_image_bytes": 6 * 2**20}))).test_client()
    assert post_event(client, "/dead-letters", _dead(data=b"\xff" * (6 * 2**20))).status_code == 202
    assert post_event(client, "/dead-letters", _dead(data=b"\xff" * (20 * 2**20))).status_code == 413


def test_a_letter_that_the_store_never_takes_is_asked_for_again(settings: Settings) -> None:
    """There is nowhere else to keep it: the broker is told to try again until the bucket is mended."""
    denied = Refusal(403, "AccessDenied", "not authorized to perform: kms:GenerateDataKey")
    with lacking_store(settings.s3_endpoint_url, refusing("PUT", "dead-letters/", denied)) as proxy:
        client = create_app(load({}, **(vars(settings) | {"s3_endpoint_url": proxy.url}))).test_client()
        assert post_event(client, "/dead-letters", _dead()).status_code == 503


def test_replay_by_key(client: FlaskClient, broker: Subscriber) -> None:
    """A replayed letter goes to the broker as it was sent first, and is kept no longer."""
    for number in range(2):
        post_event(client, "/dead-letters", _dead(str(number)))
    keys = [letter["key"] for letter in _listed(client)["dead_letters"]]
    answer = client.post("/dead-letters/replay", json={"keys": [keys[0], keys[0] + "x"]})
    assert answer.json == {"replayed": 1, "missing": 1}
    (event,) = events_at(broker)
    assert event.json() == {"a": 1}
    assert not [name for name in event.attributes if name.startswith("knativeerror")]
    assert [letter["key"] for letter in _listed(client)["dead_letters"]] == keys[1:]


def test_replay_of_all(client: FlaskClient, broker: Subscriber) -> None:
    """All letters can be replayed at once."""
    for number in range(3):
        post_event(client, "/dead-letters", _dead(str(number)))
    assert client.post("/dead-letters/replay", json={"all": True}).json == {"replayed": 3, "missing": 0}
    assert sorted(event.id for event in events_at(broker)) == ["0", "1", "2"]
    assert _listed(client)["dead_letters"] == []


def test_letter_stays_when_the_broker_refuses(client: FlaskClient, broker: Subscriber) -> None:
    """A replay that the broker does not take is answered with 503, and the letter stays."""
    post_event(client, "/dead-letters", _dead())
    broker.script = [Answer(503)]
    assert client.post("/dead-letters/replay", json={"all": True}).status_code == 503
    assert len(_listed(client)["dead_letters"]) == 1


@pytest.mark.parametrize(
    "body",
    [{}, [], {"all": False}, {"keys": "x"}, {"keys": [1]}, {"keys": ["results/a.json"]}, {"all": True, "keys": []}],
)
def test_replay_of_nothing_in_particular_is_refused(client: FlaskClient, store: Store, body: Any) -> None:
    """A replay has to say which letters it means, and can touch no other objects."""
    store.write(store.settings.results_bucket, "results/a.json", b"{}", "application/json")
    assert client.post("/dead-letters/replay", json=body).status_code == 400
    assert store.read_json(store.settings.results_bucket, "results/a.json")


def test_what_is_no_event_is_refused(client: FlaskClient) -> None:
    """Only CloudEvents become dead letters."""
    assert client.post("/dead-letters", json={"a": 1}).status_code == 400
