"""Scaling and resources of the classify function, read from its manifest so that the model cannot drift from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

KNATIVE = Path(__file__).parents[2] / "knative"
MANIFEST = KNATIVE / "function" / "classify.yaml"
BROKER = KNATIVE / "components" / "kafka" / "broker-config.yaml"
_AUTOSCALING = "autoscaling.knative.dev/"
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True)
class Scaling:
    """The settings of Knative's pod autoscaler, by their own names (``config-autoscaler`` and annotations).

    Attributes:
        target: requests at once that a pod should have, times the utilization.
        container_concurrency: requests at once that a pod is given.
        min_scale: least pods.
        max_scale: most pods; 0 means no limit.
        activation_scale: least pods while there is any demand.
        scale_down_delay_s: how long a higher wish is kept.
        retention_s: how long the last pod is kept.
        stable_window_s: over which the demand is averaged.
        panic_window_s: likewise when it rises quickly.
        panic_threshold: pods wanted over the panic window, against those that are ready, from which it panics.
        max_scale_up_rate: how many times the ready pods may be wanted.
        max_scale_down_rate: likewise downwards.
        tick_s: between two decisions.
        timeout_s: of a request.
    """

    target: float
    container_concurrency: int
    min_scale: int
    max_scale: int
    activation_scale: int
    scale_down_delay_s: float
    retention_s: float
    timeout_s: float
    stable_window_s: float = 60.0
    panic_window_s: float = 6.0
    panic_threshold: float = 2.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    tick_s: float = 2.0

    def with_room_for(self, pods: int) -> Scaling:
        """The same, with a ``max_scale`` that allows at least so many pods."""
        return replace(self, max_scale=max(self.max_scale, pods) if self.max_scale else 0)


@dataclass(frozen=True)
class Request:
    """Resources that a pod asks for, sidecar included.

    Attributes:
        cpu: cores.
        memory_bytes: memory.
    """

    cpu: float
    memory_bytes: float


def scaling(manifest: Path = MANIFEST) -> Scaling:
    """Read the autoscaler's settings."""
    template = _template(manifest)
    notes = template["metadata"]["annotations"]

    def note(name: str, default: str) -> str:
        return str(notes.get(_AUTOSCALING + name, default))

    concurrency = int(template["spec"]["containerConcurrency"])
    utilization = float(note("target-utilization-percentage", "70")) / 100
    window = seconds(note("window", "60s"))
    return Scaling(
        target=float(note("target", str(concurrency or 100))) * utilization,
        container_concurrency=concurrency,
        min_scale=int(note("min-scale", "0")),
        max_scale=int(note("max-scale", "0")),
        activation_scale=int(note("activation-scale", "1")),
        scale_down_delay_s=seconds(note("scale-down-delay", "0s")),
        retention_s=seconds(note("scale-to-zero-pod-retention-period", "0s")),
        timeout_s=float(template["spec"]["timeoutSeconds"]),
        stable_window_s=window,
        panic_window_s=window * float(note("panic-window-percentage", "10")) / 100,
        panic_threshold=float(note("panic-threshold-percentage", "200")) / 100,
    )


def request(manifest: Path = MANIFEST) -> Request:
    """Read what a pod asks for: the container and Knative's sidecar."""
    template = _template(manifest)
    wanted = [container["resources"]["requests"] for container in template["spec"]["containers"]]
    notes = template["metadata"]["annotations"]
    sidecar = {
        name: notes.get(f"queue.sidecar.serving.knative.dev/{name}-resource-request", "0") for name in ("cpu", "memory")
    }
    every = [resources(part) for part in (*wanted, sidecar)]
    return Request(sum(part.cpu for part in every), sum(part.memory_bytes for part in every))


def resources(wanted: Mapping[str, object]) -> Request:
    """A container's ``resources.requests``."""
    return Request(_cores(wanted["cpu"]), _bytes(wanted["memory"]))


def partitions(config: Path = BROKER) -> int:
    """Partitions of the Kafka broker's topic."""
    return int(yaml.safe_load(config.read_text())["data"]["default.topic.partitions"])


def _template(manifest: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(manifest.read_text())["spec"]["template"]
    return found


def seconds(text: str) -> float:
    """A duration as Go writes it, such as ``1m30s``.

    Raises:
        ValueError: it is none.
    """
    parts = re.findall(r"([\d.]+)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"expected a duration such as 1m30s, got {text!r}")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _cores(text: object) -> float:
    value = str(text)
    return float(value[:-1]) / 1000 if value.endswith("m") else float(value)


def _bytes(text: object) -> float:
    match = re.fullmatch(r"([\d.]+)(Ki|Mi|Gi|)", str(text))
    if not match:
        raise ValueError(f"expected a quantity of memory such as 768Mi, got {text!r}")
    return float(match.group(1)) * _BYTES[match.group(2)]
