"""What Knative's webhooks refuse at 1.21, beyond the schemas: serving's `k8s_validation.go`, `annotation_validation.go` and
`features.go`, eventing's `trigger_validation.go` and `pingsource_validation.go`, each with its defaults. Probes: probes.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.knative.objects import is_knative_service, knative_services, label, walk
from tests.knative.probes import probe_problems
from tests.knative.rendering import Object

AUTOSCALING = "autoscaling.knative.dev/"
_INTEGERS = ("min-scale", "max-scale", "activation-scale", "initial-scale")
_NUMBERS = ("target", "target-utilization-percentage", "target-burst-capacity")
_DURATIONS = ("window", "scale-down-delay", "scale-to-zero-pod-retention-period")
_KNOWN = {
    *_INTEGERS,
    *_NUMBERS,
    *_DURATIONS,
    "metric",
    "class",
    "panic-window-percentage",
    "panic-threshold-percentage",
}
_ON_TEMPLATE = re.compile(
    r"serving\.knative\.dev/progress-deadline"
    r"|queue\.sidecar\.serving\.knative\.dev/(cpu|memory|ephemeral-storage)-resource-(request|limit)"
)
#: Of a pod's spec, without any of the features that are disabled unless an administrator enables them.
_POD_FIELDS = {
    "automountServiceAccountToken",
    "containerConcurrency",
    "containers",
    "enableServiceLinks",
    "idleTimeoutSeconds",
    "imagePullSecrets",
    "responseStartTimeoutSeconds",
    "serviceAccountName",
    "timeoutSeconds",
    "volumes",
}
_VOLUMES = {"secret", "configMap", "projected", "emptyDir"}
_RESERVED_PATHS, _RESERVED_PORTS = {"/", "/dev", "/dev/log"}, {8008, 8012, 8013, 8022, 8112, 9090, 9091}
_RESERVED_VARIABLES = {"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"}
#: `max-revision-timeout-seconds` and `container-concurrency-max-limit` of config-defaults.
MOST_SECONDS, MOST_CONCURRENCY = 600, 1000
_DIALECTS = {"all", "any", "not", "exact", "prefix", "suffix", "cesql"}
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9]*")
#: Delivery fields whose feature is disabled unless enabled.
_DELIVERY_FIELDS = {"retry", "backoffPolicy", "backoffDelay", "timeout", "deadLetterSink"}
_ISO_8601 = re.compile(r"P(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)")
_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def seconds(duration: str) -> float:
    """A duration of Go, such as 1m30s, in seconds."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", duration)
    if "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is no duration")
    return sum(float(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit] for number, unit in parts)


def iso_seconds(duration: str) -> float:
    """An ISO 8601 duration without days, such as PT1M30S, in seconds."""
    if not _ISO_8601.fullmatch(duration):
        raise ValueError(f"{duration!r} is no ISO 8601 duration")
    return sum(
        float(number) * {"H": 3600, "M": 60, "S": 1}[unit] for number, unit in re.findall(r"([\d.]+)([HMS])", duration)
    )


def serving_problems(documents: list[Object]) -> list[str]:
    """What is wrong with Knative Services."""
    problems = []
    for service in knative_services(documents):
        found = [*_annotations(service), *_pod(service["spec"]["template"]["spec"])]
        problems += [f"{label(service)}: {problem}" for problem in found]
    return problems


def _annotations(service: Object) -> Iterator[str]:
    for name in service["metadata"].get("annotations", {}):
        if name.startswith(AUTOSCALING):
            yield f"{name} must stand on the template, not on the Service"
    annotations = service["spec"]["template"]["metadata"].get("annotations", {})
    for name in annotations:
        if name.startswith(AUTOSCALING):
            if name.removeprefix(AUTOSCALING) not in _KNOWN:
                yield f"{name} is unknown"
        elif not _ON_TEMPLATE.fullmatch(name):
            yield f"{name} is unknown"
    scaling = {
        name.removeprefix(AUTOSCALING): value for name, value in annotations.items() if name.startswith(AUTOSCALING)
    }
    try:
        yield from _scaling(scaling)
        deadline = seconds(annotations.get("serving.knative.dev/progress-deadline", "600s"))
    except ValueError as error:
        yield str(error)
    else:
        if deadline <= 0 or deadline % 1:
            yield "the progress deadline must be whole seconds above 0"


def _scaling(given: dict[str, str]) -> Iterator[str]:
    numbers = {name: int(given[name]) for name in _INTEGERS if name in given}
    numbers |= {name: float(given[name]) for name in _NUMBERS if name in given}  # type: ignore[misc]
    least, most = numbers.get("min-scale", 0), numbers.get("max-scale", 0)
    if least < 0 or most < 0 or (most and least > most):
        yield f"min-scale {least} and max-scale {most} do not fit together"
    at_once = numbers.get("activation-scale")
    if at_once is not None and (at_once < 2 or at_once < least or (most and at_once > most)):
        yield f"activation-scale {at_once} must be above 1, not below min-scale and not above max-scale"
    if numbers.get("initial-scale", 1) < 1:
        yield "initial-scale 0 has to be allowed by the cluster"
    if numbers.get("target", 1) < 0.01 or not 1 <= numbers.get("target-utilization-percentage", 70) <= 100:
        yield "target must be at least 0.01 and its utilization from 1 to 100"
    if numbers.get("target-burst-capacity", 0) < 0 and numbers["target-burst-capacity"] != -1:
        yield "target-burst-capacity must be 0 or more, or -1"
    for name in _DURATIONS:
        length = seconds(given.get(name, "10s"))
        if not (6 if name == "window" else 0) <= length <= 3600 or length % 1:
            yield f"{name} must be whole seconds up to an hour"
    if given.get("metric", "concurrency") not in ("concurrency", "rps"):
        yield f"metric {given['metric']!r} is unknown to the default autoscaler"


def _pod(spec: Object) -> Iterator[str]:
    if unknown := set(spec) - _POD_FIELDS:
        yield f"{sorted(unknown)} need a feature that is disabled unless enabled"
    if not 0 <= spec.get("containerConcurrency", 0) <= MOST_CONCURRENCY:
        yield f"containerConcurrency must be from 0 to {MOST_CONCURRENCY}"
    if not 0 < spec.get("timeoutSeconds", 300) <= MOST_SECONDS:
        yield f"timeoutSeconds must be from 1 to {MOST_SECONDS}"
    for name in ("responseStartTimeoutSeconds", "idleTimeoutSeconds"):
        if spec.get(name, 0) > spec.get("timeoutSeconds", 300):
            yield f"{name} must not be above timeoutSeconds"
    ports = [port for entry in spec["containers"] for port in entry.get("ports", [])]
    if len(ports) != 1:
        yield f"exactly one port is wanted, there are {len(ports)}"
    for port in ports:
        if port["containerPort"] in _RESERVED_PORTS or port.get("name", "http1") not in ("http1", "h2c"):
            yield f"the port {port} is reserved, or has another name than http1 or h2c"
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    yield from _volumes(spec, volumes)
    for entry in spec["containers"]:
        yield from _container(entry, volumes)


def _volumes(spec: Object, volumes: dict[str, Object]) -> Iterator[str]:
    mounted = {mount["name"] for entry in spec["containers"] for mount in entry.get("volumeMounts", [])}
    for name, volume in volumes.items():
        if name not in mounted:
            yield f"the volume {name!r} is not mounted"
        if set(volume) - {"name"} - _VOLUMES:
            yield f"the volume {name!r} needs a feature that is disabled unless enabled"


def _container(entry: Object, volumes: dict[str, Object]) -> Iterator[str]:
    for variable in entry.get("env", []):
        if variable["name"] in _RESERVED_VARIABLES:
            yield f"the variable {variable['name']} is reserved"
        if set(variable.get("valueFrom", {})) & {"fieldRef", "resourceFieldRef"}:
            yield f"the variable {variable['name']} needs a feature that is disabled unless enabled"
    paths = [mount["mountPath"] for mount in entry.get("volumeMounts", [])]
    if len(set(paths)) < len(paths) or set(paths) & _RESERVED_PATHS:
        yield f"mount paths must be unique and none of {sorted(_RESERVED_PATHS)}: {paths}"
    for mount in entry.get("volumeMounts", []):
        if mount["name"] not in volumes:
            yield f"there is no volume {mount['name']!r} to mount"
        elif "emptyDir" not in volumes[mount["name"]] and not mount.get("readOnly"):
            yield f"the volume {mount['name']!r} must be mounted read-only"
    if entry.get("securityContext", {}).get("capabilities", {}).get("add"):
        yield "added capabilities need a feature that is disabled unless enabled"
    yield from probe_problems(entry)


def eventing_problems(documents: list[Object]) -> list[str]:
    """What is wrong with Brokers, Triggers and sources."""
    problems = []
    for document in documents:
        if is_knative_service(document):
            continue
        found: list[str] = []
        if document["kind"] == "Trigger":
            found += _filters(document["spec"].get("filters", []))
            found += [] if document["spec"].get("broker") else ["a Trigger needs a broker"]
            if {"filter", "filters"} <= set(document["spec"]):
                found.append("filter is ignored beside filters")
        if document["kind"] == "PingSource":
            found += _ping(document["spec"])
        for path, value in walk(document.get("spec", {})):
            if path.endswith((".sink", ".subscriber", ".deadLetterSink")) and isinstance(value, dict):
                found += _destination(path, value)
            if path.endswith(".delivery") and document["kind"] in ("Broker", "Trigger", "KafkaSource"):
                found += _delivery(value)
        problems += [f"{label(document)}: {problem}" for problem in found]
    return problems


def _filters(filters: list[Object]) -> Iterator[str]:
    for entry in filters:
        if len(entry) != 1 or set(entry) - _DIALECTS:
            yield f"a filter has exactly one dialect of {sorted(_DIALECTS)}: {entry}"
            continue
        ((dialect, body),) = entry.items()
        if dialect in ("all", "any"):
            if not body:
                yield f"{dialect} needs at least one filter"
            yield from _filters(body)
        elif dialect == "not":
            yield from _filters([body])
        elif dialect in ("exact", "prefix", "suffix"):
            for name, value in body.items():
                if not _ATTRIBUTE.fullmatch(name) or not value:
                    yield f"{dialect}: {name!r} must be the name of an attribute, and its value not empty"


def _ping(spec: Object) -> Iterator[str]:
    if problem := cron_problem(spec["schedule"]):
        yield problem
    if {"data", "dataBase64"} <= set(spec):
        yield "data and dataBase64 exclude each other"


def cron_problem(schedule: str) -> str:
    """What is wrong with a schedule of five fields; empty if nothing is."""
    fields = schedule.split()
    if len(fields) != len(_CRON_RANGES):
        return f"schedule {schedule!r} must have five fields"
    for text, (low, high) in zip(fields, _CRON_RANGES, strict=True):
        for item in text.split(","):
            found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", item)
            values = [int(value) for value in found.groups()[:2] if value] if found else [-1]
            if any(not low <= value <= high for value in values) or values != sorted(values):
                return f"schedule {schedule!r}: {item!r} must be from {low} to {high}"
    return ""


def _destination(path: str, value: Object) -> Iterator[str]:
    reference, uri = value.get("ref"), value.get("uri", "")
    if reference is None:
        if not re.match(r"https?://[^/]+", uri):
            yield f"{path}: without ref, uri must be a whole URL"
    elif not {"apiVersion", "kind", "name"} <= set(reference):
        yield f"{path}.ref must have apiVersion, kind and name"
    elif uri and not uri.startswith("/"):
        yield f"{path}: beside ref, uri must be a path that starts with /"


def _delivery(delivery: Any) -> Iterator[str]:
    if unknown := set(delivery) - _DELIVERY_FIELDS:
        yield f"delivery: {sorted(unknown)} need a feature that is disabled unless enabled"
    if delivery.get("retry", 0) < 0 or delivery.get("backoffPolicy", "linear") not in ("linear", "exponential"):
        yield "delivery: retry must be 0 or more, and backoffPolicy linear or exponential"
    for name in ("backoffDelay", "timeout"):
        try:
            if iso_seconds(delivery.get(name, "PT1S")) <= 0:
                yield f"delivery.{name} must be above 0"
        except ValueError as error:
            yield f"delivery.{name}: {error}"
