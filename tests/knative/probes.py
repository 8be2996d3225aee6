"""What Knative Serving 1.21 makes of the probes of a Service's serving container, as data, and what it refuses or leaves broken.

Knative rewrites two of the three kinds on their way from the Service to the Deployment. A startup probe is passed on as it is,
and Kubernetes then refuses a Deployment whose probe has port 0. A plain ``kubectl apply`` of the Service shows nothing of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.knative.rendering import Object

_WAYS = {"httpGet", "tcpSocket", "exec", "grpc"}
#: Fields of a probe that the webhook lets through (`pkg/apis/serving/fieldmask.go`, ProbeMask).
_FIELDS = _WAYS | {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"}
#: Fields of `httpGet` (the same file, HTTPGetActionMask).
_HTTP_FIELDS = {"host", "path", "scheme", "httpHeaders", "port"}


@dataclass(frozen=True)
class Rule:
    """What happens to one kind of probe.

    Attributes:
        port: who gives a probe without a port one; ``nobody`` means that it must have one.
        may_be_periodless: whether ``periodSeconds`` 0 is allowed, which means that the sidecar asks many times a second.
        defaults: what Knative's webhook fills in; Kubernetes fills in what is left in the Deployment.
        source: where that is said in knative/serving.
    """

    port: str
    may_be_periodless: bool
    defaults: dict[str, int]
    source: str


RULES: dict[str, Rule] = {
    # The kubelet asks the sidecar, which asks the user's port itself; nothing of the probe reaches the user's container.
    "readinessProbe": Rule(
        "the sidecar",
        True,
        {"successThreshold": 1},  # and, with a period, timeoutSeconds 1 and failureThreshold 3
        "pkg/apis/serving/v1/revision_defaults.go (applyProbes); pkg/apis/serving/k8s_validation.go (validateReadinessProbe); "
        "pkg/reconciler/revision/resources/queue.go (makeQueueContainer)",
    ),
    # The kubelet asks the user's port, which is put in.
    "livenessProbe": Rule(
        "the Deployment's writer",
        False,
        {},
        "pkg/reconciler/revision/resources/deploy.go (rewriteUserLivenessProbe); Kubernetes' own defaults for the rest",
    ),
    # The kubelet asks what the probe says: nothing is put in.
    "startupProbe": Rule(
        "nobody",
        False,
        {},
        "pkg/reconciler/revision/resources/deploy.go (makeContainer leaves it alone); seen on Kubernetes 1.34: "
        "startupProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535",
    ),
}


def probe_problems(container: Object) -> Iterator[str]:
    """What is wrong with the probes of a serving container."""
    ports = {port["containerPort"] for port in container.get("ports", [])}
    for kind, rule in RULES.items():
        if (probe := container.get(kind)) is not None:
            yield from (f"{kind}: {problem}" for problem in _problems(probe, rule, ports))


def _problems(probe: Object, rule: Rule, ports: set[int]) -> Iterator[str]:
    ways = set(probe) & _WAYS
    if len(ways) != 1:
        yield "must have exactly one way to ask"
        return
    if unknown := (set(probe) - _FIELDS) | (set(probe.get("httpGet", {})) - _HTTP_FIELDS):
        yield f"{sorted(unknown)} are refused"
    (way,) = ways
    if way != "exec":
        yield from _port_problems(probe[way].get("port"), rule, ports)
    periodless = rule.may_be_periodless and not probe.get("periodSeconds")
    if periodless and set(probe) & {"failureThreshold", "timeoutSeconds"}:
        yield "without a period there is neither a timeout nor a threshold"
    if probe.get("successThreshold", 1) != 1:
        yield "successThreshold must be 1: Kubernetes has no other for liveness and startup, and more delays a cold start"


def _port_problems(port: object, rule: Rule, ports: set[int]) -> Iterator[str]:
    if rule.port == "nobody" and port not in ports:
        yield f"must name the container's port itself, one of {sorted(ports)}: nobody fills it in, got {port!r}"
    if rule.port != "nobody" and port is not None:
        yield f"leave the port to Knative: {rule.port} puts it in"
