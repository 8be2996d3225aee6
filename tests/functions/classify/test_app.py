"""The classify function over HTTP, around a real store, registry and model."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPMessage
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from flask.testing import FlaskClient
from prometheus_client import REGISTRY
from werkzeug.test import TestResponse

from cosmoformer import logs
from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.events.notifications import ObjectCreated
from cosmoformer.served_models import changes_for
from cosmoformer.settings import Settings
from cosmoformer.storage.result_shape import schema
from cosmoformer.storage.results import Result, ResultsBucket, Standing, result_key
from cosmoformer.storage.store import Store
from functions.classify import replies
from functions.classify.app import build_app
from functions.classify.handler import Handler
from functions.classify.serving import ModelServing
from tests.functions.classify.conftest import BUNDLED, Deployment
from tests.lacking_store import Refusal, Rule, lacking_store, refusing

VALIDATOR = jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker())


@pytest.fixture
def deployment(deployment: Deployment, standing: ModelServing) -> Deployment:
    """Buckets of its own, and the model that stands for all tests here."""
    return deployment.of_model(standing.current().version.name)


@pytest.fixture
def serving(standing: ModelServing) -> ModelServing:
    """That model."""
    return standing


@pytest.fixture(scope="module")
def galaxy() -> bytes:
    return (BUNDLED / "samples" / "two_armed_spiral.jpg").read_bytes()


def created(deployment: Deployment, key: str, bucket: str = "", id: str = "e1") -> Event:
    bucket = bucket or deployment.settings.images_bucket
    return ObjectCreated(bucket, key, "ObjectCreated:Put", "ceph:s3", "", None, id).event()


def send(client: FlaskClient, event: Event, encode: Callable[[Event], Any] = cloudevents.to_binary) -> TestResponse:
    headers, body = encode(event)
    return client.post("/", data=body, headers=headers)


def reply(answer: TestResponse) -> dict[str, Any]:
    """The result in a reply event, checked to be a valid event and a valid result."""
    assert answer.status_code == 200, answer.data
    event = cloudevents.parse(dict(answer.headers), answer.data)
    VALIDATOR.validate(event.json())
    assert event.type == (cloudevents.CLASSIFIED if event.json()["status"] == "classified" else cloudevents.REJECTED)
    return dict(event.json())


def drop(deployment: Deployment, key: str, content: bytes) -> None:
    deployment.store.write(deployment.settings.images_bucket, key, content, "image/jpeg")


def recorded(deployment: Deployment, key: str) -> Any:
    found = deployment.store.read_json(deployment.settings.results_bucket, result_key(deployment.settings, key))
    return found and found[0]


def predictions() -> float:
    """How many images this process has predicted."""
    return REGISTRY.get_sample_value("cosmoformer_phase_seconds_count", {"phase": "predict"}) or 0.0


@pytest.mark.parametrize("encode", [cloudevents.to_binary, cloudevents.to_structured])
def test_an_object_is_judged_and_recorded(
    client: FlaskClient, deployment: Deployment, galaxy: bytes, encode: Callable[[Event], Any]
) -> None:
    """An object-created event, in either mode, leads to a result in the bucket and a reply event that carries it."""
    drop(deployment, "a galaxy.jpg", galaxy)
    result = reply(send(client, created(deployment, "a galaxy.jpg"), encode))
    assert result["status"] == "classified"
    assert result == recorded(deployment, "a galaxy.jpg")
    assert result["image"]["sha256"] == hashlib.sha256(galaxy).hexdigest()
    assert (result["image"]["width"], result["image"]["height"], result["image"]["format"]) == (424, 424, "JPEG")
    assert result["model"]["version"] == 1
    assert result["event"]["id"] == "e1"


def test_cephs_own_event_is_understood(client: FlaskClient, deployment: Deployment, galaxy: bytes) -> None:
    """An event as newer Ceph sends it straight to a broker, with its record as data, works as well."""
    drop(deployment, "ü+.jpg", galaxy)
    s3 = {"bucket": {"name": deployment.settings.images_bucket}, "object": {"key": "ü+.jpg"}}
    record = {"eventSource": "ceph:s3", "eventName": "ObjectCreated:Put", "s3": s3}
    event = cloudevents.new(
        type="com.amazonaws.ObjectCreated:Put", source="ceph:s3.default.x", id="c1", data={"Records": [record]}
    )
    assert reply(send(client, event))["image"]["key"] == "ü+.jpg"


def test_an_image_inside_an_event_is_answered(client: FlaskClient, galaxy: bytes) -> None:
    """An event whose data is an image is answered with its prediction, in both modes alike."""
    event = cloudevents.new(type=cloudevents.IMAGE, source="test", id="i1", data=galaxy, content_type="image/jpeg")
    binary, structured = reply(send(client, event)), reply(send(client, event, cloudevents.to_structured))
    assert binary["prediction"] == structured["prediction"]
    assert binary["image"]["key"] is None


def test_a_bare_image_is_answered(client: FlaskClient, galaxy: bytes) -> None:
    """A plain POST of a file is answered with the result as JSON."""
    answer = client.post("/", data=galaxy, content_type="image/jpeg")
    assert answer.content_type == "application/json"
    VALIDATOR.validate(answer.json)
    assert answer.json and answer.json["status"] == "classified"


def test_a_duplicate_event_changes_nothing(client: FlaskClient, deployment: Deployment, galaxy: bytes) -> None:
    """A second delivery finds the result, leaves it as it is and replies with the same event."""
    drop(deployment, "twice.jpg", galaxy)
    first, second = (send(client, created(deployment, "twice.jpg", id=id)) for id in ("d1", "d2"))
    assert reply(first) == reply(second)
    assert first.headers["ce-id"] == second.headers["ce-id"]


def test_the_same_bytes_are_predicted_once(client: FlaskClient, deployment: Deployment, galaxy: bytes) -> None:
    """A copy under another key gets the same judgement without another prediction."""
    unseen = galaxy + uuid4().bytes  # what follows a JPEG's end changes its digest alone
    results = []
    before = predictions()
    for key in ("original.jpg", "copy.jpg"):
        drop(deployment, key, unseen)
        results.append(reply(send(client, created(deployment, key))))
    assert predictions() - before == 1
    for part in ("prediction", "model"):
        assert results[0][part] == results[1][part]
    facts = [
        {name: value for name, value in result["image"].items() if name not in ("key", "last_modified")}
        for result in results
    ]
    assert facts[0] == facts[1]


def test_a_newer_image_replaces_the_result(client: FlaskClient, deployment: Deployment, galaxy: bytes) -> None:
    """When the object changes, its result does too."""
    drop(deployment, "changing.jpg", galaxy)
    before = reply(send(client, created(deployment, "changing.jpg")))
    drop(deployment, "changing.jpg", (BUNDLED / "samples" / "round_smooth.jpg").read_bytes())
    after = reply(send(client, created(deployment, "changing.jpg", id="e2")))
    assert before["image"]["etag"] != after["image"]["etag"]
    assert recorded(deployment, "changing.jpg") == after


def test_a_late_word_on_an_older_image_does_not_replace_a_newer_ones(
    client: FlaskClient, deployment: Deployment, galaxy: bytes
) -> None:
    """A slow process that still holds the older bytes cannot overwrite the result of the newer ones."""
    drop(deployment, "late.jpg", (BUNDLED / "samples" / "round_smooth.jpg").read_bytes())
    old = reply(send(client, created(deployment, "late.jpg")))
    drop(deployment, "late.jpg", galaxy)
    new = reply(send(client, created(deployment, "late.jpg", id="e2")))
    assert ResultsBucket(deployment.store).write(old) == new
    assert recorded(deployment, "late.jpg") == new


def test_without_a_registry_the_higher_version_stands(
    client: FlaskClient, deployment: Deployment, galaxy: bytes
) -> None:
    """When nobody can say where the alias points, a lower version does not replace a higher one's result."""
    drop(deployment, "away.jpg", galaxy)
    one = reply(send(client, created(deployment, "away.jpg")))
    two = one | {"model": one["model"] | {"version": 2, "sha256": "f" * 64}}
    results = ResultsBucket(deployment.store)
    assert results.write(two) == two
    assert results.write(one) == two


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("judge", [{"name": "another"}, {"name": "another", "version": 9}, {"sha256": "f" * 64}])
def test_another_models_result_is_replaced(
    client: FlaskClient, deployment: Deployment, galaxy: bytes, judge: dict[str, Any], away: bool
) -> None:
    """A result under another name, or by the same number of a registry made anew, gives way to the model that serves now."""
    drop(deployment, "judged.jpg", galaxy)
    own = reply(send(client, created(deployment, "judged.jpg")))
    key = result_key(deployment.settings, "judged.jpg")
    foreign = own | {"model": own["model"] | judge}
    deployment.store.write(deployment.settings.results_bucket, key, json.dumps(foreign).encode(), "application/json")
    if away:
        assert ResultsBucket(deployment.store).write(own) == own
        return
    answer = send(client, created(deployment, "judged.jpg", id="e2"))
    assert recorded(deployment, "judged.jpg")["model"] == reply(answer)["model"] == own["model"]


def test_events_of_two_models_are_told_apart(client: FlaskClient, deployment: Deployment, galaxy: bytes) -> None:
    """The same artifact under another name is another model: the event about its result is not taken for a repeated one."""
    drop(deployment, "named.jpg", galaxy)
    first = send(client, created(deployment, "named.jpg"))
    again = reply(first) | {"model": reply(first)["model"] | {"name": "another"}}
    key = result_key(deployment.settings, "named.jpg")
    deployment.store.write(deployment.settings.results_bucket, key, json.dumps(again).encode(), "application/json")
    assert replies.reply(again, deployment.settings.model_name).attributes["id"] != first.headers["ce-id"]


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty"), (b"no galaxy", "not_an_image"), (bytes(2 << 20), "too_large")]
)
def test_a_bad_file_is_recorded_as_rejected(
    client: FlaskClient, deployment: Deployment, content: bytes, code: str
) -> None:
    """A file that cannot be classified is answered 200 and recorded with its reason, by reference, inside and bare."""
    drop(deployment, "bad.jpg", content)
    result = reply(send(client, created(deployment, "bad.jpg")))
    assert (result["status"], result["rejection"]["code"]) == ("rejected", code)
    assert recorded(deployment, "bad.jpg") == result
    inside = cloudevents.new(type=cloudevents.IMAGE, source="t", id="i", data=content, content_type="image/png")
    assert reply(send(client, inside))["rejection"]["code"] == code
    bare = client.post("/", data=content, content_type="image/png")
    assert bare.json and bare.json["rejection"]["code"] == code


@pytest.mark.parametrize("content", [b"no galaxy", bytes(2 << 20)])
def test_each_models_rejection_of_an_image_has_an_event_of_its_own(
    client: FlaskClient, deployment: Deployment, serving: ModelServing, content: bytes
) -> None:
    """Of the same event, whether the image is referred to or inside; one model's word is announced under one id each time."""
    further = Settings(**(vars(deployment.settings) | changes_for("further")))
    second = Handler(further, deployment.store, ResultsBucket(deployment.store, settings=further), serving)
    drop(deployment, "bad.jpg", content)
    referring = created(deployment, "bad.jpg")
    inside = cloudevents.new(type=cloudevents.IMAGE, source="t", id="i", data=content, content_type="image/png")
    for event in (referring, inside):
        first, again, other = send(client, event), send(client, event), second.handle(event)
        assert other and reply(first)["rejection"] == other.json()["rejection"]
        assert first.headers["ce-id"] == again.headers["ce-id"] != other.id


@contextmanager
def lacking(deployment: Deployment, serving: ModelServing, rule: Rule) -> Iterator[FlaskClient]:
    """A client of a process whose store refuses what a rule says."""
    with lacking_store(deployment.settings.s3_endpoint_url, rule) as proxy:
        store = Store(Settings(**(vars(deployment.settings) | {"s3_endpoint_url": proxy.url})))
        handler = Handler(store.settings, store, ResultsBucket(store), serving)
        yield build_app(store.settings, handler, serving, deployment.gate()).test_client()


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal(403, "InvalidObjectState", "The object's storage class is GLACIER"), "archived"),
        (Refusal(403, "AccessDenied", "not authorized to perform: kms:Decrypt"), "encrypted"),
        (Refusal(400, "InvalidRequest", "The object was stored using a form of Server Side Encryption."), "encrypted"),
        (Refusal(501, "NotImplemented"), "unreadable"),
    ],
)
def test_an_image_that_the_store_never_gives_out_is_rejected(
    deployment: Deployment, serving: ModelServing, galaxy: bytes, refusal: Refusal, code: str
) -> None:
    """An archived or foreign-encrypted image gets its result, with reason and mend, at the first delivery."""
    drop(deployment, "kept.jpg", galaxy)
    with lacking(
        deployment, serving, refusing("GET", f"{deployment.settings.images_bucket}/kept.jpg", refusal)
    ) as client:
        result = reply(send(client, created(deployment, "kept.jpg")))
    etag = deployment.store.head_image("kept.jpg").etag
    assert (result["status"], result["rejection"]["code"], result["image"]["etag"]) == ("rejected", code, etag)
    assert refusal.code in result["rejection"]["reason"]
    assert recorded(deployment, "kept.jpg") == result


def test_a_restored_image_is_judged(
    client: FlaskClient, deployment: Deployment, serving: ModelServing, galaxy: bytes
) -> None:
    """Once the store gives it out, an image that was rejected for that is classified when it is announced again."""
    drop(deployment, "restored.jpg", galaxy)
    archived = Refusal(403, "InvalidObjectState")
    with lacking(
        deployment, serving, refusing("GET", f"{deployment.settings.images_bucket}/restored.jpg", archived)
    ) as before:
        assert reply(send(before, created(deployment, "restored.jpg")))["status"] == "rejected"
    assert reply(send(client, created(deployment, "restored.jpg", id="e2")))["status"] == "classified"


def test_an_image_replaced_by_one_that_is_not_given_out_is_rejected(
    client: FlaskClient, deployment: Deployment, serving: ModelServing, galaxy: bytes
) -> None:
    """The older bytes' classification gives way, although the store does not even answer HEAD for the newer ones."""
    drop(deployment, "turned.jpg", galaxy)
    assert reply(send(client, created(deployment, "turned.jpg")))["status"] == "classified"
    drop(deployment, "turned.jpg", galaxy + b"newer")

    def rule(method: str, path: str, headers: HTTPMessage) -> Refusal | None:
        if f"{deployment.settings.images_bucket}/turned.jpg" not in path:
            return None
        return Refusal(400, "InvalidRequest", "The object was stored using a form of Server Side Encryption.")

    with lacking(deployment, serving, rule) as behind:
        result = reply(send(behind, created(deployment, "turned.jpg", id="e2")))
    assert (result["status"], recorded(deployment, "turned.jpg")) == ("rejected", result)


def test_a_result_that_the_store_never_takes_is_a_dead_letter(
    deployment: Deployment, serving: ModelServing, galaxy: bytes
) -> None:
    """A results bucket under a key that may not be used is said at once, with a status that no broker retries."""
    drop(deployment, "untaken.jpg", galaxy)
    denied = Refusal(403, "AccessDenied", "not authorized to perform: kms:GenerateDataKey")
    with lacking(deployment, serving, refusing("PUT", "untaken.jpg.json", denied)) as client:
        assert "key service" in problem(send(client, created(deployment, "untaken.jpg")), 403)


def problem(answer: TestResponse, status: int) -> str:
    """The detail of a problem answer of the expected status."""
    assert answer.status_code == status, answer.data
    assert answer.content_type == "application/problem+json"
    return str(json.loads(answer.data)["detail"])


def test_a_foreign_bucket_is_refused(client: FlaskClient, deployment: Deployment) -> None:
    """An event that names another bucket is refused, and nothing is asked of that bucket."""
    assert "'other'" in problem(send(client, created(deployment, "x.jpg", bucket="other")), 403)


def test_a_key_outside_the_prefix_is_refused(client: FlaskClient, deployment: Deployment, galaxy: bytes) -> None:
    """With a prefix configured, other keys are refused."""
    deployment.settings.images_prefix = "incoming/"
    assert "incoming/" in problem(send(client, created(deployment, "elsewhere/x.jpg")), 403)


def test_an_object_that_is_gone_is_done(client: FlaskClient, deployment: Deployment) -> None:
    """An event about a deleted image is acknowledged, since nobody wants its result: no dead letter, no result."""
    answer = send(client, created(deployment, "never.jpg"))
    assert (answer.status_code, answer.data) == (202, b"")
    assert recorded(deployment, "never.jpg") is None


class DeletedMeanwhile(ResultsBucket):
    """Deletes the image at the moment at which its result is written: just before, or just after."""

    def __init__(self, deployment: Deployment, moment: str) -> None:
        super().__init__(deployment.store)
        self._images, self._moment = deployment, moment

    def exchange(self, result: Result, standing: Standing | None = None) -> tuple[Result, Result | None]:
        delete = partial(self._images.store.delete, self._images.settings.images_bucket, result["image"]["key"])
        if self._moment == "before":
            delete()
        written = super().exchange(result, standing)
        if self._moment == "after":
            delete()
        return written


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("earlier", [False, True], ids=["new", "replaced"])
def test_an_image_deleted_while_it_is_judged_leaves_no_result(
    deployment: Deployment, serving: ModelServing, galaxy: bytes, moment: str, earlier: bool
) -> None:
    """Whenever an image is deleted between the reading and the answer, no result stands afterwards, and the event is done."""
    drop(deployment, "brief.jpg", galaxy)
    standing = None
    if earlier:  # another image under this key has been judged
        handler = Handler(deployment.settings, deployment.store, ResultsBucket(deployment.store), serving)
        assert handler.handle(created(deployment, "brief.jpg"))
        standing = recorded(deployment, "brief.jpg")
        drop(deployment, "brief.jpg", galaxy + b"another file")
    handler = Handler(deployment.settings, deployment.store, DeletedMeanwhile(deployment, moment), serving)
    app = build_app(deployment.settings, handler, serving, deployment.gate())
    answer = send(app.test_client(), created(deployment, "brief.jpg", id="e2"))
    assert (answer.status_code, answer.data) == (202, b"")
    assert recorded(deployment, "brief.jpg") == standing


def test_a_result_is_withdrawn_only_while_it_stands(
    deployment: Deployment, serving: ModelServing, galaxy: bytes
) -> None:
    """Another result that has come to stand in its place stays."""
    results = ResultsBucket(deployment.store)
    handler = Handler(deployment.settings, deployment.store, results, serving)
    drop(deployment, "again.jpg", galaxy)
    handler.handle(created(deployment, "again.jpg"))
    results.withdraw(recorded(deployment, "again.jpg") | {"seconds": 0.0}, None)
    assert recorded(deployment, "again.jpg")
    results.withdraw(recorded(deployment, "again.jpg"), None)
    assert recorded(deployment, "again.jpg") is None


@pytest.mark.parametrize("attribute", ["id", "source", "type", "specversion"])
def test_a_missing_attribute_is_named(client: FlaskClient, deployment: Deployment, attribute: str) -> None:
    """A binary event without a required attribute is refused with 400 and the attribute's name."""
    headers, body = cloudevents.to_binary(created(deployment, "x.jpg"))
    del headers[f"ce-{attribute}"]
    assert f"'{attribute}'" in problem(client.post("/", data=body, headers=headers), 400)


@pytest.mark.parametrize("encode", [cloudevents.to_binary, cloudevents.to_structured])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time", "2026-11-20"),
        ("source", "not a URI"),
        ("datacontenttype", "json"),
        ("dataschema", "x"),
        ("id", "a\ufffe"),
    ],
)
def test_whether_it_is_an_event_comes_before_whether_it_is_ours(
    client: FlaskClient, deployment: Deployment, encode: Callable[[Event], Any], name: str, value: str
) -> None:
    """A malformed attribute is named, also where the event would be refused for its bucket, type or size."""
    foreign = created(deployment, "x.jpg", bucket="other")
    unknown = cloudevents.new(type="org.other", source="/s", id="1", data={})
    large = Event(
        {**unknown.attributes, "datacontenttype": "image/png"}, bytes(deployment.settings.max_image_bytes * 3)
    )
    for event in (foreign, unknown, *([large] if encode is cloudevents.to_binary else [])):
        malformed = Event({**event.attributes, name: value}, event.data)
        assert f"'{name}'" in problem(send(client, malformed, encode), 400)


@pytest.mark.parametrize("key", ["a b+c.jpg", "a b c.jpg"])
def test_the_store_tells_which_of_two_keys_is_meant(
    client: FlaskClient, deployment: Deployment, galaxy: bytes, key: str
) -> None:
    """Where nobody knows whether a store encodes its keys, the one that the store has is judged."""
    drop(deployment, key, galaxy)
    bucket = deployment.settings.images_bucket
    event = ObjectCreated(bucket, "a b+c.jpg", "ObjectCreated:Put", "rustfs:s3", "", None, "e1", "a b c.jpg").event()
    assert reply(send(client, event))["image"]["key"] == key
    gone = ObjectCreated(bucket, "x+y", "ObjectCreated:Put", "rustfs:s3", "", None, "e1", "x y").event()
    assert send(client, gone).status_code == 202  # the store has neither: it was deleted, and nobody wants its result


def test_the_reply_about_any_key_is_an_event(client: FlaskClient, deployment: Deployment, galaxy: bytes) -> None:
    """A key with characters that no attribute may have is in the reply's data, and its subject is left out."""
    drop(deployment, "odd\ufffe.jpg", galaxy)
    assert reply(send(client, created(deployment, "odd\ufffe.jpg")))["image"]["key"] == "odd\ufffe.jpg"


@pytest.mark.parametrize(
    ("content_type", "body", "status", "word"),
    [
        ("application/cloudevents+json", b"{", 400, "JSON"),
        ("application/cloudevents+json", b'{"specversion":"1.0","id":"1","source":"s"}', 400, "'type'"),
        ("application/cloudevents-batch+json", b"[]", 415, "batch"),
        ("application/json", b"{}", 400, "CloudEvent"),
        ("multipart/form-data; boundary=x", b"--x--", 400, "CloudEvent"),
    ],
)
def test_what_is_no_event_is_refused(
    client: FlaskClient, content_type: str, body: bytes, status: int, word: str
) -> None:
    """Malformed events, batches and other bodies get an answer on purpose."""
    assert word in problem(client.post("/", data=body, content_type=content_type), status)


def test_malformed_data_is_refused(client: FlaskClient, deployment: Deployment) -> None:
    """An object-created event whose data is no notification is refused with 400."""
    event = cloudevents.new(type="com.amazonaws.s3.ObjectCreated:Put", source="s", id="1", data=b"{nonsense")
    assert "JSON" in problem(send(client, event), 400)


def test_an_unknown_type_is_refused(client: FlaskClient) -> None:
    """An event that nothing here handles is refused, with what would be."""
    assert "org.other" in problem(send(client, cloudevents.new(type="org.other", source="s", id="1", data={})), 415)


def test_a_hint_of_a_promotion_is_taken(client: FlaskClient) -> None:
    """An alias-moved event is accepted without a reply."""
    answer = send(client, cloudevents.new(type=cloudevents.ALIAS_MOVED, source="s", id="1", data={}))
    assert (answer.status_code, answer.data) == (202, b"")


def test_a_store_that_is_away_is_transient(client: FlaskClient, deployment: Deployment, serving: ModelServing) -> None:
    """While the store does not answer the event is refused with 503 and Retry-After, so that the broker tries again."""
    deployment.settings.s3_endpoint_url = "http://127.0.0.1:9"
    from cosmoformer.storage.store import Store

    store = Store(deployment.settings)
    handler = Handler(deployment.settings, store, ResultsBucket(store), serving)
    app = build_app(deployment.settings, handler, serving, deployment.gate())
    answer = send(app.test_client(), created(deployment, "x.jpg"))
    assert "does not answer" in problem(answer, 503)
    assert answer.headers["Retry-After"]


def test_without_a_model_requests_wait_elsewhere(deployment: Deployment, galaxy: bytes) -> None:
    """Before a model is loaded, readiness and events are answered 503, liveness 200."""
    serving = deployment.serving()
    app = build_app(
        deployment.settings,
        Handler(deployment.settings, deployment.store, ResultsBucket(deployment.store), serving),
        serving,
        deployment.gate(),
    )
    client = app.test_client()
    assert client.get("/health/liveness").status_code == 200
    problem(client.get("/health/readiness"), 503)
    problem(send(client, created(deployment, "x.jpg")), 503)
    problem(client.post("/", data=galaxy, content_type="image/jpeg"), 503)


@pytest.mark.parametrize("key", ["", "a\0b.jpg", "\ud800.jpg", "k" * 1025, "é" * 513])
def test_a_key_that_no_object_can_have_is_refused(client: FlaskClient, deployment: Deployment, key: str) -> None:
    """The store would refuse it at every attempt: such an event is refused for good, and not tried again."""
    data = json.dumps({"bucket": deployment.settings.images_bucket, "key": key}).encode()
    answer = send(client, cloudevents.new(type="com.amazonaws.s3.ObjectCreated:Put", source="/s", id="1", data=data))
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert "no object can have the key" in json.loads(answer.data)["detail"]


def test_a_wrong_method_is_told_the_right_ones(client: FlaskClient) -> None:
    """As RFC 9110, section 15.5.6, wants it."""
    answer = client.put("/")
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_metrics_name_the_model_version(client: FlaskClient, deployment: Deployment, galaxy: bytes) -> None:
    """Prometheus sees images by class and model version, and which version is served."""
    client.post("/", data=galaxy, content_type="image/jpeg")
    text = client.get("/metrics").get_data(as_text=True)
    assert 'model_version="1",status="classified"' in text
    assert "cosmoformer_model_info{" in text
    assert client.get("/health/readiness").status_code == 200


def test_unknown_paths_and_methods_are_problems(client: FlaskClient) -> None:
    """Wrong paths and methods get the same shape of error; OPTIONS says what is allowed."""
    problem(client.get("/nothing"), 404)
    problem(client.put("/"), 405)
    assert "POST" in client.options("/").headers["Allow"]


def test_a_body_of_unknown_length_is_bounded(client: FlaskClient, deployment: Deployment) -> None:
    """A chunked body, which does not tell its length, is refused once it is over the limit."""
    stream = io.BytesIO(bytes(4 * deployment.settings.max_image_bytes))
    environment = {"wsgi.input_terminated": True, "wsgi.input": stream, "CONTENT_TYPE": "image/png"}
    answer = client.open("/", method="POST", environ_overrides=environment)
    problem(answer, 413)
    assert stream.tell() < 2 * deployment.settings.max_image_bytes


def test_failures_are_logged_with_the_event(
    client: FlaskClient, deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    """The log line of a refused event names its id and key, in structured mode too."""
    seen: list[object] = []
    caplog.handler.addFilter(lambda record: bool(seen.append(logs.bound_value("event_id"))) or True)
    answer = send(client, created(deployment, "x.jpg", bucket="other", id="e7"), cloudevents.to_structured)
    assert json.loads(answer.data)["event_id"] == "e7"
    assert "e7" in seen
    assert logs.bound_value("event_id") is None


def test_a_notification_of_several_objects_is_judged_whole(
    client: FlaskClient, deployment: Deployment, galaxy: bytes
) -> None:
    """One object that is gone does not keep the others of the same notification from being judged."""
    drop(deployment, "there.jpg", galaxy)
    records = [
        {
            "eventSource": "ceph:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": deployment.settings.images_bucket}, "object": {"key": key}},
        }
        for key in ("gone.jpg", "there.jpg")
    ]
    event = cloudevents.new(type="com.amazonaws.s3.ObjectCreated:Put", source="s", id="1", data={"Records": records})
    assert send(client, event).status_code == 202
    assert recorded(deployment, "there.jpg")["status"] == "classified"


@pytest.mark.parametrize("content", [b"not JSON", b"", b'{"schema_version": 1}', b'{"schema_version": 1, "image": 3}'])
def test_something_else_in_a_results_place_is_replaced(
    client: FlaskClient, deployment: Deployment, galaxy: bytes, content: bytes
) -> None:
    """An object that is no result, where a result belongs, gives way to one."""
    drop(deployment, "odd.jpg", galaxy)
    key = result_key(deployment.settings, "odd.jpg")
    deployment.store.write(deployment.settings.results_bucket, key, content, "text/plain")
    assert reply(send(client, created(deployment, "odd.jpg"))) == recorded(deployment, "odd.jpg")


def test_structured_events_may_carry_base64(client: FlaskClient, galaxy: bytes) -> None:
    """An image as data_base64 of a structured event is the same image."""
    members = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "datacontenttype": "image/jpeg"}
    body = json.dumps(members | {"data_base64": base64.b64encode(galaxy).decode()})
    answer = client.post("/", data=body, content_type="application/cloudevents+json")
    assert reply(answer)["image"]["sha256"] == hashlib.sha256(galaxy).hexdigest()
