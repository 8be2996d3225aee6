"""What OpenShift's restricted-v2 refuses or changes, and what this project asks for besides."""

from __future__ import annotations

from collections.abc import Iterator

from tests.knative.objects import PodTemplate, is_knative_service, label, pod_templates, walk
from tests.knative.rendering import Object

_RUN_AS = {"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "privileged"}
_HOST = {"hostNetwork", "hostPID", "hostIPC"}
_VOLUMES = {"configMap", "secret", "projected", "emptyDir", "persistentVolumeClaim", "downwardAPI", "csi", "ephemeral"}
_SECRET_WORDS = ("SECRET", "PASSWORD", "TOKEN", "ACCESS_KEY", "ENCRYPTION_KEY")
#: The only pods that may hold a token of the Kubernetes API, by owner: MLflow's login is its account's OAuth client.
_TOKENS = {"Deployment mlflow"}


def security_problems(documents: list[Object]) -> list[str]:
    """What a pod may not have under restricted-v2, what it lacks, and secrets that are written out."""
    problems = [problem for document in documents for problem in _written_secrets(document)]
    for pod in pod_templates(documents):
        problems += [f"{pod.name}: {problem}" for problem in (*_pod(pod), *_containers(pod))]
    return problems


def _written_secrets(document: Object) -> Iterator[str]:
    if document["kind"] == "Secret":
        yield f"{label(document)}: Secrets are referred to, never part of the manifests"
    for path, value in walk(document):
        if isinstance(value, dict) and value.get("value") and "name" in value:
            name = str(value["name"])
            if any(word in name for word in _SECRET_WORDS):
                yield f"{label(document)}{path}: {name} must come from a Secret"


def _pod(pod: PodTemplate) -> Iterator[str]:
    for path, value in walk(pod.spec):
        if path.rpartition(".")[2] in _RUN_AS | _HOST and value is not False:
            yield f"{path} is the cluster's to choose"
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken must be false"
    if pod.spec.get("serviceAccountName", "default") == "default":
        yield "it must run under a ServiceAccount of its own"
    # Variables such as MLFLOW_PORT=tcp://… for a Service `mlflow` would replace settings of the same name.
    if pod.spec.get("enableServiceLinks") is not False:
        yield "enableServiceLinks must be false"
    for volume in pod.spec.get("volumes", []):
        if not set(volume) & _VOLUMES:
            yield f"the volume {volume['name']!r} is of a kind that restricted-v2 refuses"
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
            yield f"the volume {volume['name']!r} must have a sizeLimit, or it may fill the node"
        sources = volume.get("projected", {}).get("sources", [])
        if any("serviceAccountToken" in source for source in sources) and pod.name not in _TOKENS:
            yield f"the volume {volume['name']!r} holds a token that nothing needs"


def _containers(pod: PodTemplate) -> Iterator[str]:
    at_pod = pod.spec.get("securityContext", {})
    for entry in pod.containers:
        own = entry.get("securityContext", {})
        both = at_pod | own
        expected = {
            "runAsNonRoot": both.get("runAsNonRoot") is True,
            "seccompProfile RuntimeDefault": both.get("seccompProfile") == {"type": "RuntimeDefault"},
            "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
            "allowPrivilegeEscalation false": own.get("allowPrivilegeEscalation") is False,
            "capabilities drop ALL": own.get("capabilities") == {"drop": ["ALL"]},
        }
        yield from (f"{entry['name']}: {name} is missing" for name, there in expected.items() if not there)
        resources = entry.get("resources", {})
        for kind in ("requests", "limits"):
            if missing := {"cpu", "memory"} - set(resources.get(kind, {})):
                yield f"{entry['name']}: {kind} lack {sorted(missing)}"
        if is_knative_service(pod.owner) and any(port.get("hostPort") for port in entry.get("ports", [])):
            yield f"{entry['name']}: hostPort"
