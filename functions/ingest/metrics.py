"""What the ingest function counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

NOTIFICATIONS = Counter(
    "cosmoformer_ingest_notifications", "Objects that notifications told of", ["store", "outcome"]
)  # store: eventSource of the record; outcome: announced, foreign
EVENTS_SENT = Counter("cosmoformer_ingest_events_sent", "Events that the broker took", ["type"])
BROKER_FAILURES = Counter("cosmoformer_ingest_broker_failures", "Events that the broker did not take")
MISSED = Gauge(
    "cosmoformer_ingest_missed_images", "New images that the broker has not taken yet and that are kept here"
)
UPLOADS = Counter("cosmoformer_ingest_uploads", "Files that upload addresses were asked for", ["outcome"])
SWEEPS = Counter("cosmoformer_ingest_sweeps", "Sweeps that ended", ["outcome"])  # outcome: completed, failed
SWEPT_IMAGES = Counter("cosmoformer_ingest_swept_images", "Images that sweeps looked at", ["outcome"])
DEAD_LETTERS = Counter("cosmoformer_ingest_dead_letters", "Dead letters", ["outcome"])  # outcome: kept, replayed
WEBHOOKS = Counter("cosmoformer_ingest_webhooks", "Signed webhooks of MLflow", ["outcome"])  # announced, ignored
FAILURES = Counter("cosmoformer_ingest_failures", "Requests answered with an error", ["problem"])
