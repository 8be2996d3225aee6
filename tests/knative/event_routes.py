"""Which events reach whom: Triggers against every event type that the code sends or a store's dialect makes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cosmoformer.events import cloudevents, notifications
from tests.knative.objects import of_kind
from tests.knative.rendering import Object

_ROOT = Path(__file__).resolve().parents[2]
REMOVALS = ("ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated")


def created_types() -> set[str]:
    """Types of events that tell of a new image: what ingest makes of each dialect, and what Ceph sends by itself."""
    made = {
        notifications.ObjectCreated("b", "k", name, store, "", None, "1").event().type
        for store in notifications.KEYS_ENCODED
        for name in notifications.UPLOADS
    }
    return made | {f"com.amazonaws.{name}" for name in notifications.UPLOADS}


def removed_types() -> set[str]:
    """Types of events that tell of a removed object; nobody may get them."""
    return {prefix + name for prefix in ("com.amazonaws.s3.", "com.amazonaws.") for name in REMOVALS}


def constant_types() -> set[str]:
    """Every event type that `cosmoformer/events/cloudevents.py` names: the constants in capitals that look like one."""
    module = ast.parse((_ROOT / "cosmoformer" / "events" / "cloudevents.py").read_text(encoding="utf-8"))
    found = set()
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            value = node.value.value
            if value.startswith(("com.", "io.", "dev.")):
                found.add(value)
    return found


#: How often each type is to reach classify; every other type of `constant_types` has to be one of these.
EXPECTED: Mapping[str, int] = {
    **dict.fromkeys(created_types(), 1),
    cloudevents.IMAGE: 1,
    cloudevents.ALIAS_MOVED: 1,
    **dict.fromkeys(removed_types(), 0),  # classify would refuse them, and each would be a dead letter
    cloudevents.CLASSIFIED: 0,  # its own replies: a loop
    cloudevents.REJECTED: 0,
    cloudevents.SWEEP_PING: 0,  # the PingSource sends it straight to ingest
    cloudevents.PROBE: 0,  # only asks whether the broker takes it
    "dev.knative.kafka.event": 0,  # the KafkaSource likewise
    "com.example.anything": 0,
}


def matches(entry: Mapping[str, Any], attributes: Mapping[str, str]) -> bool:
    """Whether an event passes a filter of Knative's subscriptions dialects."""
    ((dialect, body),) = entry.items()
    if dialect == "any":
        return any(matches(member, attributes) for member in body)
    if dialect == "all":
        return all(matches(member, attributes) for member in body)
    if dialect == "not":
        return not matches(body, attributes)
    test = {"exact": str.__eq__, "prefix": str.startswith, "suffix": str.endswith}[dialect]
    return all(name in attributes and test(attributes[name], wanted) for name, wanted in body.items())


def route_problems(documents: list[Object]) -> list[str]:
    """Types that reach classify, or that of a further model, never, twice, or though they should not."""
    functions: dict[str, list[Object]] = {"classify": []}
    for trigger in of_kind(documents, "Trigger"):
        name = trigger["spec"]["subscriber"]["ref"]["name"]
        if name.startswith("classify"):
            functions.setdefault(name, []).append(trigger)
    problems = []
    for name, triggers in functions.items():
        for type, expected in EXPECTED.items():
            attributes = {"type": type, "source": "s", "id": "1", "specversion": "1.0"}
            got = sum(all(matches(entry, attributes) for entry in trigger["spec"]["filters"]) for trigger in triggers)
            if got != expected:
                problems.append(f"{type} reaches {name} {got} times instead of {expected}")
    return problems
