"""Metrics that rules and the dashboard ask for, against those that the code and Knative export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import promql_parser
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from functions.classify import metrics as classify_metrics
from functions.ingest import metrics as ingest_metrics
from functions.runtime.labels import ClosedCounter
from tests.knative.objects import named, of_kind
from tests.knative.rendering import Object

#: Of Knative 1.21's sidecar (kn.serving.queue.depth, kn.serving.invocation.duration; knative.dev, "Knative Serving Metrics"),
#: of Prometheus itself, and of its Python client.
_OTHERS = {
    "kn_serving_queue_depth",
    "kn_serving_invocation_duration_seconds_bucket",
    "up",
    "process_start_time_seconds",
}
_SUFFIXES = {Counter: ("_total",), Gauge: ("",), Histogram: ("_bucket", "_count", "_sum")}


def exported() -> dict[str, set[str]]:
    """Labels by metric name, as the two functions export them."""
    found = {}
    for module in (classify_metrics, ingest_metrics):
        for member in vars(module).values():
            metric = member.counter if isinstance(member, ClosedCounter) else member
            if isinstance(metric, MetricWrapperBase):
                for suffix in _SUFFIXES[type(metric)]:
                    found[metric._name + suffix] = set(metric._labelnames)
    return found


def expressions(documents: list[Object]) -> Iterator[tuple[str, str]]:
    """Every PromQL expression, with where it stands."""
    for rule_set in of_kind(documents, "PrometheusRule"):
        for group in rule_set["spec"]["groups"]:
            for rule in group["rules"]:
                yield rule.get("alert") or rule["record"], rule["expr"]
    if of_kind(documents, "PodMonitor"):
        dashboard = json.loads(named(documents, "ConfigMap", "cosmoformer-dashboard")["data"]["dashboard.json"])
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"panel {panel['title']!r}", target["expr"]


def figure_problems(documents: list[Object]) -> list[str]:
    """Expressions that are no PromQL, or ask for a metric or label that nobody exports."""
    recorded = {
        rule["record"]
        for rule_set in of_kind(documents, "PrometheusRule")
        for group in rule_set["spec"]["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    known = set(exported()) | recorded | _OTHERS
    problems = []
    for place, expression in expressions(documents):
        try:
            promql_parser.parse(expression)
        except ValueError as error:
            problems.append(f"{place}: {error}")
        asked = re.findall(r"\b((?:cosmoformer|kn|process)_\w+|cosmoformer:[\w:]+)\b(?!\")", expression)
        problems += [f"{place}: nobody exports {name}" for name in asked if name not in known]
        for name, selected in re.findall(r"\b(cosmoformer_\w+)\{([^}]*)\}", expression):
            labels = set(re.findall(r"(\w+)=", selected)) - {"namespace", "app_kubernetes_io_name", "pod"}
            if unknown := labels - exported().get(name, labels):
                problems.append(f"{place}: {name} has no labels {sorted(unknown)}")
    return problems
