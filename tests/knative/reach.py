"""Which pod may reach what, by the NetworkPolicies: Kubernetes' semantics, for selectors of labels and plain ports.

A pod that some policy selects for a direction may do in it what some policy allows, and nothing else; one that none selects may
do everything. A connection needs the leave of both ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.knative.rendering import Object


@dataclass(frozen=True)
class End:
    """One end of a connection.

    Attributes:
        labels: of the pod.
        namespace: labels of its namespace; None for an address outside the cluster.
        ours: whether it is in the namespace that the policies are for.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: Mapping[str, str] | None = field(default_factory=dict)
    ours: bool = False


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects something with these labels."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    tests = {
        "In": lambda entry: labels.get(entry["key"]) in entry["values"],
        "NotIn": lambda entry: labels.get(entry["key"]) not in entry["values"],
        "Exists": lambda entry: entry["key"] in labels,
        "DoesNotExist": lambda entry: entry["key"] not in labels,
    }
    return all(tests[entry["operator"]](entry) for entry in selector.get("matchExpressions", []))


def _is_peer(peer: Object, end: End) -> bool:
    if end.namespace is None:
        return False
    inside = selects(peer["namespaceSelector"], end.namespace) if "namespaceSelector" in peer else end.ours
    return inside and selects(peer.get("podSelector", {}), end.labels)


def _allowed(policies: Sequence[Object], pod: End, other: End, direction: str, protocol: str, port: int) -> bool:
    """Whether the policies let a pod of ours do this; ``direction`` is Ingress or Egress."""
    key, peers = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}[direction]
    specs = [policy["spec"] for policy in policies]
    about = [spec for spec in specs if direction in spec["policyTypes"] and selects(spec["podSelector"], pod.labels)]
    if not about:
        return True
    return any(
        (not rule.get(peers) or any(_is_peer(peer, other) for peer in rule[peers]))
        and (not rule.get("ports") or {"protocol": protocol, "port": port} in rule["ports"])
        for spec in about
        for rule in spec.get(key, [])
    )


def reaches(policies: Sequence[Object], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether a connection is let through at both ends; policies of other namespaces are not known."""
    out = not source.ours or _allowed(policies, source, target, "Egress", protocol, port)
    return out and (not target.ours or _allowed(policies, target, source, "Ingress", protocol, port))
