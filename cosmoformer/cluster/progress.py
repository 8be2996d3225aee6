"""What a Knative Service waits for, in its own words, and whether waiting can help.

Knative calls a revision failed as soon as its pod cannot be placed, and takes that back when a node has been added, which may
take minutes. Whether a failure may pass is told by the reason of the revision's conditions (serving's `revision_lifecycle.go` and
`reconcile_resources.go`; a pod's reasons are Kubernetes' own).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cosmoformer.cluster.kubectl import Kubectl, Object
from cosmoformer.errors import PermanentError

REVISION = "revisions.serving.knative.dev"
DEADLINE_ANNOTATION = "serving.knative.dev/progress-deadline"
DEFAULT_DEADLINE_S = 600.0  # `progress-deadline` of config-deployment
#: Reasons that waiting can end, and what is waited for.
PASSING = {
    "ContainerCreating": "its container is made",
    "Deploying": "its pod starts",
    "NetworkConfigured": "its network is set up",
    "PodInitializing": "its pod starts",
    "ResolvingDigests": "the digest of its image is asked for",
    "SchedulingGated": "its pod is let through to a node",
    "Unschedulable": "its pod waits for a node with room",
}
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Standing:
    """How far a Service is.

    Attributes:
        is_done: whether the condition that was asked for holds.
        has_failed: whether Knative says that it will not.
        may_pass: whether that is for a reason that waiting can end.
        why: Knative's words; empty when it has not got to it yet.
    """

    is_done: bool
    has_failed: bool
    may_pass: bool
    why: str


def standing(kubectl: Kubectl, service: Object, wanted: str) -> Standing:
    """How far a Service is towards a condition."""
    found = _condition(service, wanted)
    status, message = found.get("status"), str(found.get("message", ""))
    if status == "True":
        return Standing(True, False, False, "")
    reason, detail = _of_revision(kubectl, service)
    what = PASSING.get(reason)
    why = f"{what}: {detail}".rstrip(": ") if what else (message or detail)
    return Standing(False, status == "False", what is not None, why)


def progress_deadline_s(service: Object) -> float:
    """How long Knative waits for the first pod of a revision, seconds."""
    annotations = service["spec"]["template"].get("metadata", {}).get("annotations", {})
    parts = re.findall(r"([0-9.]+)(ms|s|m|h)", annotations.get(DEADLINE_ANNOTATION, ""))
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts) or DEFAULT_DEADLINE_S


def _condition(service: Object, wanted: str) -> Object:
    """A condition, if it is about the present spec."""
    status = service.get("status", {})
    if status.get("observedGeneration") != service["metadata"]["generation"]:
        return {}
    return _named(status.get("conditions", []), wanted)


def _of_revision(kubectl: Kubectl, service: Object) -> tuple[str, str]:
    """Reason and message of what the latest revision lacks; empty where it lacks nothing or may not be read."""
    status = service.get("status", {})
    name = status.get("latestCreatedRevisionName", "")
    if not name or name == status.get("latestReadyRevisionName"):
        return "", ""
    try:
        conditions = kubectl.get(REVISION, name).get("status", {}).get("conditions", [])
    except PermanentError:  # an account that may read the Service alone
        return "", ""
    for kind in ("ResourcesAvailable", "ContainerHealthy", "Ready"):
        found = _named(conditions, kind)
        if found.get("status") != "True" and found.get("reason"):
            return str(found["reason"]), str(found.get("message", ""))
    return "", ""


def _named(conditions: list[Object], kind: str) -> Object:
    return next((condition for condition in conditions if condition["type"] == kind), {})
