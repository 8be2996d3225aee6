"""CloudEvents 1.0 over HTTP: strict parsing, and events that keep their data byte for byte.

The ``cloudevents`` package does the binding (header encoding, JSON format). What it lets through and should not, a
missing id or specversion for which it invents one, or JSON data that is none, is refused here first, by name.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from cloudevents.core.bindings import http
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from cosmoformer.errors import InvalidEvent, UnsupportedEvent

STRUCTURED = "application/cloudevents"
BATCH = "application/cloudevents-batch"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # excluded by the type system (specification, section 2.2)
REQUIRED = ("id", "source", "specversion", "type")

# The event types of this system; the object-created types are those of the CloudEvents aws-s3 adapter.
OBJECT_CREATED = "com.amazonaws.s3.ObjectCreated:"
OBJECT_CREATED_CEPH = "com.amazonaws.ObjectCreated:"  # what Ceph >= 17 itself sends with cloudevents=true
IMAGE = "io.cosmoformer.image.v1"
CLASSIFIED = "io.cosmoformer.image.classified.v1"
REJECTED = "io.cosmoformer.image.rejected.v1"
ALIAS_MOVED = "io.cosmoformer.model.alias-moved.v1"
SWEEP_PING = "dev.knative.sources.ping"
PROBE = "io.cosmoformer.probe.v1"  # sent to see whether the broker takes events; no Trigger asks for it


@dataclass(frozen=True)
class Event:
    """One CloudEvent.

    Attributes:
        attributes: every context attribute, extensions included, as decoded text.
        data: the payload, byte for byte.
    """

    attributes: Mapping[str, str]
    data: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Identifier, unique within ``source``."""
        return self.attributes["id"]

    @property
    def source(self) -> str:
        """Where the event comes from."""
        return self.attributes["source"]

    @property
    def type(self) -> str:
        """What happened."""
        return self.attributes["type"]

    @property
    def subject(self) -> str | None:
        """What it happened to; the object key for object-created events."""
        return self.attributes.get("subject")

    @property
    def content_type(self) -> str | None:
        """Media type of ``data``."""
        return self.attributes.get("datacontenttype")

    def json(self) -> Any:
        """The data as JSON.

        Raises:
            InvalidEvent: the data is no JSON.
        """
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as error:
            raise InvalidEvent(
                f"expected JSON in the event's data, got {len(self.data)} bytes that are none: {error}"
            ) from None


class _VerbatimFormat(JSONFormat):
    """The JSON event format, with the data of binary mode left as the bytes that came."""

    def read_data(self, body: bytes, datacontenttype: str | None) -> bytes:
        return body


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether an HTTP message claims to be a CloudEvent in binary, structured or batched mode."""
    names = {name.lower() for name in headers}
    return any(name.startswith("ce-") for name in names) or _content_type(headers).startswith(STRUCTURED)


def parse(headers: Mapping[str, str], body: bytes) -> Event:
    """Read a CloudEvent from an HTTP message in binary or structured mode (HTTP binding 1.0.2, section 3).

    Raises:
        InvalidEvent: an attribute is missing or malformed (the message names it), or a structured event is no JSON.
        UnsupportedEvent: the message is a batch.
    """
    content_type = _content_type(headers)
    if content_type.startswith(BATCH):
        raise UnsupportedEvent(
            "batched mode is not supported", "Send one event a request, in binary or structured mode"
        )
    try:
        if content_type.startswith(STRUCTURED):
            return _parse_structured(body)
        return _parse_binary(headers, body)
    except CloudEventValidationError as error:
        raise InvalidEvent(
            "; ".join(f"attribute '{name}': {_first(why)}" for name, why in error.errors.items())
        ) from None
    except ValueError as error:
        raise InvalidEvent(f"the event is malformed: {error}") from None


def _parse_binary(headers: Mapping[str, str], body: bytes) -> Event:
    own = {name.lower(): _utf8(value) for name, value in headers.items() if name.lower().startswith("ce-")}
    _check_required({name[3:]: value for name, value in own.items()})
    if "ce-time" in own:
        _check_time(unquote(own["ce-time"]))
    if _content_type(headers):
        own["content-type"] = next(value for name, value in headers.items() if name.lower() == "content-type")
    parsed = http.from_binary(http.HTTPMessage(own, body), _VerbatimFormat(), CloudEvent)
    return _from_library(parsed, timed="ce-time" in own)


def _parse_structured(body: bytes) -> Event:
    try:
        members = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"a structured event must be a JSON object, got malformed JSON: {error}") from None
    if not isinstance(members, dict):
        raise InvalidEvent(f"a structured event must be a JSON object, got a JSON {type(members).__name__}")
    members = {name: value for name, value in members.items() if value is not None}  # null says: not set
    _check_required(members)
    if "time" in members:
        _check_time(members["time"])
    if "data" in members and "data_base64" in members:
        raise InvalidEvent("attribute 'data_base64': must not stand beside 'data'")
    try:
        base64.b64decode(members.get("data_base64") or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidEvent("attribute 'data_base64': must be base64") from None
    scalars = {name: _scalar(name, value) for name, value in members.items() if name not in ("data", "data_base64")}
    payload = {name: members[name] for name in ("data", "data_base64") if name in members}
    return _from_library(JSONFormat().read(CloudEvent, json.dumps(scalars | payload)), timed="time" in members)


def _scalar(name: str, value: Any) -> str:
    """An attribute's value as text: JSON booleans and integers are allowed for extensions (JSON format, section 2.2)."""
    if isinstance(value, str):
        value.encode()  # refuses lone surrogates, which the specification excludes and no header can carry
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and name not in (*REQUIRED, "subject", "datacontenttype", "dataschema"):
        return str(value)
    raise InvalidEvent(f"attribute '{name}': must be a string, got a JSON {type(value).__name__}")


def _check_required(attributes: Mapping[str, Any]) -> None:
    missing = [name for name in REQUIRED if not attributes.get(name)]
    if missing:
        raise InvalidEvent(
            f"attribute '{missing[0]}': required, but missing or empty"
            + (f" (so are {', '.join(missing[1:])})" if missing[1:] else "")
        )
    if attributes["specversion"] != "1.0":
        raise InvalidEvent(f"attribute 'specversion': must be 1.0, got {str(attributes['specversion'])[:20]!r}")


def _check_time(value: Any) -> None:
    try:
        aware = datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        aware = False
    if not aware:
        raise InvalidEvent(f"attribute 'time': must be an RFC 3339 timestamp with a zone, got {str(value)[:40]!r}")


def _from_library(event: Any, *, timed: bool) -> Event:
    """The event as read; the library invents a ``time`` for one that has none (not ``timed``)."""
    attributes = {name: _text(value) for name, value in event.get_attributes().items() if timed or name != "time"}
    for name, value in attributes.items():
        if CONTROL.search(value):
            raise InvalidEvent(f"attribute '{name}': must not contain control characters, got {value[:60]!r}")
    data = event.get_data()
    if isinstance(data, str) and not _is_json(attributes.get("datacontenttype")):
        data = data.encode()
    elif data is not None and not isinstance(data, bytes):
        data = json.dumps(data, ensure_ascii=False).encode()
    return Event(attributes, data or b"")


def new(
    *,
    type: str,
    source: str,
    id: str,
    data: bytes | Mapping[str, Any] = b"",
    content_type: str | None = "application/json",
    subject: str | None = None,
    time: datetime | None = None,
    **extensions: str,
) -> Event:
    """A CloudEvent; a mapping as ``data`` becomes JSON. ``time`` is now unless given."""
    when = (time or datetime.now(UTC)).astimezone(UTC)
    attributes = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": type,
        "time": when.isoformat().replace("+00:00", "Z"),
        "subject": subject,
        "datacontenttype": content_type,
        **extensions,
    }
    payload = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
    return Event({name: value for name, value in attributes.items() if value is not None}, payload)


def to_binary(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of an event in binary mode; header values are percent-encoded (HTTP binding, section 3.1.3.2)."""
    attributes: dict[str, Any] = dict(event.attributes)
    if "time" in attributes:
        attributes["time"] = datetime.fromisoformat(attributes["time"])
    message = http.to_binary(CloudEvent(attributes, event.data), JSONFormat())
    if "time" not in event.attributes:
        message.headers.pop("ce-time")  # invented by the library
    return message.headers, message.body


def to_structured(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of an event in structured mode (JSON event format, section 3.1)."""
    headers = {"content-type": "application/cloudevents+json"}
    members: dict[str, Any] = dict(event.attributes)
    if _is_json(event.content_type) and event.data:
        try:
            plain = members | {"data": json.loads(event.data)}
            return headers, json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            pass  # the data only claims to be JSON: base64 keeps it as it is
    if event.data:
        members["data_base64"] = base64.b64encode(event.data).decode()
    return headers, json.dumps(members, ensure_ascii=False).encode()


def _content_type(headers: Mapping[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() == "content-type"), "").strip().lower()


def _is_json(content_type: str | None) -> bool:
    media_type = (content_type or "application/json").split(";")[0].strip().lower()
    return media_type.endswith(("/json", "+json"))


def _utf8(value: str) -> str:
    """Header text that a WSGI server decoded as Latin-1; Ceph sends raw UTF-8 in ``ce-subject``."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _text(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def _first(errors: list[Any]) -> str:
    return str(errors[0])
