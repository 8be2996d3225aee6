"""CloudEvents over HTTP: what is read, what is refused and by which name, and that nothing is lost on the way."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st

from cosmoformer.errors import InvalidEvent, UnsupportedEvent
from cosmoformer.events import cloudevents
from cosmoformer.events.attributes import REQUIRED
from cosmoformer.events.cloudevents import Event
from tests.contracts import contract

HEADERS = {"ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0"}
MEMBERS: dict[str, Any] = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0"}
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}


def _structured(**members: Any) -> Event:
    return cloudevents.parse(STRUCTURED, json.dumps(MEMBERS | members).encode())


def _feature_requests() -> Iterator[tuple[dict[str, str], bytes, dict[str, str], Any]]:
    """Every request of the conformance feature with the attributes and data that it must give."""
    text = contract("cloudevents-conformance/features/http-protocol-binding.feature").read_text()
    for scenario in text.split("Scenario Outline:")[1:]:
        blocks = re.findall(r'"""\n(.*?)"""', scenario, re.DOTALL)
        head, _, body = re.sub(r"(?m)^ {8}", "", blocks[0]).partition("\n\n")
        table = dict(re.findall(r"\|\s*(\w+)\s*\|\s*(\S.*?)\s*\|", scenario.split("Examples:")[0]))
        table.pop("key")
        for content_type in re.findall(r"\| (application\S*(?:; \S+)?) +\|", scenario.split("Examples:")[1]):
            request = head.replace("<contentType>", content_type).splitlines()[1:]
            headers = dict(line.split(": ", 1) for line in request)
            expected = {name: value.replace("<contentType>", content_type) for name, value in table.items()}
            yield headers, body.encode(), expected, json.loads(blocks[1])


def test_http_binding_conformance() -> None:
    """Every request of the CloudEvents HTTP binding feature gives the attributes and data that it names."""
    requests = list(_feature_requests())
    assert len(requests) == 4
    for headers, body, attributes, data in requests:
        event = cloudevents.parse(headers, body)
        assert dict(event.attributes) == attributes
        assert event.json() == data


def test_json_format_conformance() -> None:
    """Every valid event of the JSON format's conformance files is read, with null meaning not set."""
    text = contract("cloudevents-conformance-format/format/json/valid-events.json").read_text("utf-8-sig")
    for test in json.loads(text)["tests"]:
        sent = test["event"]
        event = cloudevents.parse(STRUCTURED, json.dumps(sent).encode())
        names = {name for name, value in sent.items() if value is not None and name not in ("data", "data_base64")}
        assert set(event.attributes) == names, test["id"]
        for encoded in (cloudevents.to_binary(event), cloudevents.to_structured(event)):
            assert cloudevents.parse(*encoded) == event, test["id"]


def test_batches_of_the_conformance_files_are_unsupported() -> None:
    """A batch is refused as such, whatever is in it."""
    text = contract("cloudevents-conformance-format/format/json/valid-batches.json").read_text("utf-8-sig")
    for test in json.loads(text)["tests"]:
        with pytest.raises(UnsupportedEvent, match="batched mode"):
            cloudevents.parse(
                {"content-type": "application/cloudevents-batch+json"}, json.dumps(test["batch"]).encode()
            )


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, ""])
def test_missing_attribute_is_named(name: str, value: str | None) -> None:
    """A required attribute that is missing or empty is named, in both modes, and never made up."""
    headers = {key: given for key, given in HEADERS.items() if key != f"ce-{name}"}
    headers |= {} if value is None else {f"ce-{name}": value}
    with pytest.raises(InvalidEvent, match=f"attribute '{name}': required"):
        cloudevents.parse(headers, b"")
    with pytest.raises(InvalidEvent, match=f"attribute '{name}': required"):
        _structured(**{name: value})


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"specversion": "0.3"}, "'specversion': must be 1.0"),
        ({"specversion": 1.0}, "'specversion': must be a string"),
        ({"id": 5}, "'id': must be a string"),
        ({"time": "yesterday"}, "'time': must be an RFC 3339"),
        ({"time": "2026-11-20T00:00:00"}, "'time': .* with a zone"),
        ({"time": 7}, "'time'"),
        ({"subject": ""}, "'subject'"),
        ({"subject": {"a": 1}}, "'subject': must be a string, got a JSON dict"),
        ({"Bad-Name": "x"}, "'Bad-Name'"),
        ({"data": 1, "data_base64": "YQ=="}, "must not stand beside"),
        ({"data_base64": "a*b"}, "must be base64"),
        ({"data_base64": 5}, "must be base64"),
        ({"subject": "\ud800"}, "'subject': must not contain control"),
        ({"subject": "\ufffe"}, "'subject': must not contain control"),
        ({"id": "a\U0010ffff"}, "'id': must not contain control"),
        ({"source": "no spaces"}, "'source': must be a URI-reference"),
        ({"source": "/50%"}, "'source': must be a URI-reference"),
        ({"source": "no scheme:x"}, "'source': must be a URI-reference"),
        ({"dataschema": "/relative"}, "'dataschema': must be an absolute URI"),
        ({"datacontenttype": "image"}, "'datacontenttype': must be a media type"),
        ({"datacontenttype": "image/png; x"}, "'datacontenttype': must be a media type"),
        ({"datacontenttype": True}, "'datacontenttype': must be a string"),
        ({"extension": 2**31}, "'extension': integers have at most 32 bits"),
        ({"extension": 1.5}, "'extension': must be a string, got a JSON float"),
        ({"data": "\ud800", "datacontenttype": "text/plain"}, "half a surrogate pair"),
    ],
)
def test_malformed_attribute_is_named(members: dict[str, Any], message: str) -> None:
    """What breaks the specification is refused with the attribute's name."""
    with pytest.raises(InvalidEvent, match=message):
        _structured(**members)


BINARY_MALFORMED: list[tuple[dict[str, str], str]] = [
    ({"ce-time": "2026-W47-5T00:00:00Z"}, "'time': must be an RFC 3339"),
    ({"ce-time": "2026-11-20T00:00Z"}, "'time': must be an RFC 3339"),
    ({"ce-time": "2026-11-20 00:00:00Z"}, "'time': must be an RFC 3339"),
    ({"ce-time": "2026-11-20T00:00:00+0100"}, "'time': must be an RFC 3339"),
    ({"ce-time": "2026-11-20T24:00:00Z"}, "'time': must be an RFC 3339"),
    ({"ce-time": "2026-11-20T12:00:60Z"}, "'time': must be an RFC 3339"),
    ({"ce-time": ""}, "'time': must be an RFC 3339"),
    ({"ce-time": "9999-12-31T23:59:60Z"}, "'time': must be an RFC 3339"),
    ({"ce-time": "0001-01-01T00:00:60+23:59"}, "'time': must be an RFC 3339"),
    ({"ce-subject": ""}, "'subject': must not be empty"),
    ({"ce-source": "a%20b"}, "'source': must be a URI-reference"),
    ({"ce-dataschema": "#x"}, "'dataschema': must be an absolute URI"),
    ({"ce-bad_name": "x"}, "'bad_name': names consist of"),
    ({"ce-data": "x"}, "'data'"),
    ({"ce-datacontenttype": "image/png"}, "'datacontenttype': is the header Content-Type"),
    ({"Content-Type": "png"}, "'datacontenttype': must be a media type"),
    # Where each run of blanks could belong to two places, this would take longer than the universe is old.
    ({"Content-Type": "a/b" + ";   " * 100 + "!"}, "'datacontenttype': must be a media type"),
    ({"Content-Type": "image/png, image/png"}, "'datacontenttype': must be a media type"),
    ({"ce-id": "a%0Ab"}, "'id': must not contain control"),
]


@pytest.mark.parametrize(("headers", "message"), BINARY_MALFORMED)
def test_malformed_header_is_named(headers: dict[str, str], message: str) -> None:
    """The same holds for attributes in headers."""
    with pytest.raises(InvalidEvent, match=message):
        cloudevents.parse(HEADERS | headers, b"")


@pytest.mark.parametrize(
    ("time", "kept"),
    [
        ("2026-11-20t01:02:03z", "2026-11-20T01:02:03Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60Z"),
        ("1990-12-31T15:59:60-08:00", "1990-12-31T15:59:60-08:00"),
        ("1937-01-01T12:00:27.87+00:20", "1937-01-01T12:00:27.87+00:20"),
        ("2026-11-20T01:02:03.123456789Z", "2026-11-20T01:02:03.123456789Z"),
    ],
)
def test_every_rfc_3339_time_is_one(time: str, kept: str) -> None:
    """Lower-case letters, leap seconds, any offset and any fraction are read and sent on, in both modes."""
    for event in (_structured(time=time), cloudevents.parse(HEADERS | {"ce-time": time}, b"")):
        assert event.attributes["time"] == kept
        for encoded in (cloudevents.to_binary(event), cloudevents.to_structured(event)):
            assert cloudevents.parse(*encoded) == event


@pytest.mark.parametrize(
    "content_type", ["image/png", "text/plain; charset=utf-8", 'a/b;c="d; e"', "application/x.y+z;", "a/b ;; ; c=d ;"]
)
def test_media_types_are_kept(content_type: str) -> None:
    """A media type may have a suffix and parameters, quoted too."""
    assert cloudevents.parse(HEADERS | {"Content-Type": content_type}, b"").content_type == content_type
    assert _structured(datacontenttype=content_type).content_type == content_type


@pytest.mark.parametrize("form", ["xml", "avro", "protobuf"])
def test_other_formats_are_unsupported(form: str) -> None:
    """An event in another format than JSON is refused as such."""
    with pytest.raises(UnsupportedEvent, match=form):
        cloudevents.parse({"content-type": f"application/cloudevents+{form}"}, b"<event/>")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 100_000, b'{"data": NaN}', b'{"data": 1e999}']
)
def test_structured_event_must_be_a_json_object(body: bytes) -> None:
    """A structured event that is no JSON object is refused."""
    with pytest.raises(InvalidEvent, match="must be a JSON object"):
        cloudevents.parse(STRUCTURED, body)


def test_binary_data_is_kept_byte_for_byte() -> None:
    """Data in binary mode is what came, be it JSON with odd spaces or no JSON at all."""
    for content_type, body in [
        ("application/json", b'{"a" :  1}\n'),
        ("application/json", b"{no json"),
        ("image/png", b"\x89PNG\0\xff"),
    ]:
        event = cloudevents.parse(HEADERS | {"Content-Type": content_type}, body)
        assert (event.data, event.content_type) == (body, content_type)
        assert cloudevents.to_binary(event)[1] == body


def test_data_that_is_no_json_is_told_when_it_is_read() -> None:
    """Reading JSON from data that is none names what was expected."""
    event = cloudevents.parse(HEADERS | {"Content-Type": "application/json"}, b"{no json")
    with pytest.raises(InvalidEvent, match="expected JSON in the event's data"):
        event.json()
    with pytest.raises(InvalidEvent, match="expected JSON"):
        cloudevents.parse(HEADERS, b"[" * 100_000).json()


def test_no_time_is_made_up() -> None:
    """An event without time has none after reading, and gets none when it is sent on."""
    for event in (cloudevents.parse(HEADERS, b""), _structured()):
        assert "time" not in event.attributes
        assert "ce-time" not in cloudevents.to_binary(event)[0]


def test_raw_utf8_header_is_understood() -> None:
    """A subject that came as raw UTF-8, which a WSGI server hands over as Latin-1, is read as its author meant it."""
    event = cloudevents.parse(HEADERS | {"ce-subject": "gal axy+ü.jpg".encode().decode("latin-1")}, b"")
    assert event.subject == "gal axy+ü.jpg"


def test_percent_encoded_header_is_decoded() -> None:
    """Header values are percent-decoded, as the HTTP binding prescribes."""
    assert cloudevents.parse(HEADERS | {"ce-subject": "a%20%C3%BC%25"}, b"").subject == "a ü%"


@pytest.mark.parametrize(
    ("headers", "claims"),
    [
        (HEADERS, True),
        ({"CE-Id": "1"}, True),
        (STRUCTURED, True),
        ({"content-type": "application/cloudevents-batch+json"}, True),
        ({"Content-Type": "application/json"}, False),
        ({}, False),
    ],
)
def test_is_event(headers: dict[str, str], claims: bool) -> None:
    """A message claims to be a CloudEvent by a ce- header or by its content type."""
    assert cloudevents.is_event(headers) is claims


def test_structured_data_keeps_its_kind() -> None:
    """Structured data comes out as the bytes it stands for: JSON, text or base64."""
    assert _structured(data={"a": [1]}).json() == {"a": [1]}
    assert _structured(data="text", datacontenttype="text/plain").data == b"text"
    assert _structured(data="text", datacontenttype="application/json").json() == "text"
    assert _structured(data_base64=base64.b64encode(b"\0\xff").decode(), datacontenttype="image/png").data == b"\0\xff"
    assert _structured(data=None).data == b""


@pytest.mark.parametrize("data", [b"{no json", b"NaN", b'"\\ud800"', b"[" * 5000])
def test_structured_mode_takes_data_that_only_claims_to_be_json(data: bytes) -> None:
    """Data that no JSON document can hold travels in base64."""
    event = cloudevents.new(type="t", source="s", id="1", data=data)
    assert cloudevents.parse(*cloudevents.to_structured(event)).data == data


# Neither control characters nor noncharacters; the latter are among what is unassigned.
_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cn")), min_size=1)
_attributes = st.fixed_dictionaries(
    {"id": _texts, "type": _texts, "source": st.sampled_from(["/s", "urn:a:b", "//h/p?q#f", "a.b%20c", "ceph:s3.z.b"])},
    optional={
        "subject": _texts,
        "traceid": st.text("az09 %ü🌎", min_size=1),
        "time": st.sampled_from(
            ["2026-11-20T00:00:00Z", "2016-12-31T23:59:60Z", "1985-04-12T23:20:50.123456789-07:30"]
        ),
    },
)


@tries(max_examples=100, deadline=None)
@given(_attributes, st.binary(max_size=40))
def test_round_trip(attributes: dict[str, str], data: bytes) -> None:
    """Any event comes out of binary mode, whose headers are printable ASCII, and of structured mode as it went in."""
    event = Event({"specversion": "1.0", "datacontenttype": "image/fits", **attributes}, data)
    headers, body = cloudevents.to_binary(event)
    assert all(re.fullmatch(r"[\x20-\x7e]*", value) for value in headers.values())
    assert cloudevents.parse(headers, body) == event
    assert cloudevents.parse(*cloudevents.to_structured(event)) == event


def test_control_characters_in_an_attribute_are_refused() -> None:
    """An attribute with a line break, which no HTTP header could carry on, is refused by name."""
    members = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "datacontenttype": "image/png\r\nx: y"}
    with pytest.raises(InvalidEvent, match="'datacontenttype'"):
        cloudevents.parse({"content-type": "application/cloudevents+json"}, json.dumps(members).encode())
