"""The doctor: asks everything that the settings name, and says what is wrong and how to mend it.

It changes nothing: what it writes has keys of its own and is deleted again, and the event that it sends is of a type that no
Trigger asks for.
"""

from __future__ import annotations

import threading
import time

from cosmoformer.doctor import addresses, functions, knative, registry, store
from cosmoformer.doctor.check import Check, Finding, System, find
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


def examine(settings: Settings, deadline_s: float = DEADLINE_S) -> list[Finding]:
    """Make every check, all at once and none depending on another.

    Args:
        settings: what is checked.
        deadline_s: seconds after which an answer is not waited for any longer.

    Returns:
        A finding for each of :data:`CHECKS`, in their order.
    """
    system = System(settings)
    found: dict[str, Finding] = {}

    def make(check: Check) -> None:
        found[check.name] = find(check, system)

    # Daemons: one that hangs must not keep the process from ending.
    threads = [threading.Thread(target=make, args=(check,), daemon=True) for check in CHECKS]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + deadline_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [found.get(check.name) or check.unanswered(system, deadline_s) for check in CHECKS]
