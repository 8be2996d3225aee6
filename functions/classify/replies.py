"""Events in and out of classify: which carry a picture, where a result comes from, and how it is announced."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from cosmoformer import tracing
from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.storage.facts import Origin
from cosmoformer.storage.results import Result

SOURCE = "urn:cosmoformer:classify"
#: Media types of events and requests whose data is a picture itself.
PICTURES = ("image/", "application/fits")


def is_picture(content_type: str | None) -> bool:
    """Whether data of this media type is a picture itself."""
    return (content_type or "").lower().startswith(PICTURES)


def reply(result: Result, judge: str) -> Event:
    """The event that announces a result; its id is the same each time the same judgement is announced.

    Args:
        result: the result.
        judge: name of the model that is served here: several may each reject the same image, and a rejection may name none.
    """
    image, model = result["image"], result["model"] or {}
    identity = [
        image["bucket"],
        image["key"],
        image["etag"],
        image["sha256"],
        model.get("name", judge),
        model.get("version"),
        model.get("sha256"),
        result["event"]["id"],
    ]
    event = cloudevents.new(
        type=cloudevents.CLASSIFIED if result["status"] == "classified" else cloudevents.REJECTED,
        source=SOURCE,
        id=hashlib.sha256("\n".join(map(str, identity)).encode()).hexdigest()[:32],
        subject=cloudevents.subject(image["key"]),
        data=result,
    )
    return replace(event, attributes=tracing.with_trace(event.attributes, tracing.present()))


def origin_of(event: Event) -> Origin:
    """What a result says of the event that leads to it; work on it begins now."""
    return Origin(event.id, event.source, event.attributes.get("time"), datetime.now(UTC))
