"""What the classify function counts, for Prometheus: labels are words of ours and of the registered models, and no one else's."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models.registry import ModelVersion
from functions.runtime.labels import ClosedCounter, problems
from functions.runtime.process_clock import CLOCK

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

IMAGES = Counter(
    "cosmoformer_images", "Images judged", ["status", "class_name", "model_version"]
)  # status: classified, rejected, repeated, gone; class_name is empty for a task that is no classification
PHASE_SECONDS = Histogram("cosmoformer_phase_seconds", "Time of each phase of one image", ["phase"], buckets=_SECONDS)
KNOWN = Counter("cosmoformer_known_images", "Images whose bytes the served model had judged before")
FAILURES = ClosedCounter(
    "cosmoformer_failures", "Requests answered with an error", problem=problems(CosmoFormerError) | {"unexpected"}
)
WAITING = Gauge("cosmoformer_waiting_requests", "Requests that wait for the model")
MODEL_INFO = Gauge(
    "cosmoformer_model_info", "1 for the model version that is served", ["model_version", "sha256", "alias"]
)
MODEL_REFUSED = Counter(
    "cosmoformer_model_refused", "Model versions that failed to load or to pass a check", ["model_version"]
)
MODEL_LOAD_SECONDS = Histogram(
    "cosmoformer_model_load_seconds", "Time to fetch and load a model", ["phase"], buckets=_SECONDS
)
READY_SECONDS = Gauge("cosmoformer_ready_seconds", "Time from the start of the server to readiness")
START_SECONDS = Gauge("cosmoformer_start_seconds", "Where the time of the start went; phases overlap", ["phase"])


MODEL_FALLBACK = Gauge(
    "cosmoformer_model_fallback", "1 while another version than the champion is served", ["model_version"]
)


def serving(version: ModelVersion, alias: str, before: ModelVersion | None, *, is_fallback: bool = False) -> None:
    """Show which version is served, and whether it stands in for the champion."""
    if before is None:
        READY_SECONDS.set(CLOCK.age_s())
    MODEL_INFO.clear()
    MODEL_INFO.labels(model_version=str(version.version), sha256=version.sha256, alias=alias).set(1)
    MODEL_FALLBACK.clear()
    if is_fallback:
        MODEL_FALLBACK.labels(model_version=str(version.version)).set(1)
