"""What a sweep looks at and announces, and how a request says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from cosmoformer.errors import InvalidRequest
from cosmoformer.served_models import one_served
from cosmoformer.settings import Settings
from cosmoformer.storage.keys import can_be_listed

Again = Literal["rejected", "stale", "all"]


@dataclass(frozen=True)
class SweepOptions:
    """What a sweep looks at and announces.

    Attributes:
        prefix: only images whose key starts with this; starts with ``IMAGES_PREFIX`` itself.
        min_age_s: images younger than this are left to their notifications.
        deep: also reads every result, and announces images whose eTag or metadata differ from those in it.
        again: announces images with a result too: those ``rejected``, those judged by another model than the alias names
            now (``stale``: its name, version or digest differs), or ``all``.
        dry_run: announces nothing, only counts.
        periodic: nobody waits for this sweep, and the next will come: see ``PATIENCE_S`` of :mod:`functions.ingest.sweep`. It
            also leaves alone what a notification of this process's first minutes has announced.
        model: which of the served models' results are looked for; empty for ``MODEL_NAME``'s. Only that model is told.
        within_s: the sweep ends after about so many seconds, wherever it is then; None for a whole one.
    """

    prefix: str
    min_age_s: float = 0.0
    deep: bool = False
    again: Again | None = None
    dry_run: bool = False
    periodic: bool = False
    model: str = ""
    within_s: float | None = None


def read_options(settings: Settings, request: Any) -> SweepOptions:
    """The options in the JSON body of a request; an empty object means a plain sweep.

    Raises:
        InvalidRequest: a member is unknown or malformed.
    """
    if not isinstance(request, dict):
        raise InvalidRequest(f"expected a JSON object, got a JSON {type(request).__name__}")
    unknown = sorted(set(request) - set(_EXPECTED))
    if unknown:
        raise InvalidRequest(f"unknown members {unknown[:5]}", f"Known are {', '.join(_EXPECTED)}")
    given = {name: value for name, value in request.items() if value is not None}
    for name, value in given.items():
        accepts, expected = _EXPECTED[name]
        if not accepts(value):
            raise InvalidRequest(f"{name} must be {expected}, got {str(value)[:80]!r}")
    one_served(settings, given.get("model", ""))
    prefix = given.pop("prefix", settings.images_prefix)
    if not prefix.startswith(settings.images_prefix):
        raise InvalidRequest(f"prefix must start with {settings.images_prefix!r} (IMAGES_PREFIX), got {prefix[:80]!r}")
    return SweepOptions(prefix=prefix, **given)


_EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "prefix": (lambda value: isinstance(value, str) and can_be_listed(value), "the start of an object key"),
    "min_age_s": (lambda value: type(value) in (int, float) and 0 <= value < 1e9, "seconds, 0 or more"),
    "deep": (lambda value: isinstance(value, bool), "true or false"),
    "again": (lambda value: value in ("rejected", "stale", "all"), "'rejected', 'stale' or 'all'"),
    "model": (lambda value: isinstance(value, str), "the name of a served model"),
    "dry_run": (lambda value: isinstance(value, bool), "true or false"),
}
