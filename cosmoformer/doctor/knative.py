"""Checks of Knative's own settings, by kubectl where it is at hand."""

from __future__ import annotations

import json

from cosmoformer import health
from cosmoformer.cluster.kubectl import Kubectl
from cosmoformer.doctor.check import Doubt, System
from cosmoformer.errors import SettingsError

#: Since Knative 1.19 sidecars have no figures unless this says how (knative/serving, pkg/observability/config.go).
_CONFIG_MAP, _KEY = "config-observability", "request-metrics-protocol"
_NAMESPACE, _TIMEOUT_S = "knative-serving", 20.0
_SHOW = f"`kubectl get configmap {_CONFIG_MAP} --namespace {_NAMESPACE}` shows it: {_KEY} has to be prometheus"
_MEND = (
    "Put `observability: {request-metrics-protocol: prometheus}` under config of the KnativeServing, or without the operator: "
    f"`kubectl patch configmap {_CONFIG_MAP} --namespace {_NAMESPACE} --type merge "
    f'--patch \'{{"data": {{"{_KEY}": "prometheus"}}}}\'`'
)


def check_metrics(system: System) -> str:
    """Sidecars of a cluster's functions show their figures: requests with their wait, and the queue."""
    if not health.elsewhere(system.settings.classify_url):
        return "no sidecars on this machine"
    try:
        kubectl = Kubectl(_NAMESPACE)
    except SettingsError as error:
        raise Doubt(f"not checked, since {error.detail}", _SHOW) from error
    answer = kubectl.run("get", "configmap", _CONFIG_MAP, "--output", "json", timeout_s=_TIMEOUT_S)
    protocol = json.loads(answer).get("data", {}).get(_KEY, "none")
    if protocol == "none":
        raise Doubt(f"{_KEY} is not set in {_CONFIG_MAP}: sidecars show no figures", _MEND)
    if protocol != "prometheus":
        raise Doubt(f"sidecars push their figures by {protocol}; components/monitoring reads them from the pods", _MEND)
    return "sidecars show their figures to Prometheus"
