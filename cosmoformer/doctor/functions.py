"""Checks of the settings, the broker and the functions."""

from __future__ import annotations

import uuid

from cosmoformer import health
from cosmoformer.addresses import is_address
from cosmoformer.connections import broker_tls
from cosmoformer.doctor import clock
from cosmoformer.doctor.check import Doubt, System
from cosmoformer.errors import PermanentError, SettingsError
from cosmoformer.events import cloudevents
from cosmoformer.served_models import further_models
from cosmoformer.services import Service
from cosmoformer.settings import Settings
from cosmoformer.storage.credentials import credentials
from cosmoformer.storage.presigned import upload_keys, view_keys

_ADDRESSES = ("s3_endpoint_url", "mlflow_tracking_uri", "k_sink", "ingest_url", "classify_url")
_NEEDED = ("images_bucket", "results_bucket", "model_name", "model_alias")
_SWEEP_S = 50.0  # a sweep lists both buckets before it answers


def check_settings(system: System) -> str:
    """Everything that is needed is set, and every address is one."""
    values = vars(system.settings)
    if missing := [name.upper() for name in (*_NEEDED, *_ADDRESSES) if not values[name]]:
        raise SettingsError(f"not set: {', '.join(missing)}", "`cosmoformer settings` says what each is")
    given = [name for name in (*_ADDRESSES, "s3_public_endpoint_url") if values[name]]
    if wrong := [name.upper() for name in given if not is_address(values[name])]:
        raise SettingsError(f"no addresses: {', '.join(wrong)}", "Expected http://HOST:PORT or https://HOST")
    further_models(system.settings)
    credentials(system.settings)
    upload_keys(system.settings), view_keys(system.settings)
    if not values["mlflow_webhook_secret"]:
        raise Doubt(
            "MLFLOW_WEBHOOK_SECRET is not set: webhooks are refused, so that a promotion is noticed only when a process looks",
            "Set it for ingest, and for the webhook in MLflow",
        )
    return "complete"


def check_broker(system: System) -> str:
    """The broker takes events."""
    settings = system.settings
    probe = cloudevents.new(type=cloudevents.PROBE, source="urn:cosmoformer:doctor", id=uuid.uuid4().hex, data={})
    headers, body = cloudevents.to_binary(probe)
    Service(settings.k_sink, "K_SINK", health.TIMEOUT_S, patient=False, tls=broker_tls(settings)).send(
        "POST", "", body, headers
    )
    waiting = "" if health.elsewhere(settings.k_sink) else f"; {health.say_broker(health.ask_broker(settings))}"
    return f"{settings.k_sink} takes events{waiting}"


def check_ingest(system: System) -> str:
    """Ingest is ready, and its clock right."""
    date = health.ask_ingest(system.settings)["date"]
    return f"{system.settings.ingest_url} is ready; its clock: {clock.compare(date, 'ingest')}"


def check_classify(system: System) -> str:
    """Classify can be started, as far as can be told without starting it."""
    url = system.settings.classify_url
    if health.elsewhere(url):
        raise Doubt(f"{url} was not asked, since that would wake it", f"`curl {url}/health/readiness` does")
    facts = health.ask_classify(system.settings)
    if facts["last_failure"]:
        raise PermanentError(health.say_classify(facts), "Its log is in DATA_DIR/classify")
    return f"{url}: {health.say_classify(facts)}"


def check_backlog(system: System) -> str:
    """Every image that is not quite new has a result of every served model."""
    # One after the other, as ingest makes one sweep at a time.
    counts = {name: _counts(system.settings, name) for name in ("", *further_models(system.settings))}
    if lacking := [_say_lacking(name, of) for name, of in counts.items() if of["announced"] or of["dead_lettered"]]:
        further = ", with `--model` those of a further model" if any(counts) else ""
        raise Doubt(
            "; ".join(lacking),
            f"`cosmoformer sweep` announces them again{further}; `cosmoformer replay` does for dead letters",
        )
    young = max(of["too_young"] for of in counts.values())
    return f"none; {young:,} of {counts['']['images']:,} images are too new to tell"


def _counts(settings: Settings, model: str) -> dict[str, int]:
    """What a sweep for a served model would do."""
    ingest = Service(settings.ingest_url, "INGEST_URL", _SWEEP_S, patient=False)
    request = {"dry_run": True, "min_age_s": settings.sweep_min_age_seconds, "model": model}
    counts: dict[str, int] = ingest.post("/sweep", request)
    return counts


def _say_lacking(model: str, counts: dict[str, int]) -> str:
    words = f"{counts['announced']:,} of {counts['images']:,} images have no result" + (f" of {model}" if model else "")
    return words + (f", {counts['dead_lettered']:,} more are in dead letters" if counts["dead_lettered"] else "")
