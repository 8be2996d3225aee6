"""Counters whose labels take values that are known beforehand, so that no stranger's words become time series."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import Counter

#: What every other value is counted as.
OTHER = "other"


class ClosedCounter:
    """A Prometheus counter with labels of closed sets.

    Args:
        name: of the metric.
        documentation: what it counts.
        labels: the values of each label, by its name; any other becomes :data:`OTHER`.

    Attributes:
        values: the same.
        counter: what Prometheus collects.
    """

    def __init__(self, name: str, documentation: str, **labels: Collection[str]) -> None:
        self.values = {label: frozenset(values) for label, values in labels.items()}
        self.counter = Counter(name, documentation, list(labels))

    def count(self, *values: str, times: float = 1.0) -> None:
        """Count something.

        Args:
            values: one for each label, in their order.
            times: how often it happened.
        """
        closed = zip(values, self.values.values(), strict=True)
        self.counter.labels(*(value if value in known else OTHER for value, known in closed)).inc(times)


def problems(kind: type[Exception]) -> frozenset[str]:
    """Names of an exception and of all that are derived from it by now."""
    return frozenset({kind.__name__}).union(*map(problems, kind.__subclasses__()))
