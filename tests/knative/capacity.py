"""What nobody refuses and is wrong all the same: quotas under the scale, timeouts under the cold start."""

from __future__ import annotations

from decimal import Decimal

from cosmoformer.served_models import dead_letters_path
from cosmoformer.settings import load
from functions.runtime.start import INGEST_THREADS, classify_threads
from tests.knative.objects import container, knative_service, knative_services, label, named, of_kind, quantity
from tests.knative.objects import settings as settings_of
from tests.knative.rendering import Object
from tests.knative.webhooks import AUTOSCALING, iso_seconds, seconds

_SIDECAR = "queue.sidecar.serving.knative.dev/"
#: Decoding and judging the largest image takes a few seconds on one CPU.
SLOWEST_PREDICTION_S = 10.0
#: A million images and as many results, a thousand a request (functions/ingest/sweep.py).
SWEEP_S = 120.0
#: Knative makes the time-out of requests the grace period of pods, which holds up upgrades and the removal of a namespace.
MOST_GRACE_S = 300.0
#: Threads that have to be left for health and metrics.
_PROBES = 2
_RESOURCES = [(kind, name) for kind in ("requests", "limits") for name in ("cpu", "memory")]


def _pod_need(spec: Object) -> dict[str, Decimal]:
    need = {f"{kind}.{name}": Decimal(0) for kind, name in _RESOURCES} | {"pods": Decimal(1)}
    for entry in spec["containers"]:
        for kind, name in _RESOURCES:
            need[f"{kind}.{name}"] += quantity(entry["resources"][kind][name])
    return need


def _service_need(service: Object) -> dict[str, Decimal]:
    """Of a Knative Service at its max-scale, with its sidecars, while one pod of the next revision starts."""
    template = service["spec"]["template"]
    annotations = template["metadata"]["annotations"]
    need = _pod_need(template["spec"])
    for kind, name in _RESOURCES:
        need[f"{kind}.{name}"] += quantity(annotations[f"{_SIDECAR}{name}-resource-{kind[:-1]}"])
    pods = int(annotations[AUTOSCALING + "max-scale"]) + 1
    return {name: pods * amount for name, amount in need.items()}


def _sum(needs: list[dict[str, Decimal]]) -> dict[str, Decimal]:
    return {name: sum((need[name] for need in needs), Decimal(0)) for name in needs[0]} if needs else {}


def serving_need(documents: list[Object]) -> dict[str, Decimal]:
    """What all pods without a deadline need at once at most."""
    needs = [_service_need(service) for service in knative_services(documents)]
    for deployment in of_kind(documents, "Deployment"):
        # One that sleeps is woken some day.
        pods = max(1, deployment["spec"]["replicas"]) + (deployment["spec"]["strategy"]["type"] == "RollingUpdate")
        needs.append({n: pods * amount for n, amount in _pod_need(deployment["spec"]["template"]["spec"]).items()})
    return _sum(needs)


def job_need(documents: list[Object]) -> dict[str, Decimal]:
    """What all Jobs' pods need at once."""
    return _sum([_pod_need(job["spec"]["template"]["spec"]) for job in of_kind(documents, "Job")])


def quota_problems(documents: list[Object]) -> list[str]:
    """Quotas that the pods at max-scale do not fit into, and containers over the LimitRange."""
    if not of_kind(documents, "ResourceQuota"):
        return []
    problems = []
    for name, need in (("services", serving_need(documents)), ("jobs", job_need(documents))):
        hard = named(documents, "ResourceQuota", f"cosmoformer-{name}")["spec"]["hard"]
        for resource, amount in need.items():
            if amount > quantity(hard[resource]):
                problems.append(f"the quota of {name} has {hard[resource]} of {resource}, {amount:f} are needed")
    most = of_kind(documents, "LimitRange")[0]["spec"]["limits"][0]["max"]
    for document in [*knative_services(documents), *of_kind(documents, "Deployment", "Job")]:
        spec = document["spec"]["template"]["spec"]
        for entry in spec["containers"]:
            limits = entry["resources"]["limits"]
            problems += [
                f"{label(document)}: {limits[resource]} of {resource} are above the LimitRange's {most[resource]}"
                for resource in ("cpu", "memory")
                if quantity(limits[resource]) > quantity(most[resource])
            ]
        if document["kind"] == "Job" and "activeDeadlineSeconds" not in spec:
            problems.append(f"{label(document)}: without a deadline its pod counts as one that serves")
    return problems


def start_budget_s(service: Object) -> float:
    """How long a container may take before its start counts as failed."""
    probe = container(service)["startupProbe"]
    return float(
        probe.get("initialDelaySeconds", 0) + probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
    )


def answer_budget_s(documents: list[Object]) -> float:
    """The longest that classify takes from zero to an answer: start, alias and artifact, image and result, prediction."""
    settings = load(settings_of(documents))
    requests = 2 * settings.registry_timeout_seconds + 2 * settings.store_timeout_seconds
    return start_budget_s(knative_service(documents, "classify")) + float(requests) + SLOWEST_PREDICTION_S


def timeout_problems(documents: list[Object]) -> list[str]:
    """Timeouts that end what would have succeeded."""
    problems = []
    classify = knative_service(documents, "classify")
    allowed = classify["spec"]["template"]["spec"]["timeoutSeconds"]
    if allowed < answer_budget_s(documents):
        problems.append(f"classify may take {answer_budget_s(documents):.0f} s, its timeoutSeconds are {allowed}")
    for document in of_kind(documents, "Broker", "Trigger"):
        delivery = document["spec"].get("delivery", {})
        if iso_seconds(delivery.get("timeout", "PT0S")) <= allowed:
            problems.append(f"{label(document)}: delivery.timeout must be above classify's {allowed} s")
        if delivery.get("backoffPolicy") != "exponential" or delivery.get("retry", 0) < 1:
            problems.append(f"{label(document)}: delivery must be retried, with exponential backoff")
        if document["kind"] == "Trigger":
            model = document["spec"]["subscriber"]["ref"]["name"].removeprefix("classify").removeprefix("-")
            if delivery.get("deadLetterSink", {}).get("uri") != dead_letters_path(model):
                problems.append(
                    f"{label(document)}: what cannot be delivered must go to {dead_letters_path(model)} of ingest"
                )
    if knative_service(documents, "ingest")["spec"]["template"]["spec"]["timeoutSeconds"] <= SWEEP_S:
        problems.append(f"ingest: a sweep lists for {SWEEP_S:.0f} s and then announces")
    for service in knative_services(documents):
        template = service["spec"]["template"]
        if template["spec"]["timeoutSeconds"] > MOST_GRACE_S:
            problems.append(f"{label(service)}: pods may take more than {MOST_GRACE_S:.0f} s to end")
        deadline = seconds(template["metadata"]["annotations"]["serving.knative.dev/progress-deadline"])
        if start_budget_s(service) >= deadline:
            problems.append(
                f"{label(service)}: startupProbe grants more than the progress deadline of {deadline:.0f} s"
            )
        if start_budget_s(service) > template["spec"]["timeoutSeconds"]:
            problems.append(f"{label(service)}: a request gives up before the startupProbe does")
    return problems


def concurrency_problems(documents: list[Object]) -> list[str]:
    """Requests that a pod is given and has no thread for, and targets that the limit never lets it reach."""
    settings = load(settings_of(documents))
    threads = {"classify": classify_threads(settings) - _PROBES, "ingest": INGEST_THREADS}
    problems = []
    for service in knative_services(documents):
        name, template = service["metadata"]["name"], service["spec"]["template"]
        limit = template["spec"]["containerConcurrency"]
        target = float(template["metadata"]["annotations"][AUTOSCALING + "target"])
        if limit and target > limit:
            problems.append(f"{name}: its target of {target:g} is above its containerConcurrency of {limit}")
        if not 0 < limit <= threads.get(name, limit):
            problems.append(f"{name}: containerConcurrency {limit} for {threads.get(name)} threads")
    cpu = quantity(container(knative_service(documents, "classify"))["resources"]["limits"]["cpu"])
    if (settings.torch_threads or cpu) * max(1, settings.predictions_at_once) > cpu:
        problems.append(
            f"TORCH_THREADS is {settings.torch_threads}, PREDICTIONS_AT_ONCE {settings.predictions_at_once}, the CPU limit {cpu}"
        )
    return problems
