"""What becomes of a probe on its way from a Knative Service into a Deployment, as tables: what Knative Serving 1.21 fills in,
what it refuses, which port it puts in, and what Kubernetes then refuses of the Deployment.

The last is silent: `kubectl apply` has taken the Service, whose revision stays at RevisionMissing. The sources are files of
knative/serving, and Kubernetes' `pkg/apis/core/validation/validation.go`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.knative.rendering import Object

READINESS, LIVENESS, STARTUP = "readinessProbe", "livenessProbe", "startupProbe"
PROBES = (READINESS, LIVENESS, STARTUP)
WAYS = ("httpGet", "tcpSocket", "exec", "grpc")
_DEFAULTS = "pkg/apis/serving/v1/revision_defaults.go"
_VALIDATION = "pkg/apis/serving/k8s_validation.go"
_DEPLOYMENT = "pkg/reconciler/revision/resources/deploy.go"
_KUBERNETES = "pkg/apis/core/validation/validation.go"
#: What ProbeMask of `fieldmask.go` lets through.
_FIELDS = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold", *WAYS}

_HTTP_FIELDS = {"host", "path", "scheme", "httpHeaders", "port"}


@dataclass(frozen=True)
class Default:
    """What a field of a probe becomes when it is not set.

    Attributes:
        probes: of which this is so; a probe that is in no row is left as it is.
        field: of the probe, or of its way to ask after a dot.
        becomes: the value.
        where: for which probes of these.
        source: file and function.
    """

    probes: tuple[str, ...]
    field: str
    becomes: Any
    where: Callable[[Object], bool]
    source: str


#: A startup probe and a liveness probe get nothing but the name of gRPC's service. A port is nowhere filled in.
DEFAULTS = (
    Default(
        (READINESS,),
        "tcpSocket",
        {},
        lambda probe: not set(probe) & set(WAYS),
        f"{_DEFAULTS}: applyUserContainerDefaultReadinessProbe",
    ),
    Default((READINESS,), "successThreshold", 1, lambda _: True, f"{_DEFAULTS}: applyReadinessProbeDefaults"),
    Default(
        (READINESS,),
        "failureThreshold",
        3,
        lambda probe: bool(probe.get("periodSeconds")),
        f"{_DEFAULTS}: applyReadinessProbeDefaults",
    ),
    Default(
        (READINESS,),
        "timeoutSeconds",
        1,
        lambda probe: bool(probe.get("periodSeconds")),
        f"{_DEFAULTS}: applyReadinessProbeDefaults",
    ),
    Default(PROBES, "grpc.service", "", lambda probe: "grpc" in probe, f"{_DEFAULTS}: applyGRPCProbeDefaults"),
)


@dataclass(frozen=True)
class Port:
    """Which port a probe asks.

    Attributes:
        replaced: in which ways to ask the controller puts the container's port, whatever is given.
        asked_by: who asks.
        source: file and function.
    """

    replaced: tuple[str, ...]
    asked_by: str
    source: str


PORTS: Mapping[str, Port] = {
    # Taken out of the container: the sidecar asks, at the given port or else at the container's.
    READINESS: Port(("httpGet", "tcpSocket", "grpc"), "queue-proxy", f"{_DEPLOYMENT}: makeContainer"),
    LIVENESS: Port(("httpGet", "tcpSocket"), "kubelet", f"{_DEPLOYMENT}: rewriteUserLivenessProbe"),
    STARTUP: Port((), "kubelet", f"{_DEPLOYMENT}: makeServingContainer, which hands it on as it is"),
}


@dataclass(frozen=True)
class Refusal:
    """What is refused of a probe.

    Attributes:
        probes: of which.
        wrong: whether this is so of a probe with its defaults, in a container.
        says: what is wrong.
        source: file and function.
    """

    probes: tuple[str, ...]
    wrong: Callable[[Object, Object], bool]
    says: str
    source: str


def _ports(probe: Object) -> list[Any]:
    """The port of each way to ask that has one; 0 where it is not set."""
    return [probe[way].get("port", 0) for way in ("httpGet", "tcpSocket", "grpc") if way in probe]


def _names(container: Object) -> set[str]:
    return {port.get("name", "http") for port in container.get("ports", [{}])}


def _below(field: str, least: int) -> Callable[[Object, Object], bool]:
    return lambda probe, _: probe.get(field, least) < least


#: By Knative's webhook, at once. It does not look at startup probes (knative/serving issue 16256).
REFUSED_BY_KNATIVE = (
    Refusal(
        (READINESS, LIVENESS),
        lambda probe, _: len(set(probe) & set(WAYS)) != 1,
        "there must be exactly one way to ask",
        f"{_VALIDATION}: validateProbe",
    ),
    Refusal(
        (READINESS, LIVENESS),
        lambda probe, _: bool(set(probe) - _FIELDS),
        f"a probe has no fields but {', '.join(sorted(_FIELDS))}",
        f"{_VALIDATION}: validateProbe, with ProbeMask of fieldmask.go",
    ),
    Refusal(
        (READINESS, LIVENESS),
        lambda probe, _: bool(set(probe.get("httpGet", {})) - _HTTP_FIELDS),
        f"httpGet has no fields but {', '.join(sorted(_HTTP_FIELDS))}",
        f"{_VALIDATION}: validateProbe, with HTTPGetActionMask of fieldmask.go",
    ),
    Refusal(
        (READINESS, LIVENESS),
        lambda probe, container: any(isinstance(port, str) and port not in _names(container) for port in _ports(probe)),
        "a port by name must be the container's",
        f"{_VALIDATION}: validateProbe",
    ),
    Refusal(
        (READINESS,),
        lambda probe, _: (
            not probe.get("periodSeconds") and bool(probe.get("failureThreshold") or probe.get("timeoutSeconds"))
        ),
        "without a period there is neither a timeout nor a threshold",
        f"{_VALIDATION}: validateReadinessProbe",
    ),
    *(
        Refusal((READINESS,), _below(field, least), f"{field} must be at least {least}", source)
        for field, least in (
            ("periodSeconds", 0),
            ("initialDelaySeconds", 0),
            ("successThreshold", 1),
            ("timeoutSeconds", 1),
            ("failureThreshold", 1),
        )
        for source in (f"{_VALIDATION}: validateReadinessProbe",)
    ),
)
#: By Kubernetes, of the Deployment that Knative makes; nobody tells who applied the Service.
REFUSED_BY_KUBERNETES = (
    Refusal(
        (LIVENESS, STARTUP),
        lambda probe, _: len(set(probe) & set(WAYS)) != 1,
        "there must be exactly one way to ask",
        f"{_KUBERNETES}: validateHandler",
    ),
    Refusal(
        (LIVENESS, STARTUP),
        lambda probe, _: any(isinstance(port, int) and not 0 < port < 65536 for port in _ports(probe)),
        "the port must be between 1 and 65535, and Knative fills in none: give the container's",
        f"{_KUBERNETES}: ValidatePortNumOrName",
    ),
    Refusal(
        (LIVENESS, STARTUP),
        lambda probe, _: probe.get("successThreshold", 1) != 1,
        "successThreshold must be 1",
        f"{_KUBERNETES}: validateLivenessProbe, validateStartupProbe",
    ),
    *(
        Refusal((LIVENESS, STARTUP), _below(field, 0), f"{field} must be at least 0", f"{_KUBERNETES}: validateProbe")
        for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold")
    ),
)
#: What nobody refuses and this project does not want.
UNWANTED = (
    Refusal(
        (READINESS, LIVENESS),
        lambda probe, _: any(_ports(probe)),
        "leave the port to Knative, which knows the container's",
        f"{_DEPLOYMENT}: makeContainer, rewriteUserLivenessProbe",
    ),
    Refusal(
        (READINESS,),
        lambda probe, _: probe.get("successThreshold", 1) > 1,
        "more than one success delays a cold start",
        f"{_DEFAULTS}: applyReadinessProbeDefaults",
    ),
    Refusal(
        (STARTUP,),
        lambda probe, container: any(port not in _numbers(container) for port in _ports(probe) if port),
        "the port must be the container's own",
        "docs/runtime-contract.md of knative/specs: probes target the inbound container port",
    ),
)


def _numbers(container: Object) -> set[int]:
    return {port["containerPort"] for port in container.get("ports", [])}


def with_defaults(kind: str, probe: Object) -> Object:
    """A probe after Knative's defaulting webhook."""
    filled: Object = copy.deepcopy(probe)
    for row in DEFAULTS:
        if kind in row.probes and row.where(filled):
            way, _, field = row.field.rpartition(".")
            place = filled[way] if way else filled
            if not place.get(field):
                place[field] = copy.deepcopy(row.becomes)
    return filled


def in_deployment(kind: str, probe: Object, container: Object) -> Object:
    """A probe as it stands in the Deployment, or in the sidecar's settings, that Knative makes."""
    made: Object = copy.deepcopy(probe)
    number = min(_numbers(container), default=8080)
    for way in PORTS[kind].replaced:
        if way in made and (kind != READINESS or not made[way].get("port")):
            made[way]["port"] = number
    return made


def probe_problems(container: Object) -> Iterator[str]:
    """What is refused of a container's probes, by Knative or later by Kubernetes, and what is unwanted."""
    for kind in PROBES:
        if kind not in container and kind != READINESS:
            continue
        given = container.get(kind, {})
        filled = with_defaults(kind, given)
        stages = (
            (REFUSED_BY_KNATIVE, filled),
            (REFUSED_BY_KUBERNETES, in_deployment(kind, filled, container)),
            (UNWANTED, given),
        )
        for rows, probe in stages:
            yield from (f"{kind}: {row.says}" for row in rows if kind in row.probes and row.wrong(probe, container))
