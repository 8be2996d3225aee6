"""Every check of rendered manifests, by name: a function of the objects that returns what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.knative import capacity, event_routes, figures, references, schemas, security, start_order, webhooks
from tests.knative.rendering import Object

Check = Callable[[list[Object]], list[str]]
#: The check that needs the CRDs among the contracts; it skips the test where they are absent.
OF_CONTRACTS = "schemas of Knative and OpenShift"
CHECKS: Mapping[str, Check] = {
    "schemas of Kubernetes": schemas.core_problems,
    OF_CONTRACTS: schemas.custom_problems,
    "schemas of Rook, claims and Prometheus": schemas.other_problems,
    "Knative Services": webhooks.serving_problems,
    "Knative Eventing": webhooks.eventing_problems,
    "restricted-v2": security.security_problems,
    "names": references.reference_problems,
    "settings": references.settings_problems,
    "images": references.image_problems,
    "quota": capacity.quota_problems,
    "timeouts": capacity.timeout_problems,
    "first start": start_order.circle_problems,
    "concurrency": capacity.concurrency_problems,
    "event types": event_routes.route_problems,
    "figures": figures.figure_problems,
}
