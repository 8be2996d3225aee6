"""Who waits for whom at the first start: a circle would never be ready.

A Broker has no address before its dead-letter sink has one (eventing's `mtbroker`), a Knative Service none before a revision is
ready (serving's `route`), and the subject of a SinkBinding gets no sink, and so is not ready, before the sink has an address.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.knative.objects import label, of_kind
from tests.knative.rendering import Object


def _waits(documents: list[Object]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for broker in of_kind(documents, "Broker"):
        if ref := broker["spec"].get("delivery", {}).get("deadLetterSink", {}).get("ref"):
            found.setdefault(label(broker), set()).add(f"{ref['kind']} {ref['name']}")
    for binding in of_kind(documents, "SinkBinding"):
        subject, ref = binding["spec"]["subject"], binding["spec"]["sink"]["ref"]
        found.setdefault(f"{subject['kind']} {subject['name']}", set()).add(f"{ref['kind']} {ref['name']}")
    return found


def _circle(waits: Mapping[str, set[str]], way: tuple[str, ...]) -> tuple[str, ...]:
    for following in sorted(waits.get(way[-1], ())):
        if following in way:
            return (*way[way.index(following) :], following)
        if found := _circle(waits, (*way, following)):
            return found
    return ()


def circle_problems(documents: list[Object]) -> list[str]:
    """Circles of objects that wait for each other."""
    waits = _waits(documents)
    return [
        f"they wait for each other: {', '.join(found)}"
        for start in sorted(waits)
        if (found := _circle(waits, (start,)))
    ]
