"""Bucket notifications of every store, published, captured and made up."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st

from cosmoformer.errors import InvalidRequest
from cosmoformer.events import cloudevents, notifications
from cosmoformer.events.notifications import ObjectCreated, read, read_event
from tests.contracts import contract, read_http

#: File -> (bucket, key, name, store, region) of each created object in it.
PUBLISHED: dict[str, list[tuple[str, str, str, str, str]]] = {
    "aws-docs.test-event.json": [],
    "aws-lambda-go.s3-event-with-decoded.json": [
        ("sourcebucket", "Happy Face.jpg", "ObjectCreated:Put", "aws:s3", "us-east-1")
    ],
    "aws-lambda-go.s3-event.json": [("sourcebucket", "Happy Face.jpg", "ObjectCreated:Put", "aws:s3", "us-east-1")],
    "aws-lambda-go.s3-restore-event.json": [],
    "ceph-docs.notification.json": [("mybucket1", "myimage1.jpg", "ObjectCreated:Put", "ceph:s3", "zonegroup1")],
    "minio-issue7665-shape.json": [
        ("mybucket", "5cdfb588cea4de1db3034a87/colors.xml", "ObjectCreated:Put", "minio:s3", "")
    ],
    "noobaa-shape.object-created.json": [
        ("galaxies", "incoming/NGC 1300+bar.png", "ObjectCreated:Put", "noobaa:s3", "")
    ],
    "noobaa-shape.test-event.json": [],
    "powertools.s3Event.json": [
        (
            "lambda-artifacts-deafc19498e3f2df",
            "b21b84d653bb07b05b1e6b33684dc11b",
            "ObjectCreated:Put",
            "aws:s3",
            "us-east-2",
        )
    ],
    "powertools.s3EventBridgeNotificationObjectCreatedEvent.json": [
        ("example-bucket", "IMG_m7fzo3.jpg", "ObjectCreated:Put", "aws:s3", "eu-west-1")
    ],
    "powertools.s3EventBridgeNotificationObjectDeletedEvent.json": [],
    "powertools.s3EventDecodedKey.json": [
        ("sourcebucket", "Happy Face.jpg", "ObjectCreated:Put", "aws:s3", "us-east-1")
    ],
    "powertools.s3EventDeleteObject.json": [],
    "powertools.s3SqsEvent.json": [("xxx", "test.pdf", "ObjectCreated:Put", "aws:s3", "us-east-1")],
}
#: Key and event name by the number of the captured file; deletions give nothing.
CAPTURED = {
    "01": [("in/gal axy+ü.jpg", "ObjectCreated:Put")],
    "02": [("in/post.jpg", "ObjectCreated:Post")],
    "03": [("in/mp", "ObjectCreated:CompleteMultipartUpload")],
    "04": [("in/cp", "ObjectCreated:Copy")],
    "05": [],
    "06": [("in/v", "ObjectCreated:Put")],
    "07": [],
}


def _record(source: str = "ceph:s3", key: str = "m51.jpg", **members: Any) -> dict[str, Any]:
    record = {
        "eventSource": source,
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-11-20T17:48:39.849773Z",
        "awsRegion": "",
        "responseElements": {"x-amz-request-id": "r1", "x-amz-id-2": "h1"},
        "s3": {"bucket": {"name": "images"}, "object": {"key": key}},
    }
    return record | members


def _fields(created: ObjectCreated) -> tuple[str, str, str, str, str]:
    return created.bucket, created.key, created.name, created.store, created.region


@pytest.mark.parametrize("file", sorted(PUBLISHED))
def test_published_samples(file: str) -> None:
    """Every published notification gives the created objects it tells of, with decoded keys."""
    payload = json.loads(contract(f"s3-events/{file}").read_text())
    assert [_fields(created) for created in read(payload)] == PUBLISHED[file]


def test_no_published_sample_is_forgotten() -> None:
    """The table above names every sample there is."""
    assert {file.name for file in contract("s3-events").glob("*.json")} == set(PUBLISHED)


@pytest.mark.parametrize("capture", sorted(CAPTURED))
def test_captured_ceph_notifications(capture: str) -> None:
    """What Ceph 16 sent as plain JSON is read with raw keys and its own request id."""
    _, body = read_http(contract(f"ceph-notifications/pacific16/ceph-plain-{capture}.http"))
    payload = json.loads(body)
    found = read(payload)
    assert [(created.key, created.name) for created in found] == CAPTURED[capture]
    for created in found:
        assert created.id == ".".join(payload["Records"][0]["responseElements"].values())
        assert created.time is not None and created.time.year == 2026


@pytest.mark.parametrize("capture", sorted(CAPTURED))
def test_captured_ceph_cloudevents(capture: str) -> None:
    """What Ceph 18 sent as CloudEvents is read like its plain notifications, under the CloudEvent's own id."""
    headers, body = read_http(contract(f"ceph-notifications/reef18-cloudevents/reef-ce-{capture}.http"))
    event = cloudevents.parse(headers, body)
    found = read_event(event)
    assert [(created.key, created.name) for created in found] == CAPTURED[capture]
    for created in found:
        assert (created.id, created.key) == (event.id, event.subject)
        assert created.event().source == event.source


def test_time_that_ceph_does_not_know() -> None:
    """The year 1970 of a form upload is taken for an unknown time, and its event says now instead."""
    (created,) = read({"Records": [_record(eventTime="0.000000")]})
    assert created.time is None
    assert datetime.fromisoformat(created.event().attributes["time"]).year >= 2026
    assert read({"Records": [_record(eventTime="1970-01-01T00:00:00.000Z")]})[0].time is None


@pytest.mark.parametrize(
    ("source", "sent", "key"),
    [
        ("aws:s3", "a+b%2Bc%C3%BC%25.jpg", "a b+cü%.jpg"),
        ("minio:s3", "a%2Fb+c.jpg", "a/b c.jpg"),
        ("ceph:s3", "a+b%2Bc ü%25.jpg", "a+b%2Bc ü%25.jpg"),
        ("noobaa:s3", "a+b%20c.jpg", "a+b%20c.jpg"),
    ],
)
def test_keys_are_decoded_by_store(source: str, sent: str, key: str) -> None:
    """Keys of AWS and MinIO are URL-encoded, those of Ceph and NooBaa are not."""
    assert read({"Records": [_record(source, sent)]})[0].key == key


@pytest.mark.parametrize(
    ("source", "sent", "decoded", "expected"),
    [
        ("rustfs:s3", "plain/m51.jpg", None, ("plain/m51.jpg",)),
        ("my.noobaa-system:s3", "a+b%20c.jpg", None, ("a+b%20c.jpg", "a b c.jpg")),
        ("seaweedfs:s3", "a+b.jpg", "a b.jpg", ("a b.jpg",)),
        ("my_system:s3", "100%.jpg", None, ("100%.jpg",)),
    ],
)
def test_an_unknown_store_is_read_by_the_shape_of_its_records(
    source: str, sent: str, decoded: str | None, expected: tuple[str, ...]
) -> None:
    """A record of any ``…:s3`` is read; where nobody knows whether its key is encoded, both keys travel with the event."""
    entry = {"key": sent} if decoded is None else {"key": sent, "urlDecodedKey": decoded}
    (created,) = read({"Records": [_record(source, s3={"bucket": {"name": "images"}, "object": entry})]})
    assert created.keys == expected
    (again,) = read_event(cloudevents.parse(*cloudevents.to_binary(created.event())))
    assert (again.bucket, again.keys, again.id) == ("images", expected, created.id)


#: Records that tell of no new picture, by who sends them.
NO_UPLOADS = {
    "aws:s3": [
        "ObjectTagging:Put",
        "ObjectTagging:Delete",
        "ObjectAcl:Put",
        "ObjectRestore:Post",
        "ObjectRestore:Completed",
        "ObjectRestore:Delete",
        "LifecycleTransition",
        "IntelligentTiering",
        "ReducedRedundancyLostObject",
    ],
    "minio:s3": [
        "s3:ObjectCreated:PutTagging",
        "s3:ObjectCreated:DeleteTagging",
        "s3:ObjectCreated:PutRetention",
        "s3:ObjectCreated:PutLegalHold",
        "s3:ObjectAccessed:Get",
        "s3:ObjectTransition:Complete",
    ],
    "ceph:s3": ["ObjectLifecycle:Expiration:Current", "ObjectCreated:", "ObjectCreated", ""],
}


@pytest.mark.parametrize("source", NO_UPLOADS)
def test_what_is_no_upload_gives_nothing(source: str) -> None:
    """Tags, retention, restoring and archiving are no uploads, also where the event's name begins like one."""
    for name in NO_UPLOADS[source]:
        assert read({"Records": [_record(source, eventName=name)]}) == [], name


def test_normalised_events_of_other_names_give_nothing() -> None:
    """A normalised event whose type only begins like an upload's gives nothing."""
    for name in ("ObjectCreated:PutTagging", "ObjectCreated:PutLegalHold"):
        event = cloudevents.new(type=f"com.amazonaws.s3.{name}", source="/s", id="1", data={"bucket": "b", "key": "k"})
        assert read_event(event) == []


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-11-20t17:48:39z", datetime(2026, 11, 20, 17, 48, 39, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2026-11-20T17:48:39.849773123Z", datetime(2026, 11, 20, 17, 48, 39, 849773, tzinfo=UTC)),
        ("2026-11-20 17:48:39", datetime(2026, 11, 20, 17, 48, 39, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times_of_records_and_events(time: str, expected: datetime | None) -> None:
    """A record's or an event's time is read in every form of RFC 3339, and never breaks the event that is made of it."""
    assert read({"Records": [_record(eventTime=time)]})[0].time == expected
    event = cloudevents.new(
        type="com.amazonaws.s3.ObjectCreated:Put", source="/s", id="1", data={"bucket": "b", "key": "k"}
    )
    (created,) = read_event(cloudevents.Event({**event.attributes, "time": time}, event.data))
    assert created.time == expected
    assert created.event().attributes["time"]


def test_a_region_of_any_words_makes_a_valid_source() -> None:
    """Whatever stands in a record, the event made of it is one that every receiver takes."""
    (created,) = read({"Records": [_record(awsRegion="zone 1 é", key="odd\ufffe\n.jpg")]})
    event = cloudevents.parse(*cloudevents.to_binary(created.event()))
    assert read_event(event) == [created]
    assert event.subject is None


def test_several_records_have_different_ids() -> None:
    """Records of one request are told apart, although they share its id."""
    first, second = read({"Records": [_record(key="a"), _record(key="b")]})
    assert (first.id, second.id) == ("r1.h1", "r1.h1.1")


def test_id_without_request_id_is_the_same_at_each_delivery() -> None:
    """A record without request id is identified by its content."""
    one, same = (read({"Records": [_record(responseElements=None)]})[0] for _ in range(2))
    other = read({"Records": [_record(key="other", responseElements=[])]})[0]
    assert one.id == same.id != other.id


def test_a_record_by_itself_is_read() -> None:
    """Knative's CephSource sends each record as the data of an event of its own."""
    (whole,) = read({"Records": [_record("ceph:s3", "a b+c.jpg")]})
    (alone,) = read(_record("ceph:s3", "a b+c.jpg"))
    assert alone == whole
    event = cloudevents.Event(
        {"specversion": "1.0", "id": "1", "source": "ceph:s3.zone.bucket", "type": "com.amazonaws.ObjectCreated:Put"},
        json.dumps(_record("ceph:s3", "a b+c.jpg")).encode(),
    )
    assert [created.key for created in read_event(event)] == ["a b+c.jpg"]


def test_sns_wraps_a_notification() -> None:
    """A notification inside an SNS message is read."""
    message = {"Type": "Notification", "Message": json.dumps({"Records": [_record()]})}
    assert [created.key for created in read(message)] == ["m51.jpg"]


def test_eventbridge_keys_are_raw() -> None:
    """An EventBridge event gives its key as it stands and an upload's reason as event name."""
    payload = {
        "detail-type": "Object Created",
        "region": "eu-west-1",
        "id": "e1",
        "time": "2026-11-20T00:00:00Z",
        "detail": {"bucket": {"name": "images"}, "object": {"key": "a+b%20c.jpg"}, "reason": "CompleteMultipartUpload"},
    }
    when = datetime(2026, 11, 20, tzinfo=UTC)
    name = "ObjectCreated:CompleteMultipartUpload"
    assert read(payload) == [ObjectCreated("images", "a+b%20c.jpg", name, "aws:s3", "eu-west-1", when, "e1")]


def test_normalised_event_survives_a_round_trip() -> None:
    """The event of a created object, sent in binary mode and read again, is the same object."""
    created = read({"Records": [_record("aws:s3", "a%2Fgal+axy%2B%C3%BC%25.jpg", awsRegion="eu-west-1")]})[0]
    assert read_event(cloudevents.parse(*cloudevents.to_binary(created.event()))) == [created]


def test_normalised_event_has_the_attributes_of_the_aws_s3_adapter() -> None:
    """Type, source, subject and id are those that the CloudEvents adapter for AWS S3 prescribes."""
    event = read({"Records": [_record(awsRegion="us-east-1")]})[0].event()
    assert event.type == "com.amazonaws.s3.ObjectCreated:Put"
    assert event.source == "ceph:s3.us-east-1.images"
    assert (event.subject, event.id) == ("m51.jpg", "r1.h1")
    assert event.attributes["time"] == "2026-11-20T17:48:39.849773Z"


@pytest.mark.parametrize("type_", ["com.amazonaws.s3.ObjectRemoved:Delete", "com.amazonaws.s3.ObjectTagging:Put"])
def test_other_normalised_events_tell_of_no_new_object(type_: str) -> None:
    """A normalised event of another kind, which also names a bucket and key, gives nothing."""
    event = cloudevents.new(type=type_, source="aws:s3.r.b", id="1", data={"bucket": "b", "key": "k"})
    assert read_event(event) == []


def test_foreign_event_with_bucket_and_key_is_no_notification() -> None:
    """An event of this system's own that names a bucket and key is not mistaken for a new object."""
    event = cloudevents.new(type=cloudevents.REJECTED, source="s", id="1", data={"bucket": "b", "key": "k"})
    with pytest.raises(InvalidRequest, match="expected a bucket notification"):
        read_event(event)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ([], "JSON list"),
        ({}, "got the members"),
        ({"Records": [3]}, r"Records\[0\] must be a JSON object"),
        ({"Records": [_record(source="gcs")]}, "must end in ':s3', such as 'ceph:s3', got 'gcs'"),
        ({"Records": [_record(source="")]}, "must end in ':s3'"),
        ({"Records": [_record(source="a b:s3")]}, "must end in ':s3'"),
        ({"Records": [_record(), _record(s3={})]}, r"Records\[1\] lacks"),
        ({"Records": [{"body": "not json"}]}, "JSON text inside"),
        ({"Type": "Notification", "Message": 5}, "JSON text inside"),
        ({"detail-type": "Object Created", "detail": []}, "EventBridge"),
        ({"Type": "SubscriptionConfirmation", "SubscribeURL": "http://x"}, "got the members"),
    ],
)
def test_refusals_say_what_is_wrong(payload: Any, message: str) -> None:
    """What is no notification is refused with words about what was expected and what came."""
    with pytest.raises(InvalidRequest, match=message):
        read(payload)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@tries(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(_record())), _json))
def test_any_json_is_read_or_refused(members: dict[str, Any]) -> None:
    """Whatever stands in a record, reading it gives objects or a refusal, and objects can be announced."""
    try:
        found = read({"Records": [_record(**members)]})
    except InvalidRequest:
        return
    for created in found:
        assert created.name in notifications.UPLOADS
        assert created.event().id
