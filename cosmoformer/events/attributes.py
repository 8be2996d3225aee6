"""Context attributes of CloudEvents: what the specification (1.0.2, sections 2 and 3) allows as their names and values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cosmoformer.errors import InvalidEvent
from cosmoformer.timestamps import moment

REQUIRED = ("id", "source", "specversion", "type")
_LONGEST_BYTES = 2048  # twice that of an object key
_SHOWN = 60  # characters of a value in a message

# Excluded from strings by the type system (section 2.2): control characters, surrogates and Unicode's noncharacters.
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane | 0xFFFE)}{chr(plane | 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_NONCHARACTERS}]")
_NAME = re.compile("[a-z0-9]+")
_RESERVED = ("data", "data_base64")

# RFC 3986, appendix A.
_PCHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
_PATH = rf"(?:{_PCHAR}|/)*(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"
_AUTHORITY = rf"//(?:{_PCHAR}|[\[\]])*(?=[/?#]|\Z)"
_ABSOLUTE = rf"[A-Za-z][A-Za-z0-9+.\-]*:(?:{_AUTHORITY})?{_PATH}"
_URI = re.compile(_ABSOLUTE)
_URI_REFERENCE = re.compile(rf"{_ABSOLUTE}|(?:{_AUTHORITY}|(?!//)(?![^/?#]*:)){_PATH}")

# RFC 9110, section 8.3.1, with parameters as in section 5.6.6.
_WORD = r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
# Blanks between two semicolons could belong to either: were the quantifiers not possessive, all ways would be tried, for ever.
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}(?:[ \t]*+;[ \t]*+(?:{_WORD}=(?:{_WORD}|{_QUOTED}))?)*+")


class _Rule(NamedTuple):
    accepts: Callable[[str], object]
    expected: str


def _is_moment(text: str) -> bool:
    try:
        moment(text)
    except ValueError:
        return False
    return True


#: What else than text without forbidden characters an attribute must be.
_RULES = {
    "specversion": _Rule(lambda text: text == "1.0", "must be 1.0"),
    "source": _Rule(_URI_REFERENCE.fullmatch, "must be a URI-reference (RFC 3986)"),
    "dataschema": _Rule(_URI.fullmatch, "must be an absolute URI (RFC 3986)"),
    "datacontenttype": _Rule(_MEDIA_TYPE.fullmatch, "must be a media type (RFC 2046)"),
    "subject": _Rule(bool, "must not be empty"),
    "time": _Rule(_is_moment, "must be an RFC 3339 timestamp with a zone"),
}
_INTEGERS = range(-(2**31), 2**31)  # of the type system


def check(attributes: Mapping[str, str]) -> None:
    """Check all context attributes of an event, by name, as decoded text.

    Raises:
        InvalidEvent: one is missing or malformed; the message names it.
    """
    _check_required(attributes)
    for name, value in attributes.items():
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise InvalidEvent(f"attribute '{name[:_SHOWN]}': names consist of the letters a to z and digits")
        if FORBIDDEN.search(value):
            raise InvalidEvent(f"attribute '{name}': must not contain control characters, got {_shown(value)}")
        rule = _RULES.get(name)
        if rule and not rule.accepts(value):
            raise InvalidEvent(f"attribute '{name}': {rule.expected}, got {_shown(value)}")


def check_lengths(attributes: Mapping[str, str]) -> None:
    """Check that attributes fit into headers, percent-encoded, of which servers take some kilobytes.

    Raises:
        InvalidEvent: one does not.
    """
    for name, value in attributes.items():
        if len(value.encode()) > _LONGEST_BYTES:
            raise InvalidEvent(f"attribute '{name}': at most {_LONGEST_BYTES:,} bytes, got {len(value.encode()):,}")


def as_text(name: str, value: Any) -> str:
    """The text of an attribute's JSON value: booleans and integers are allowed for extensions (JSON format, section 2.2).

    Raises:
        InvalidEvent: the value is of another type.
    """
    if isinstance(value, str):
        return value
    if name not in (*REQUIRED, *_RULES):
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and value in _INTEGERS:
            return str(value)
        if isinstance(value, int):
            raise InvalidEvent(f"attribute '{name[:_SHOWN]}': integers have at most 32 bits")
    raise InvalidEvent(f"attribute '{name[:_SHOWN]}': must be a string, got a JSON {type(value).__name__}")


def _check_required(attributes: Mapping[str, str]) -> None:
    missing = [name for name in REQUIRED if not attributes.get(name)]
    if missing:
        raise InvalidEvent(
            f"attribute '{missing[0]}': required, but missing or empty"
            + (f" (so are {', '.join(missing[1:])})" if missing[1:] else "")
        )


def is_uri_reference(text: str) -> bool:
    """Whether a text is a URI-reference (RFC 3986), as sources are."""
    return bool(_URI_REFERENCE.fullmatch(text))


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
