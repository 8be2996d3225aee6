"""What the ingest function counts, for Prometheus. No name of a file, a batch, an event or a store is a label."""

from __future__ import annotations

from typing import Literal, get_args

from prometheus_client import Counter, Gauge

from cosmoformer.errors import CosmoFormerError
from cosmoformer.events import cloudevents, notifications
from functions.runtime.labels import ClosedCounter, problems

_CREATED = (cloudevents.OBJECT_CREATED, cloudevents.OBJECT_CREATED_CEPH)
_EVENT_TYPES = (
    *(start + way.removeprefix(notifications.CREATED) for start in _CREATED for way in notifications.UPLOADS),
    cloudevents.IMAGE,
    cloudevents.CLASSIFIED,
    cloudevents.REJECTED,
    cloudevents.ALIAS_MOVED,
    cloudevents.PROBE,
)
_UPLOAD_OUTCOMES = (
    "presigned",
    "empty",
    "invalid_key",
    "invalid_name",
    "invalid_size",
    "too_large",
    "unsupported_type",
)
#: What a sweep does with an image.
SweepOutcome = Literal["with_result", "announced", "dead_lettered", "too_young", "waiting"]
SWEEP_OUTCOMES: tuple[SweepOutcome, ...] = get_args(SweepOutcome)

NOTIFICATIONS = ClosedCounter(
    "cosmoformer_ingest_notifications",
    "Objects that notifications told of",
    store=notifications.KEYS_ENCODED,
    outcome=("announced", "foreign"),
)
EVENTS_SENT = ClosedCounter("cosmoformer_ingest_events_sent", "Events that the broker took", type=_EVENT_TYPES)
BROKER_FAILURES = Counter("cosmoformer_ingest_broker_failures", "Events that the broker did not take")
MISSED = Gauge(
    "cosmoformer_ingest_missed_images", "New images that the broker has not taken yet and that are kept here"
)
UPLOADS = ClosedCounter(
    "cosmoformer_ingest_uploads", "Files that upload addresses were asked for", outcome=_UPLOAD_OUTCOMES
)
SWEEPS = ClosedCounter("cosmoformer_ingest_sweeps", "Sweeps that ended", outcome=("completed", "failed"))
SWEPT_IMAGES = ClosedCounter("cosmoformer_ingest_swept_images", "Images that sweeps looked at", outcome=SWEEP_OUTCOMES)
DEAD_LETTERS = ClosedCounter("cosmoformer_ingest_dead_letters", "Dead letters", outcome=("kept", "replayed"))
WEBHOOKS = ClosedCounter("cosmoformer_ingest_webhooks", "Signed webhooks of MLflow", outcome=("announced", "ignored"))
FAILURES = ClosedCounter(
    "cosmoformer_ingest_failures",
    "Requests answered with an error",
    problem=problems(CosmoFormerError) | {"unexpected"},
)
