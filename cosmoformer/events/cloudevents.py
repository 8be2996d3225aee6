"""CloudEvents 1.0 over HTTP: strict parsing, and events that keep their data byte for byte.

The ``cloudevents`` package encodes headers. Reading is done here, since the package invents an id for an event without one, knows
only some of RFC 3339's times, and parses the data; :mod:`cosmoformer.events.attributes` says what is refused.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from cosmoformer import strict_json
from cosmoformer.errors import InvalidEvent, UnsupportedEvent
from cosmoformer.events import attributes as rules

STRUCTURED = "application/cloudevents"
BATCH = "application/cloudevents-batch"

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
            return strict_json.loads(self.data)
        except ValueError as error:
            raise InvalidEvent(
                f"expected JSON in the event's data, got {len(self.data)} bytes that are none: {error}"
            ) from None


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether an HTTP message claims to be a CloudEvent in binary, structured or batched mode."""
    names = {name.lower() for name in headers}
    return any(name.startswith("ce-") for name in names) or _format(headers, STRUCTURED, BATCH) is not None


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether a CloudEvent has its attributes in headers, so that they can be checked before its data is read."""
    return _format(headers, STRUCTURED, BATCH) is None


def parse(headers: Mapping[str, str], body: bytes) -> Event:
    """Read a CloudEvent from an HTTP message in binary or structured mode (HTTP binding 1.0.2, section 3).

    Raises:
        InvalidEvent: an attribute is missing or malformed (the message names it), or a structured event is no JSON.
        UnsupportedEvent: the message is a batch, or in another format than JSON.
    """
    if _format(headers, BATCH) is not None:
        raise UnsupportedEvent(
            "batched mode is not supported", "Send one event a request, in binary or structured mode"
        )
    structured = _format(headers, STRUCTURED)
    if structured not in (None, "", "json"):
        raise UnsupportedEvent(f"the event format {structured[:20]!r} is not supported", f"Send {STRUCTURED}+json")
    return _parse_binary(headers, body) if structured is None else _parse_structured(body)


def subject(key: str | None) -> str | None:
    """An object key as an event's subject: None where it has characters that no attribute may have."""
    return key if key and not rules.FORBIDDEN.search(key) else None


def _parse_binary(headers: Mapping[str, str], body: bytes) -> Event:
    own = {name.lower(): _utf8(value) for name, value in headers.items() if name.lower().startswith("ce-")}
    if "ce-datacontenttype" in own:
        raise InvalidEvent("attribute 'datacontenttype': is the header Content-Type in binary mode")
    decoded = {name.removeprefix("ce-"): unquote(value) for name, value in own.items()}
    if content_type := _header(headers, "content-type"):
        decoded["datacontenttype"] = content_type
    return _checked(decoded, body)


def _parse_structured(body: bytes) -> Event:
    try:
        members = strict_json.loads(body)
    except ValueError as error:
        raise InvalidEvent(f"a structured event must be a JSON object, got malformed JSON: {error}") from None
    if not isinstance(members, dict):
        raise InvalidEvent(f"a structured event must be a JSON object, got a JSON {type(members).__name__}")
    members = {name: value for name, value in members.items() if value is not None}  # null says: not set
    if "data" in members and "data_base64" in members:
        raise InvalidEvent("attribute 'data_base64': must not stand beside 'data'")
    data, packed = members.pop("data", None), members.pop("data_base64", None)
    attributes = {name: rules.as_text(name, value) for name, value in members.items()}
    if packed is not None:
        return _checked(attributes, _unpacked(packed))
    if isinstance(data, str) and not _is_json(attributes.get("datacontenttype")):
        return _checked(attributes, _encoded(data))
    return _checked(attributes, b"" if data is None else _encoded(json.dumps(data, ensure_ascii=False)))


def _checked(attributes: dict[str, str], data: bytes) -> Event:
    rules.check(attributes)
    if "time" in attributes:
        attributes["time"] = attributes["time"].upper()  # the same time, as most programs write it
    return Event(attributes, data)


def _unpacked(packed: Any) -> bytes:
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidEvent("attribute 'data_base64': must be base64") from None


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidEvent("'data' is malformed: it has half a surrogate pair, which no text can have") from None


def new(
    *,
    type: str,
    source: str,
    id: str,
    data: bytes | Mapping[str, Any] = b"",
    content_type: str | None = "application/json",
    subject: str | None = None,
    time: datetime | None = None,
    **extensions: str | None,
) -> Event:
    """A CloudEvent; a mapping as ``data`` becomes JSON. ``time`` is now unless given; an extension that is None is left out.

    Raises:
        InvalidEvent: an attribute is malformed, or too long for a header; the data is no Unicode text.
    """
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
    given = {name: value for name, value in attributes.items() if value is not None}
    rules.check(given)
    rules.check_lengths(given)
    return Event(given, data if isinstance(data, bytes) else _as_json(data))


def _as_json(data: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidEvent("the data has half a surrogate pair, which no text can have") from None


def to_binary(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of an event in binary mode; header values are percent-encoded (HTTP binding, section 3.1.3.2)."""
    attributes: dict[str, Any] = dict(event.attributes)
    time = attributes.pop("time", None)
    headers: dict[str, str] = http.to_binary(CloudEvent(attributes, event.data), JSONFormat()).headers
    del headers["ce-time"]  # which the library invents
    return headers | ({"ce-time": time} if time else {}), event.data


def to_structured(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of an event in structured mode (JSON event format, section 3.1)."""
    headers = {"content-type": "application/cloudevents+json"}
    members: dict[str, Any] = dict(event.attributes)
    if _is_json(event.content_type) and event.data:
        try:
            plain = members | {"data": strict_json.loads(event.data)}
            return headers, json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
        except ValueError:
            pass  # the data only claims to be JSON: base64 keeps it as it is
    if event.data:
        members["data_base64"] = base64.b64encode(event.data).decode()
    return headers, json.dumps(members, ensure_ascii=False).encode()


def _header(headers: Mapping[str, str], wanted: str) -> str:
    return next((value for name, value in headers.items() if name.lower() == wanted), "").strip()


def _format(headers: Mapping[str, str], *modes: str) -> str | None:
    """The event format behind one of these media types, such as json; None when the message is of another type."""
    essence, _, form = _header(headers, "content-type").partition(";")[0].strip().lower().partition("+")
    return form if essence in modes else None


def _is_json(content_type: str | None) -> bool:
    media_type = (content_type or "application/json").split(";")[0].strip().lower()
    return media_type.endswith(("/json", "+json"))


def _utf8(value: str) -> str:
    """Header text that a WSGI server decoded as Latin-1; Ceph sends raw UTF-8 in ``ce-subject``."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
