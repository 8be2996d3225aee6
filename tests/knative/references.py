"""Does everything that is named exist? Sinks, subjects, ConfigMaps, Secrets, volumes, claims, accounts, URLs, images."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cosmoformer.errors import SettingsError
from cosmoformer.settings import SETTINGS, Setting
from tests.knative.objects import (
    SETTINGS_MAPS,
    PodTemplate,
    is_knative_service,
    label,
    named,
    of_kind,
    pod_templates,
    settings,
    walk,
)
from tests.knative.rendering import KNATIVE, Object

VERSION = tomllib.loads((KNATIVE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
#: Secrets that an installation makes by hand (knative/README.md), with their keys.
SECRETS = {
    "cosmoformer-store": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
    "cosmoformer-page-keys": {
        "UPLOAD_ACCESS_KEY_ID",
        "UPLOAD_SECRET_ACCESS_KEY",
        "VIEW_ACCESS_KEY_ID",
        "VIEW_SECRET_ACCESS_KEY",
    },
    "cosmoformer-models": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
    "cosmoformer-webhook": {"MLFLOW_WEBHOOK_SECRET", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"},
    "cosmoformer-mlflow-database": {"uri"},
    "cosmoformer-mlflow-login": {"cookie-secret"},
}
#: Settings that MLflow reads beside the functions: it is started anew when one of them changes, and by no other.
SHARED_WITH_MLFLOW = {"S3_ENDPOINT_URL", "AWS_REGION", "MODELS_BUCKET"}
_CLAIMED_KEYS = {"BUCKET_NAME", "BUCKET_HOST", "BUCKET_PORT"}
#: In every namespace: Kubernetes' and OpenShift's certificate authorities.
_GIVEN_CONFIG_MAPS = {"kube-root-ca.crt", "openshift-service-ca.crt"}
#: Variables that are no settings: what our own server, Python, boto3, MLflow and its login read, and what others refer to.
_OTHER_VARIABLES = re.compile(r"HOST|HOME|NAMESPACE|AWS_\w+|BUCKET_\w+|DO_NOT_TRACK|MLFLOW_\w+")
#: The only image that is not ours.
_FOREIGN_IMAGES = ("registry.redhat.io/openshift4/ose-oauth-proxy-rhel9",)


def reference_problems(documents: list[Object]) -> list[str]:
    """Names that nothing bears."""
    problems = []
    for document in documents:
        problems += [f"{label(document)}: {problem}" for problem in _object_references(document, documents)]
    for pod in pod_templates(documents):
        problems += [f"{pod.name}: {problem}" for problem in (*_variables(pod, documents), *_volumes(pod, documents))]
    return problems + _clashes(documents)


def _clashes(documents: list[Object]) -> list[str]:
    """A Knative Service makes a Service of its own name."""
    core = {document["metadata"]["name"] for document in of_kind(documents, "Service")}
    return [
        f"{label(document)}: a Service of Kubernetes has its name already"
        for document in documents
        if is_knative_service(document) and document["metadata"]["name"] in core
    ]


def _exists(documents: list[Object], api: str, kind: str, name: str) -> bool:
    return any(
        (document["apiVersion"], document["kind"], document["metadata"]["name"]) == (api, kind, name)
        for document in documents
    )


def _object_references(document: Object, documents: list[Object]) -> Iterator[str]:
    spec = document.get("spec", {})
    for path, value in walk(spec):
        named_here = path.rpartition(".")[2] in ("ref", "subject", "config") and isinstance(value, dict)
        if named_here and not _exists(documents, value["apiVersion"], value["kind"], value["name"]):
            yield f"{path}: there is no {value['kind']} {value['name']} of {value['apiVersion']}"
        if path.endswith((".uri", ".value")) and isinstance(value, str) and value.startswith(("http://", "https://")):
            yield from url_problems(value, documents)
    if document["kind"] == "Trigger" and not any(
        broker["metadata"]["name"] == spec["broker"] for broker in of_kind(documents, "Broker")
    ):
        yield f"there is no Broker {spec['broker']}"
    if document["kind"] == "Route" and document["metadata"].get("namespace") != "knative-serving-ingress":
        services = [s["metadata"]["name"] for s in of_kind(documents, "Service")]
        if spec["to"]["name"] not in services:
            yield f"there is no Service {spec['to']['name']}"
    if document["kind"] == "CephBucketNotification":
        if not any(topic["metadata"]["name"] == spec["topic"] for topic in of_kind(documents, "CephBucketTopic")):
            yield f"there is no CephBucketTopic {spec['topic']}"
        name = document["metadata"]["name"]
        claims = of_kind(documents, "ObjectBucketClaim")
        if not any(c["metadata"].get("labels", {}).get(f"bucket-notification-{name}") == name for c in claims):
            yield f"no ObjectBucketClaim is labelled bucket-notification-{name}: {name}"


def url_problems(url: str, documents: list[Object]) -> Iterator[str]:
    """What is wrong with a URL of this namespace: its Service, namespace or port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if "$(" in url and not host.endswith("svc.cluster.local"):
        return
    name, _, rest = host.partition(".")
    inside = rest.endswith("svc.cluster.local") or "." not in host
    if not inside or name in ("localhost", "store"):  # `store` is the example of base/settings.env
        return
    services = [document for document in documents if document["kind"] == "Service"]
    found = [service for service in services if service["metadata"]["name"] == name]
    if not found:
        yield f"{url}: there is no Service {name}"
        return
    if is_knative_service(found[0]):
        if not rest.endswith(".svc.cluster.local"):
            yield f"{url}: a Knative Service answers to its whole name only, {name}.NAMESPACE.svc.cluster.local"
        if parts.port not in (None, 80):
            yield f"{url}: a Knative Service answers at port 80"
    elif (parts.port or 80) not in [port["port"] for port in found[0]["spec"]["ports"]]:
        yield f"{url}: the Service {name} has no port {parts.port or 80}"
    namespace = found[0]["metadata"].get("namespace")
    said = rest.removesuffix("svc.cluster.local").rstrip(".")
    if namespace and said and "$(" not in said and said.lower() != namespace:
        yield f"{url}: the namespace is {namespace}"


def _keys(kind: str, name: str, documents: list[Object]) -> set[str] | None:
    """The keys of a ConfigMap or Secret, made by hand or by a claim; None when there is none such."""
    claimed = any(claim["metadata"]["name"] == name for claim in of_kind(documents, "ObjectBucketClaim"))
    if kind == "Secret":
        certificates = [
            service["metadata"].get("annotations", {}).get("service.beta.openshift.io/serving-cert-secret-name")
            for service in of_kind(documents, "Service")
        ]
        return {"tls.crt", "tls.key"} if name in certificates else SECRETS.get(name)
    if claimed:
        return _CLAIMED_KEYS
    found = [document for document in of_kind(documents, "ConfigMap") if document["metadata"]["name"] == name]
    return set(found[0]["data"]) if found else None


def _variables(pod: PodTemplate, documents: list[Object]) -> Iterator[str]:
    known = {setting.name for setting in SETTINGS}
    for entry in pod.containers:
        defined: set[str] = set()
        for source in entry.get("envFrom", []):
            name = source["configMapRef"]["name"]
            keys = _keys("ConfigMap", name, documents)
            if keys is None:
                yield f"there is no ConfigMap {name}"
            defined |= keys or set()
        names = [variable["name"] for variable in entry.get("env", [])]
        if len(set(names)) < len(names):
            yield f"{entry['name']}: variables twice: {sorted({name for name in names if names.count(name) > 1})}"
        for variable in entry.get("env", []):
            name = variable["name"]
            if name not in known and not _OTHER_VARIABLES.fullmatch(name):
                yield f"{entry['name']}: {name} is no setting"
            for used in re.findall(r"\$\((\w+)\)", str(variable.get("value", ""))):
                if used not in defined:
                    yield f"{entry['name']}: {name} uses {used}, which is not defined before it"
            defined.add(name)
            for kind, member in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
                if wanted := variable.get("valueFrom", {}).get(member):
                    keys = _keys(kind, wanted["name"], documents)
                    if keys is None or wanted["key"] not in keys:
                        yield f"{entry['name']}: there is no {kind} {wanted['name']} with a key {wanted['key']}"


def _volumes(pod: PodTemplate, documents: list[Object]) -> Iterator[str]:
    spec = pod.spec
    accounts = [account["metadata"]["name"] for account in of_kind(documents, "ServiceAccount")]
    if spec.get("serviceAccountName") not in accounts:
        yield f"there is no ServiceAccount {spec.get('serviceAccountName')}"
    names = {volume["name"] for volume in spec.get("volumes", [])}
    mounted = {mount["name"] for entry in pod.containers for mount in entry.get("volumeMounts", [])}
    for name in sorted(names ^ mounted):
        yield f"the volume {name!r} is {'not mounted' if name in names else 'mounted and not there'}"
    for volume in spec.get("volumes", []):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim and not _exists(documents, "v1", "PersistentVolumeClaim", claim):
            yield f"there is no PersistentVolumeClaim {claim}"
        config_map = volume.get("configMap", {}).get("name")
        if config_map and config_map not in _GIVEN_CONFIG_MAPS and _keys("ConfigMap", config_map, documents) is None:
            yield f"there is no ConfigMap {config_map}"
        secret = volume.get("secret", {}).get("secretName")
        if secret and _keys("Secret", secret, documents) is None:
            yield f"there is no Secret {secret}"


def settings_problems(documents: list[Object]) -> list[str]:
    """Keys of the settings' ConfigMap that are no settings, and values that cannot be read or are none of its business."""
    known = {setting.name: setting for setting in SETTINGS}
    problems = [
        f"{key} belongs into {'cosmoformer-storage' if key in SHARED_WITH_MLFLOW else 'cosmoformer-settings'}, not {name}"
        for name in SETTINGS_MAPS
        for key in named(documents, "ConfigMap", name)["data"]
        if (key in SHARED_WITH_MLFLOW) is not (name == "cosmoformer-storage")
    ]
    for key, value in settings(documents).items():
        setting = known.get(key)
        if setting is None:
            problems.append(f"{key} is no setting")
        elif setting.secret:
            problems.append(f"{key} is a secret and belongs into a Secret")
        elif setting.part == "one machine" and key != "MODELS_BUCKET":
            problems.append(f"{key} is for one machine only")
        elif key.endswith(("_URL", "_URI")):
            problems += url_problems(value, documents)
        else:
            problems += _malformed(setting, value)
    return problems


def _malformed(setting: Setting, value: str) -> Iterator[str]:
    try:
        setting.read(value)
    except SettingsError as error:
        yield error.detail


def image_problems(documents: list[Object]) -> list[str]:
    """Images without a version or digest, or of another version than the project's."""
    problems = []
    for pod in pod_templates(documents):
        for entry in pod.containers:
            name, _, digest = entry["image"].partition("@")
            repository, _, tag = name.rpartition(":")
            if digest.startswith("sha256:"):
                continue
            if not repository or "/" in tag or tag in ("", "latest"):
                problems.append(f"{pod.name}: {entry['image']} has neither a version nor a digest")
            elif repository not in _FOREIGN_IMAGES and tag != VERSION:
                problems.append(f"{pod.name}: {entry['image']} is not of version {VERSION}")
    return problems


def image_name_problems(folder: Path) -> list[str]:
    """Files outside components/images that name a registry: there is one place for that."""
    found = []
    for file in sorted(folder.rglob("*.yaml")):
        images = re.findall(r"^\s*(?:- )?image:\s*(\S+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if file.parent.name != "images":
            found += [f"{file.relative_to(folder)}: {image}" for image in images if re.search(r"[/:@]", image)]
    return found
