"""Every check finds the mistakes that it is for: one mistake is made in rendered manifests, and reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cosmoformer.events import cloudevents
from tests.knative.checks import CHECKS
from tests.knative.event_routes import EXPECTED, constant_types
from tests.knative.objects import container, knative_service, named
from tests.knative.rendering import Object, overlay, parse
from tests.knative.webhooks import AUTOSCALING, cron_problem, iso_seconds, seconds

Documents = list[Object]
_SCALING = AUTOSCALING.rstrip("/")


def _classify(documents: Documents) -> Object:
    return knative_service(documents, "classify")


def _pod(documents: Documents, name: str = "classify") -> Object:
    spec: Object = knative_service(documents, name)["spec"]["template"]["spec"]
    return spec


def _annotations(documents: Documents, name: str = "classify") -> dict[str, str]:
    found: dict[str, str] = knative_service(documents, name)["spec"]["template"]["metadata"]["annotations"]
    return found


def _scale(name: str, value: str, service: str = "classify") -> Callable[[Documents], Any]:
    return lambda documents: _annotations(documents, service).update({AUTOSCALING + name: value})


def _own(documents: Documents, name: str = "classify") -> Object:
    return container(knative_service(documents, name))


def _spec(documents: Documents, kind: str, name: str) -> Object:
    spec: Object = named(documents, kind, name)["spec"]
    return spec


def _settings(documents: Documents) -> dict[str, str]:
    data: dict[str, str] = named(documents, "ConfigMap", "cosmoformer-settings")["data"]
    return data


def _drop(documents: Documents, kind: str, name: str) -> None:
    documents.remove(named(documents, kind, name))


def _mlflow(documents: Documents) -> Object:
    return container(named(documents, "Deployment", "mlflow"), "mlflow")


def _first_rule(documents: Documents) -> Object:
    rule: Object = _spec(documents, "PrometheusRule", "cosmoformer")["groups"][0]["rules"][0]
    return rule


# fmt: off
# ruff: noqa: E501 (one row a mistake)
MISTAKES: list[tuple[str, str, Callable[[Documents], Any], str]] = [
    ("schemas of Kubernetes", "unknown field", lambda d: named(d, "Deployment", "mlflow")["spec"].update(replica=2), "replica"),
    ("schemas of Kubernetes", "wrong type", lambda d: named(d, "Deployment", "mlflow")["spec"].update(replicas="two"), "replicas"),
    ("schemas of Knative and OpenShift", "unknown field", lambda d: _pod(d).update(timeoutSecond=1), "timeoutSecond"),
    ("schemas of Knative and OpenShift", "unknown field inside", lambda d: _own(d)["readinessProbe"].update(period=1), "period"),
    ("schemas of Knative and OpenShift", "wrong type", lambda d: _pod(d).update(containerConcurrency="2"), "containerConcurrency"),
    ("schemas of Knative and OpenShift", "unknown kind", lambda d: named(d, "PingSource", "sweep").update(apiVersion="sources.knative.dev/v1alpha1"), "no schema"),
    ("schemas of Knative and OpenShift", "unknown field of a Route", lambda d: _spec(d, "Route", "mlflow").update(hosts=[]), "hosts"),
    ("schemas of Knative and OpenShift", "unknown field of a KafkaSource", lambda d: _spec(d, "KafkaSource", "announced-images").update(topic="galaxy-images"), "topic"),
    ("schemas of Knative and OpenShift", "brokers of a KafkaSource as text", lambda d: _spec(d, "KafkaSource", "announced-images").update(bootstrapServers="kafka:9092"), "bootstrapServers"),
    ("schemas of Knative and OpenShift", "unknown field of a Route", lambda d: _spec(d, "Route", "mlflow")["tls"].update(terminates="edge"), "terminates"),
    ("schemas of Knative and OpenShift", "unknown field of a Trigger", lambda d: _spec(d, "Trigger", "classify-alias").update(retries=1), "retries"),
    ("schemas of Rook, claims and Prometheus", "unknown field", lambda d: _spec(d, "CephBucketTopic", "cosmoformer-images")["endpoint"]["http"].update(cloudEvents=True), "cloudEvents"),
    ("schemas of Rook, claims and Prometheus", "CephSource whose port is a number", lambda d: d.append({"apiVersion": "sources.knative.dev/v1alpha1", "kind": "CephSource", "metadata": {"name": "c"}, "spec": {"sink": {"uri": "http://x"}, "serviceAccountName": "c", "port": 8888}}), "8888 is not of type"),
    ("schemas of Rook, claims and Prometheus", "CephSource without an account", lambda d: d.append({"apiVersion": "sources.knative.dev/v1alpha1", "kind": "CephSource", "metadata": {"name": "c"}, "spec": {"sink": {"uri": "http://x"}, "port": "8888"}}), "serviceAccountName"),
    ("schemas of Rook, claims and Prometheus", "unknown event", lambda d: _spec(d, "CephBucketNotification", "cosmoformer-images").update(events=["ObjectCreated:*"]), "ObjectCreated"),
    ("Knative Services", "annotation on the Service", lambda d: _classify(d)["metadata"].setdefault("annotations", {}).update({f"{_SCALING}/max-scale": "9"}), "must stand on the template"),
    ("Knative Services", "misspelt annotation", _scale("maxscale", "9"), "is unknown"),
    ("Knative Services", "another misspelt annotation", lambda d: _annotations(d).update({"serving.knative.dev/progressDeadline": "9s"}), "is unknown"),
    ("Knative Services", "two ports", lambda d: _own(d)["ports"].append({"containerPort": 9100}), "exactly one port"),
    ("Knative Services", "port of the sidecar", lambda d: _own(d).update(ports=[{"containerPort": 9091}]), "reserved"),
    ("Knative Services", "timeout over the limit", lambda d: _pod(d).update(timeoutSeconds=601), "timeoutSeconds"),
    ("Knative Services", "concurrency over the limit", lambda d: _pod(d).update(containerConcurrency=1001), "containerConcurrency"),
    ("Knative Services", "activation-scale of one", _scale("activation-scale", "1"), "activation-scale"),
    ("Knative Services", "activation above the most", _scale("activation-scale", "11"), "activation-scale"),
    ("Knative Services", "min above max", _scale("min-scale", "11"), "do not fit"),
    ("Knative Services", "delay over an hour", _scale("scale-down-delay", "61m"), "up to an hour"),
    ("Knative Services", "delay without unit", _scale("scale-down-delay", "30"), "no duration"),
    ("Knative Services", "window too short", _scale("window", "5s"), "window"),
    ("Knative Services", "negative burst capacity", _scale("target-burst-capacity", "-2"), "target-burst-capacity"),
    ("Knative Services", "initial-scale of zero", _scale("initial-scale", "0"), "initial-scale"),
    ("Knative Services", "metric of another autoscaler", _scale("metric", "cpu"), "metric"),
    ("Knative Services", "feature: node selector", lambda d: _pod(d).update(nodeSelector={"gpu": "yes"}), "disabled unless enabled"),
    ("Knative Services", "feature: security context of the pod", lambda d: _pod(d).update(securityContext={}), "disabled unless enabled"),
    ("Knative Services", "feature: field reference", lambda d: _own(d)["env"].append({"name": "HOST", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}), "disabled unless enabled"),
    ("Knative Services", "feature: claim", lambda d: _pod(d)["volumes"].append({"name": "data", "persistentVolumeClaim": {"claimName": "mlflow"}}), "disabled unless enabled"),
    ("Knative Services", "mount without volume", lambda d: _pod(d).update(volumes=[]), "no volume 'tmp'"),
    ("Knative Services", "volume without mount", lambda d: _pod(d)["volumes"].append({"name": "more", "emptyDir": {}}), "not mounted"),
    ("Knative Services", "writable ConfigMap", lambda d: [mount.pop("readOnly", None) for mount in _own(d)["volumeMounts"]], "read-only"),
    ("Knative Services", "reserved variable", lambda d: _own(d)["env"].append({"name": "PORT", "value": "8080"}), "PORT is reserved"),
    ("Knative Services", "threshold without period", lambda d: _own(d)["readinessProbe"].update(failureThreshold=3), "without a period"),
    ("Knative Services", "unknown field of a probe", lambda d: _own(d)["livenessProbe"].update(terminationGracePeriodSeconds=3), "has no fields but"),
    ("Knative Services", "two successes wanted", lambda d: _own(d)["readinessProbe"].update(successThreshold=2), "delays a cold start"),
    ("Knative Services", "probe of two kinds", lambda d: _own(d)["livenessProbe"].update(tcpSocket={}), "exactly one way"),
    ("Knative Services", "startup probe without a port", lambda d: _own(d, "web")["startupProbe"]["httpGet"].pop("port"), "startupProbe: the port must be between 1 and 65535"),
    ("Knative Services", "startup probe of another port", lambda d: _own(d)["startupProbe"]["httpGet"].update(port=9), "the container's own"),
    ("Knative Eventing", "cron of four fields", lambda d: _spec(d, "PingSource", "sweep").update(schedule="*/15 * * *"), "five fields"),
    ("Knative Eventing", "cron of the 25th hour", lambda d: _spec(d, "PingSource", "sweep").update(schedule="0 25 * * *"), "from 0 to 23"),
    ("Knative Eventing", "attribute in capitals", lambda d: _spec(d, "Trigger", "classify-alias").update(filters=[{"exact": {"Type": "x"}}]), "name of an attribute"),
    ("Knative Eventing", "two dialects in one filter", lambda d: _spec(d, "Trigger", "classify-alias").update(filters=[{"exact": {"type": "x"}, "prefix": {"type": "y"}}]), "exactly one dialect"),
    ("Knative Eventing", "unknown dialect", lambda d: _spec(d, "Trigger", "classify-alias").update(filters=[{"contains": {"type": "x"}}]), "exactly one dialect"),
    ("Knative Eventing", "filter beside filters", lambda d: _spec(d, "Trigger", "classify-alias").update(filter={"attributes": {}}), "ignored"),
    ("Knative Eventing", "seconds without PT", lambda d: _spec(d, "Broker", "cosmoformer")["delivery"].update(timeout="180s"), "ISO 8601"),
    ("Knative Eventing", "feature: retry-after", lambda d: _spec(d, "Trigger", "classify-alias")["delivery"].update(retryAfterMax="PT60S"), "disabled unless enabled"),
    ("Knative Eventing", "path without slash", lambda d: _spec(d, "PingSource", "sweep")["sink"].update(uri="sweep"), "starts with /"),
    ("Knative Eventing", "sink without a name", lambda d: _spec(d, "PingSource", "sweep")["sink"]["ref"].pop("name"), "apiVersion, kind and name"),
    ("restricted-v2", "root", lambda d: _own(d)["securityContext"].update(runAsUser=0), "cluster's to choose"),
    ("restricted-v2", "may be root", lambda d: _own(d)["securityContext"].pop("runAsNonRoot"), "runAsNonRoot"),
    ("restricted-v2", "writable root", lambda d: _mlflow(d)["securityContext"].pop("readOnlyRootFilesystem"), "readOnlyRootFilesystem"),
    ("restricted-v2", "capabilities", lambda d: _mlflow(d)["securityContext"].update(capabilities={"drop": ["ALL"], "add": ["CHOWN"]}), "capabilities"),
    ("restricted-v2", "no seccomp profile", lambda d: _own(d)["securityContext"].pop("seccompProfile"), "seccompProfile"),
    ("restricted-v2", "path of the host", lambda d: _pod(d)["volumes"].append({"name": "host", "hostPath": {"path": "/"}}), "refuses"),
    ("restricted-v2", "cache without limit", lambda d: _pod(d)["volumes"][0].update(emptyDir={}), "sizeLimit"),
    ("restricted-v2", "token of the API", lambda d: _pod(d).pop("automountServiceAccountToken"), "automountServiceAccountToken"),
    ("restricted-v2", "account of everybody", lambda d: _pod(d).pop("serviceAccountName"), "ServiceAccount of its own"),
    ("restricted-v2", "variables of Services", lambda d: _pod(d).pop("enableServiceLinks"), "enableServiceLinks"),
    ("restricted-v2", "secret written out", lambda d: _own(d)["env"].append({"name": "MLFLOW_WEBHOOK_SECRET", "value": "hunter2"}), "must come from a Secret"),
    ("restricted-v2", "a Secret among the manifests", lambda d: d.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}), "never part"),
    ("restricted-v2", "no memory limit", lambda d: _own(d)["resources"]["limits"].pop("memory"), "limits lack"),
    ("names", "sink that is not there", lambda d: _spec(d, "PingSource", "sweep")["sink"]["ref"].update(name="ingestion"), "no Service ingestion"),
    ("names", "subject that is not there", lambda d: _spec(d, "SinkBinding", "ingest-broker")["subject"].update(name="ingestion"), "no Service ingestion"),
    ("names", "subject of the wrong API", lambda d: _spec(d, "SinkBinding", "ingest-broker")["subject"].update(apiVersion="v1"), "of v1"),
    ("names", "broker that is not there", lambda d: _spec(d, "Trigger", "classify-alias").update(broker="default"), "no Broker default"),
    ("names", "broker's configuration", lambda d: _drop(d, "ConfigMap", "cosmoformer-broker"), "no ConfigMap cosmoformer-broker"),
    ("names", "settings that are not there", lambda d: _drop(d, "ConfigMap", "cosmoformer-settings"), "no ConfigMap cosmoformer-settings"),
    ("names", "key of a Secret", lambda d: _own(d)["env"][-1]["valueFrom"]["secretKeyRef"].update(key="SECRET_KEY"), "key SECRET_KEY"),
    ("names", "account that is not there", lambda d: _drop(d, "ServiceAccount", "mlflow"), "no ServiceAccount mlflow"),
    ("names", "claim that is not there", lambda d: _drop(d, "PersistentVolumeClaim", "mlflow"), "no PersistentVolumeClaim mlflow"),
    ("names", "bucket's notification", lambda d: named(d, "ObjectBucketClaim", "cosmoformer-store")["metadata"].pop("labels"), "no ObjectBucketClaim is labelled"),
    ("names", "topic of a notification", lambda d: _spec(d, "CephBucketNotification", "cosmoformer-images").update(topic="images"), "no CephBucketTopic images"),
    ("names", "misspelt setting", lambda d: _own(d)["env"].append({"name": "UNSURE_BELLOW", "value": "0.5"}), "UNSURE_BELLOW is no setting"),
    ("names", "variable before its definition", lambda d: _own(d)["env"].reverse(), "not defined before it"),
    ("names", "variable twice", lambda d: _own(d)["env"].append({"name": "HOST", "value": "::"}), "variables twice"),
    ("names", "URL of another namespace", lambda d: _spec(d, "CephBucketTopic", "cosmoformer-images")["endpoint"]["http"].update(uri="http://ingest.default.svc.cluster.local"), "the namespace is"),
    ("names", "URL of no Service", lambda d: _spec(d, "CephBucketTopic", "cosmoformer-images")["endpoint"]["http"].update(uri="http://ingestion.cosmoformer.svc.cluster.local"), "no Service ingestion"),
    ("names", "short name of a Knative Service", lambda d: _spec(d, "CephBucketTopic", "cosmoformer-images")["endpoint"]["http"].update(uri="http://ingest"), "whole name"),
    ("names", "port of a Knative Service", lambda d: _spec(d, "CephBucketTopic", "cosmoformer-images")["endpoint"]["http"].update(uri="http://ingest.cosmoformer.svc.cluster.local:8080"), "port 80"),
    ("names", "Service of the same name", lambda d: named(d, "Service", "mlflow", "v1")["metadata"].update(name="web"), "has its name already"),
    ("settings", "setting that does not exist", lambda d: _settings(d).update(S3_ENDPOINT="x"), "S3_ENDPOINT is no setting"),
    ("settings", "setting of one machine", lambda d: _settings(d).update(INGEST_PORT="8081"), "one machine only"),
    ("settings", "secret among the settings", lambda d: _settings(d).update(AWS_SECRET_ACCESS_KEY="x"), "belongs into a Secret"),
    ("settings", "setting in the wrong ConfigMap", lambda d: _settings(d).update(S3_ENDPOINT_URL="http://store:7480"), "belongs into cosmoformer-storage"),
    ("settings", "number with a unit", lambda d: _settings(d).update(STORE_TIMEOUT_SECONDS="20s"), "must be a number"),
    ("settings", "wrong port of MLflow", lambda d: _settings(d).update(MLFLOW_TRACKING_URI="http://mlflow:8080"), "no port 8080"),
    ("settings", "MLflow that is not there", lambda d: _settings(d).update(MLFLOW_TRACKING_URI="http://registry:5000"), "no Service registry"),
    ("images", "latest", lambda d: _own(d).update(image="quay.io/cosmoformer/classify:latest"), "neither a version nor a digest"),
    ("images", "no tag", lambda d: _own(d).update(image="quay.io/cosmoformer/classify"), "neither a version nor a digest"),
    ("images", "name that was not replaced", lambda d: _own(d).update(image="classify"), "neither a version nor a digest"),
    ("images", "another version", lambda d: _own(d).update(image="quay.io/cosmoformer/classify:0.0.9"), "is not of version"),
    ("quota", "more pods than the quota", _scale("max-scale", "20"), "the quota of services"),
    ("quota", "more memory than the quota", lambda d: _own(d)["resources"]["limits"].update(memory="4Gi"), "limits.memory"),
    ("quota", "more than a container may have", lambda d: _own(d)["resources"]["limits"].update(cpu="9"), "LimitRange"),
    ("quota", "Job without a deadline", lambda d: _spec(d, "Job", "registry-setup")["template"]["spec"].pop("activeDeadlineSeconds"), "without a deadline"),
    ("timeouts", "request that gives up too early", lambda d: _pod(d).update(timeoutSeconds=60), "classify may take"),
    ("timeouts", "sweep that is cut", lambda d: _pod(d, "ingest").update(timeoutSeconds=60), "ingest: a sweep lists"),
    ("timeouts", "pods that do not end", lambda d: _pod(d, "ingest").update(timeoutSeconds=600), "more than 300 s to end"),
    ("timeouts", "slower store", lambda d: _settings(d).update(STORE_TIMEOUT_SECONDS="60"), "classify may take"),
    ("timeouts", "longer start", lambda d: _own(d)["startupProbe"].update(failureThreshold=120), "classify may take"),
    ("timeouts", "delivery that gives up too early", lambda d: _spec(d, "Trigger", "classify-objects")["delivery"].update(timeout="PT60S"), "delivery.timeout must be above"),
    ("timeouts", "no delivery at all", lambda d: _spec(d, "Trigger", "classify-objects").pop("delivery"), "must be retried"),
    ("timeouts", "no dead letters", lambda d: _spec(d, "Trigger", "classify-objects")["delivery"].pop("deadLetterSink"), "must go to /dead-letters"),
    ("timeouts", "start longer than the deadline", lambda d: _own(d, "web")["startupProbe"].update(failureThreshold=400), "progress deadline"),
    ("first start", "broker that waits for what waits for it", lambda d: _spec(d, "Broker", "cosmoformer")["delivery"].update(_spec(d, "Trigger", "classify-objects")["delivery"]), "Broker cosmoformer, Service ingest, Broker cosmoformer"),
    ("concurrency", "target above the limit", _scale("target", "3"), "above its containerConcurrency"),
    ("concurrency", "more requests than threads", lambda d: _pod(d, "ingest").update(containerConcurrency=17), "for 16 threads"),
    ("concurrency", "no limit", lambda d: _pod(d).update(containerConcurrency=0), "containerConcurrency 0"),
    ("concurrency", "more threads than CPUs", lambda d: _settings(d).update(TORCH_THREADS="4"), "TORCH_THREADS"),
    ("event types", "Ceph's own events left out", lambda d: _spec(d, "Trigger", "classify-objects").update(filters=[{"prefix": {"type": "com.amazonaws.s3."}}]), "com.amazonaws.ObjectCreated:Put reaches classify 0 times"),
    ("event types", "removed objects let in", lambda d: _spec(d, "Trigger", "classify-objects").update(filters=[{"prefix": {"type": "com.amazonaws."}}]), "ObjectRemoved:Delete reaches classify 1 times"),
    ("event types", "a loop", lambda d: _spec(d, "Trigger", "classify-pictures").update(filters=[{"prefix": {"type": "io.cosmoformer.image."}}]), "image.classified.v1 reaches classify 1 times"),
    ("event types", "a type that the code does not send", lambda d: _spec(d, "Trigger", "classify-alias").update(filters=[{"exact": {"type": "io.cosmoformer.alias-moved.v1"}}]), "alias-moved.v1 reaches classify 0 times"),
    ("event types", "twice", lambda d: d.append(named(d, "Trigger", "classify-objects")), "reaches classify 2 times"),
    ("figures", "metric that nobody exports", lambda d: _first_rule(d).update(expr="sum(cosmoformer_image_total)"), "nobody exports cosmoformer_image_total"),
    ("figures", "label that it has not", lambda d: _first_rule(d).update(expr='sum(cosmoformer_images_total{klass="spiral"})'), "no labels ['klass']"),
    ("figures", "no PromQL", lambda d: _first_rule(d).update(expr="sum(cosmoformer_images_total"), "judged:recent15m"),
    ("figures", "record that is not made", lambda d: _spec(d, "PrometheusRule", "cosmoformer")["groups"].pop(0), "nobody exports cosmoformer:"),
]
# fmt: on


@pytest.mark.parametrize(
    ("check", "make", "says"), [row[:1] + row[2:] for row in MISTAKES], ids=[f"{row[0]}: {row[1]}" for row in MISTAKES]
)
def test_mistake_is_found(check: str, make: Callable[[Documents], Any], says: str) -> None:
    """A mistake in the overlay that has everything is reported by the check that is for it."""
    documents = parse(overlay("openshift"))
    make(documents)
    problems = CHECKS[check](documents)
    assert any(says in problem for problem in problems), problems


def test_every_check_is_shown_to_work() -> None:
    """There is a mistake for each check."""
    assert {row[0] for row in MISTAKES} == set(CHECKS)


def test_every_event_type_of_the_code_has_a_route() -> None:
    """Each type that cloudevents.py names is a type, or the start of types, whose way is written down."""
    unknown = {name for name in constant_types() if not any(type.startswith(name) for type in EXPECTED)}
    assert unknown == set()
    assert {cloudevents.IMAGE, cloudevents.ALIAS_MOVED, cloudevents.OBJECT_CREATED} <= constant_types()


@pytest.mark.parametrize(
    ("schedule", "good"),
    [
        ("*/15 * * * *", True),
        ("0 3 * * 1-5", True),
        ("5,35 0-6/2 1 1 7", True),
        ("60 * * * *", False),
        ("* * 0 * *", False),
        ("9-3 * * * *", False),
        ("*/0 * * * *", False),
        ("@daily x", False),
    ],
)
def test_schedules(schedule: str, good: bool) -> None:
    """A schedule has five fields in their ranges."""
    assert (cron_problem(schedule) == "") is good


@pytest.mark.parametrize(("text", "length"), [("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("0s", 0)])
def test_durations_of_go(text: str, length: float) -> None:
    """Go's durations are read as seconds."""
    assert seconds(text) == length


@pytest.mark.parametrize(("text", "length"), [("PT180S", 180), ("PT1M30S", 90), ("PT0.5S", 0.5), ("PT2H", 7200)])
def test_durations_of_iso_8601(text: str, length: float) -> None:
    """ISO 8601's durations are read as seconds."""
    assert iso_seconds(text) == length


@pytest.mark.parametrize("text", ["", "PT", "180S", "P1D", "PT-1S"])
def test_what_is_no_duration(text: str) -> None:
    """Whatever else stands there is refused."""
    with pytest.raises(ValueError, match="no ISO 8601 duration"):
        iso_seconds(text)
