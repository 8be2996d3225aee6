"""How a request asks for an explanation: by a word for yes, or by the name of an output."""

from __future__ import annotations

#: Of a CloudEvent, as an extension attribute, and of a URL: 1, or the name of an output.
ASKED_BY = "explain"
_TRUE, _FALSE = ("1", "true", "yes"), ("", "0", "false", "no")
DEFAULT = _TRUE[0]


def is_asked(wanted: str) -> bool:
    """Whether the word in a request, such as that of ``?explain=1``, asks for an explanation."""
    return wanted.strip().lower() not in _FALSE


def is_default(wanted: str) -> bool:
    """Whether a request asks for whatever output matters most, and names none."""
    return wanted.strip().lower() in _TRUE
