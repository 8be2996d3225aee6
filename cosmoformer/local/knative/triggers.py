"""Triggers as data: which events a subscriber wants, and how hard delivery is tried (Knative's Trigger ``spec``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cosmoformer.events.cloudevents import Event
from cosmoformer.local.config import require

# Doubling without end would postpone the tenth retry by hours.
BACKOFF_CAP_S = 300.0

# The filter dialects of Knative's `spec.filters` that are known here.
DIALECTS: Mapping[str, Callable[[str, str], bool]] = {
    "exact": str.__eq__,
    "prefix": str.startswith,
    "suffix": str.endswith,
}

_BACKOFF: Mapping[str, Callable[[float, int], float]] = {
    "exponential": lambda delay_s, attempts: delay_s * 2 ** min(attempts - 1, 64),
    "linear": lambda delay_s, attempts: delay_s * attempts,
}


@dataclass(frozen=True)
class DeliverySpec:
    """How hard delivery is tried; Knative's ``spec.delivery``, with durations in seconds.

    Attributes:
        retry: attempts after the first one.
        backoff_policy: how the wait between attempts grows.
        backoff_delay_s: the wait before the first retry.
        timeout_s: how long one attempt may take; above a cold start and one inference.
        retry_after_max_s: the longest ``Retry-After`` of a subscriber that is honoured.
        dead_letter_url: where events go that could not be delivered; they are dropped if None.
    """

    retry: int = 10
    backoff_policy: Literal["exponential", "linear"] = "exponential"
    backoff_delay_s: float = 0.5
    timeout_s: float = 120.0
    retry_after_max_s: float = 60.0
    dead_letter_url: str | None = None

    def __post_init__(self) -> None:
        require(self.retry >= 0, f"delivery.retry must be 0 or more, got {self.retry}")
        require(self.backoff_delay_s >= 0, f"delivery.backoff_delay_s must be 0 or more, got {self.backoff_delay_s}")
        require(self.timeout_s > 0, f"delivery.timeout_s must be above 0, got {self.timeout_s}")
        if self.dead_letter_url is not None:
            _require_url("delivery.dead_letter_url", self.dead_letter_url)

    def wait_s(self, attempts: int, retry_after_s: float = 0.0) -> float:
        """Seconds until the next attempt, after ``attempts`` failed ones and what the subscriber itself asked for."""
        backoff = _BACKOFF[self.backoff_policy](self.backoff_delay_s, attempts)
        return max(min(backoff, BACKOFF_CAP_S), min(retry_after_s, self.retry_after_max_s))


@dataclass(frozen=True)
class Trigger:
    """A subscription.

    Attributes:
        name: unique within a broker; waiting deliveries are kept under it over restarts.
        subscriber: URL that gets the events.
        filter: attributes an event must have with exactly this value, or with any value if it is empty
            (``spec.filter.attributes``).
        filters: the newer form, ``[{"prefix": {"type": "com.amazonaws."}}]``; all must match (``spec.filters``).
        delivery: retries and dead letters.
        parallelism: deliveries under way at one time; max replicas × concurrency of the function behind it.
    """

    name: str
    subscriber: str
    filter: Mapping[str, str] = field(default_factory=dict)
    filters: tuple[Mapping[str, Mapping[str, str]], ...] = ()
    delivery: DeliverySpec = field(default_factory=DeliverySpec)
    parallelism: int = 4

    def __post_init__(self) -> None:
        _require_url(f"trigger {self.name!r}: subscriber", self.subscriber)
        require(self.parallelism > 0, f"trigger {self.name!r}: parallelism must be above 0, got {self.parallelism}")
        # Knative would ignore `filter` then, which nobody expects.
        require(
            not (self.filter and self.filters),
            f"trigger {self.name!r}: has both filter and filters. Write filter as {{'exact': ...}} in filters",
        )
        for dialect in (name for item in self.filters for name in item):
            require(
                dialect in DIALECTS,
                f"trigger {self.name!r}: unknown filter dialect {dialect!r}, known are {', '.join(DIALECTS)}",
            )

    def wants(self, event: Event) -> bool:
        """Whether every filter matches the event's attributes."""
        return all(
            name in event.attributes and (not wanted or event.attributes[name] == wanted)
            for name, wanted in self.filter.items()
        ) and all(
            name in event.attributes and DIALECTS[dialect](event.attributes[name], wanted)
            for item in self.filters
            for dialect, attributes in item.items()
            for name, wanted in attributes.items()
        )


def _require_url(what: str, url: str) -> None:
    require(url.startswith(("http://", "https://")), f"{what} must be an http(s) URL, got {url!r}")
