"""Bucket notifications: every store's dialect of "an object was created", read into one shape.

The dialects differ in how a record is wrapped and whether its key is URL-encoded. A record is S3's by its shape and the end of
its ``eventSource``, ``:s3``; NooBaa, for one, puts the name of its system in front. A record's size and eTag are hints only
(NooBaa's are wrong): whoever acts on one asks the store.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

from cosmoformer import strict_json
from cosmoformer.errors import InvalidRequest
from cosmoformer.events import attributes, cloudevents
from cosmoformer.timestamps import moment

#: Whether object keys are URL-encoded, with ``+`` for a space, by the record's ``eventSource``.
KEYS_ENCODED = {"aws:s3": True, "minio:s3": True, "ceph:s3": False, "noobaa:s3": False}
_S3_SOURCE = re.compile(r"[\w.\-]{1,100}:s3")
_NAME_PREFIX = "s3:"  # that MinIO puts before the event's name
CREATED = "ObjectCreated:"
#: What uploads an object. MinIO calls it ``ObjectCreated:PutTagging``, ``:PutRetention`` or ``:PutLegalHold``, too, when only
#: what is noted of an object changes.
UPLOADS = frozenset(CREATED + way for way in ("Put", "Post", "Copy", "CompleteMultipartUpload"))
EVENTBRIDGE_REASONS = {"PutObject": "Put", "POST Object": "Post", "CopyObject": "Copy"}
_EVENTBRIDGE_MULTIPART = "CompleteMultipartUpload"
_LONGEST_ID, _LONGEST_REGION = 512, 100
_NORMALISED_TYPE = "com.amazonaws.s3."
_SOURCE_CHARACTERS = "!$&'()*+,;=@/~"  # beside letters, digits and -._ of a URI's path


@dataclass(frozen=True)
class ObjectCreated:
    """A new object in a bucket.

    Attributes:
        bucket: bucket name.
        key: object key, decoded.
        name: what created it, such as ``ObjectCreated:Put``.
        store: the record's ``eventSource``, or ``aws:s3`` for EventBridge.
        region: the store's region; may be empty.
        time: when, UTC; None when the record does not tell.
        id: identifier that is the same at each delivery of this notification.
        decoded_key: the key, URL-decoded, where the store's dialect is unknown and this makes a difference: the store has one of
            the two.
    """

    bucket: str
    key: str
    name: str
    store: str
    region: str
    time: datetime | None
    id: str
    decoded_key: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that may be meant, the likelier first."""
        return (self.key,) if self.decoded_key is None else (self.key, self.decoded_key)

    def event(self, **extensions: str) -> cloudevents.Event:
        """The normalised CloudEvent, with attributes as the CloudEvents adapter for AWS S3 maps them, and extensions."""
        decoded = {} if self.decoded_key is None else {"decoded_key": self.decoded_key}
        return cloudevents.new(
            type=_NORMALISED_TYPE + self.name,
            source=_source(f"{self.store}.{self.region}.{self.bucket}"),
            id=_usable(self.id),
            subject=cloudevents.subject(self.key),  # where that is none, the data has the key
            time=self.time,
            data={"bucket": self.bucket, "key": self.key, **decoded},
            **extensions,
        )


def _source(text: str) -> str:
    """The text as a URI-reference."""
    plain = quote(text, safe=_SOURCE_CHARACTERS + ":", errors="replace")
    return plain if attributes.is_uri_reference(plain) else quote(text, safe=_SOURCE_CHARACTERS, errors="replace")


def _usable(identifier: str) -> str:
    """An identifier that events can have: a digest in place of one that is too long, or has forbidden characters."""
    if len(identifier) <= _LONGEST_ID and not attributes.FORBIDDEN.search(identifier):
        return identifier
    return hashlib.sha256(identifier.encode(errors="surrogatepass")).hexdigest()


def read(payload: Any) -> list[ObjectCreated]:
    """The created objects that a notification tells of; other events and stores' test messages give none.

    Args:
        payload: the notification, parsed from JSON: S3 records or one of them, an EventBridge event, either of them wrapped
            by SQS or SNS, or the data of a normalised event.

    Raises:
        InvalidRequest: the payload is none of these, or comes from an unknown kind of store.
    """
    if not isinstance(payload, dict):
        raise InvalidRequest(f"expected a bucket notification (a JSON object), got a JSON {type(payload).__name__}")
    if _is_test_message(payload):
        return []
    if isinstance(payload.get("Records"), list):
        return [created for index, record in enumerate(payload["Records"]) for created in _from_record(record, index)]
    if payload.get("Type") == "Notification" and "Message" in payload:
        return read(_unwrap(payload["Message"]))
    if "detail-type" in payload:
        return list(_from_eventbridge(payload))
    if "eventSource" in payload:  # Knative's CephSource sends each record by itself
        return list(_from_record(payload, 0))
    raise InvalidRequest(
        "expected a bucket notification with 'Records', 'detail-type' or an SNS 'Message', or one of its records; "
        f"got the members {sorted(payload)[:8]}"
    )


def read_event(event: cloudevents.Event) -> list[ObjectCreated]:
    """The created objects that a CloudEvent tells of: a normalised event, or one whose data is a store's notification.

    Raises:
        InvalidRequest: its data is neither.
        InvalidEvent: its data is no JSON.
    """
    data = event.json()
    normalised = isinstance(data, dict) and isinstance(data.get("bucket"), str) and isinstance(data.get("key"), str)
    if not normalised or not event.type.startswith(_NORMALISED_TYPE):
        return read(data)
    name = event.type.removeprefix(_NORMALISED_TYPE)
    if name not in UPLOADS:
        return []
    store, _, rest = unquote(event.source).partition(".")
    region = rest.removesuffix("." + data["bucket"]) if rest else ""
    decoded = data.get("decoded_key")
    return [
        ObjectCreated(
            bucket=data["bucket"],
            key=data["key"],
            name=name,
            store=store,
            region=region,
            time=_time(event.attributes.get("time")),
            id=event.id,
            decoded_key=decoded if isinstance(decoded, str) else None,
        )
    ]


def _is_test_message(payload: Mapping[str, Any]) -> bool:
    return "TestEvent" in str(payload.get("Event", ""))


def _from_record(record: Any, index: int) -> Iterator[ObjectCreated]:
    if not isinstance(record, dict):
        raise InvalidRequest(f"Records[{index}] must be a JSON object, got a JSON {type(record).__name__}")
    if _is_test_message(record):
        return
    if "body" in record:  # an SQS message around a notification
        yield from read(_unwrap(record["body"]))
        return
    source = str(record.get("eventSource"))
    if not _S3_SOURCE.fullmatch(source):
        raise InvalidRequest(f"Records[{index}].eventSource must end in ':s3', such as 'ceph:s3', got {source[:80]!r}")
    name = str(record.get("eventName", "")).removeprefix(_NAME_PREFIX)
    if name in UPLOADS:
        yield _from_s3_record(record, source, name, index)


def _from_s3_record(record: Mapping[str, Any], source: str, name: str, index: int) -> ObjectCreated:
    try:
        bucket, entry = str(record["s3"]["bucket"]["name"]), record["s3"]["object"]
        key, decoded_key = _keys(source, str(entry["key"]), entry.get("urlDecodedKey"))
    except (KeyError, TypeError, AttributeError):
        raise InvalidRequest(f"Records[{index}] lacks s3.bucket.name or s3.object.key") from None
    return ObjectCreated(
        bucket=bucket,
        key=key,
        name=name,
        store=source,
        region=_region(record.get("awsRegion")),
        time=_time(record.get("eventTime")),
        id=_identifier(record, index),
        decoded_key=decoded_key,
    )


def _keys(source: str, key: str, decoded: Any) -> tuple[str, str | None]:
    """An object's key, and what else it may be where the store does not tell whether it encodes keys."""
    encoded = KEYS_ENCODED.get(source)
    if encoded is not None:
        return (unquote_plus(key) if encoded else key), None
    if isinstance(decoded, str) and decoded:
        return decoded, None
    other = unquote_plus(key)
    return key, None if other == key else other


def _from_eventbridge(payload: Mapping[str, Any]) -> Iterator[ObjectCreated]:
    if payload["detail-type"] != "Object Created":
        return
    try:
        detail = payload["detail"]
        bucket, key = str(detail["bucket"]["name"]), str(detail["object"]["key"])  # never URL-encoded by EventBridge
    except (KeyError, TypeError):
        raise InvalidRequest("the EventBridge event lacks detail.bucket.name or detail.object.key") from None
    reason = EVENTBRIDGE_REASONS.get(str(detail.get("reason")), _EVENTBRIDGE_MULTIPART)
    yield ObjectCreated(
        bucket,
        key,
        CREATED + reason,
        "aws:s3",
        _region(payload.get("region")),
        _time(payload.get("time")),
        str(payload.get("id") or _digest(payload)),
    )


def _region(value: Any) -> str:
    """A region's name; what is none is left out."""
    return value if isinstance(value, str) and len(value) <= _LONGEST_REGION else ""


def _identifier(record: Mapping[str, Any], index: int) -> str:
    """Request id and host id as in the CloudEvents adapter for AWS S3, or a digest of the record when it has none."""
    response = record.get("responseElements")
    known = response if isinstance(response, dict) else {}
    parts = [str(known[name]) for name in ("x-amz-request-id", "x-amz-id-2") if known.get(name)]
    return ".".join(parts or [_digest(record)]) + (f".{index}" if index else "")


def _digest(payload: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


def _time(value: Any) -> datetime | None:
    """A record's time; None where the store does not know it (Ceph says 0 or 1970 for form uploads)."""
    try:
        when = moment(str(value))
    except ValueError:
        try:  # a store that leaves out the zone, or writes another form of ISO 8601
            when = datetime.fromisoformat(str(value))
        except ValueError:
            return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return when if 1970 < when.year < 9999 else None


def _unwrap(text: Any) -> Any:
    try:
        return strict_json.loads(text)
    except (TypeError, ValueError):
        raise InvalidRequest("expected a notification as JSON text inside the SQS or SNS message") from None
