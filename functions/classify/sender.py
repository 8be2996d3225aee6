"""Whether the client of a request is still connected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def _unknown() -> bool:
    return False


_has_left: ContextVar[Callable[[], bool]] = ContextVar("has_left", default=_unknown)


@contextmanager
def told_by(has_left: Callable[[], bool] | None) -> Iterator[None]:
    """While a request is handled: the server tells like this whether its client has left; None where it does not tell."""
    token = _has_left.set(has_left or _unknown)
    try:
        yield
    finally:
        _has_left.reset(token)


def is_gone() -> bool:
    """Whether the sender of the present request has closed its connection."""
    return _has_left.get()()
