"""JSON from strangers, read so that whatever was accepted can also be written again.

Python's reader takes more than JSON (NaN, Infinity), makes infinities of numbers such as 1e999, and takes documents as deep as
the stack happens to allow, which whoever writes them from further down the stack cannot.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

#: Objects and lists within one another; notifications and events have some ten.
MOST_LEVELS = 100


def loads(text: str | bytes) -> Any:
    """The value of a JSON text (RFC 8259).

    Raises:
        ValueError: it is none, has a number that no double holds or an integer of more than 4,300 digits, or has more than
            :data:`MOST_LEVELS` levels.
    """
    try:
        value = json.loads(text, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise _too_deep() from None
    if _opened(text) <= MOST_LEVELS:  # as in nearly all documents, which are not looked through
        return value
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MOST_LEVELS):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return value
    raise _too_deep()


def _opened(text: str | bytes) -> int:
    """How many levels a text could have at most."""
    return text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")


def _containers(outer: dict[str, Any] | list[Any]) -> Iterable[Any]:
    members = outer.values() if isinstance(outer, dict) else outer
    return (member for member in members if isinstance(member, dict | list))


def _too_deep() -> ValueError:
    return ValueError(f"more than {MOST_LEVELS} levels")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
