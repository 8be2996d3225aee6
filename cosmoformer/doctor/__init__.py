"""The doctor: asks everything that the settings name, and says what is wrong and how to mend it.

It changes nothing: what it writes has keys of its own and is deleted again, and the event that it sends is of a type that no
Trigger asks for.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from cosmoformer.doctor import addresses, functions, knative, registry, store
from cosmoformer.doctor.check import Check, Finding, System, find
from cosmoformer.errors import SettingsError
from cosmoformer.served_models import further_models, settings_for
from cosmoformer.settings import Settings

#: Seconds after which an answer is not waited for any longer; downloading an artifact takes a while.
DEADLINE_S = 60.0

CHECKS: tuple[Check, ...] = (
    Check("settings", "", functions.check_settings),
    Check("store", "S3_ENDPOINT_URL", store.check_answers),
    Check("store's clock", "S3_ENDPOINT_URL", store.check_clock),
    Check("images bucket", "S3_ENDPOINT_URL", store.check_images),
    Check("results bucket", "S3_ENDPOINT_URL", store.check_results),
    Check("notifications", "S3_ENDPOINT_URL", store.check_notifications),
    Check("presigned URLs", "S3_PUBLIC_ENDPOINT_URL", addresses.check_presigned),
    Check("strangers' addresses", "S3_PUBLIC_ENDPOINT_URL", addresses.check_strangers),
    Check("CORS", "S3_PUBLIC_ENDPOINT_URL", addresses.check_cors),
    Check("registry", "MLFLOW_TRACKING_URI", registry.check_model),
    Check("champion", "MLFLOW_TRACKING_URI", registry.check_champion),
    Check("served", "S3_ENDPOINT_URL", registry.check_served, essential=False),
    Check("artifact", "MLFLOW_TRACKING_URI", registry.check_artifact),
    Check("fallback", "MLFLOW_TRACKING_URI", registry.check_fallback),
    Check("broker", "K_SINK", functions.check_broker),
    Check("ingest", "INGEST_URL", functions.check_ingest),
    Check("classify", "CLASSIFY_URL", functions.check_classify),
    Check("Knative's metrics", "", knative.check_metrics, essential=False),
    Check("dead letters", "S3_ENDPOINT_URL", store.check_dead_letters, essential=False),
    Check("backlog", "INGEST_URL", functions.check_backlog, essential=False),
)

#: What is asked of each further model, too (SERVED_MODELS); the backlog's check asks for all of them by itself.
OF_EACH_MODEL = frozenset({"registry", "champion", "served", "artifact", "fallback"})


def checks_of(settings: Settings) -> list[tuple[Check, System]]:
    """Each of :data:`CHECKS`, then those of each further model, with what they are made of."""
    made = [(check, System(settings)) for check in CHECKS]
    try:
        further = further_models(settings)
    except SettingsError:  # which the check of the settings says
        return made
    for name in further:
        system = System(settings_for(settings, name))
        of_it = (replace(check, name=f"{check.name} of {name}") for check in CHECKS if check.name in OF_EACH_MODEL)
        made += ((check, system) for check in of_it)
    return made


def examine(settings: Settings, deadline_s: float = DEADLINE_S) -> list[Finding]:
    """Make every check, all at once and none depending on another.

    Args:
        settings: what is checked.
        deadline_s: seconds after which an answer is not waited for any longer.

    Returns:
        A finding for each of :func:`checks_of`, in their order.
    """
    checks = checks_of(settings)
    found: dict[str, Finding] = {}

    def make(check: Check, system: System) -> None:
        found[check.name] = find(check, system)

    # Daemons: one that hangs must not keep the process from ending.
    threads = [threading.Thread(target=make, args=one, daemon=True) for one in checks]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + deadline_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [found.get(check.name) or check.unanswered(system, deadline_s) for check, system in checks]
