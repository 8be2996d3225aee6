"""Does every field exist, with a value of its type? Kubernetes' own schemas, and those of the operators' CRDs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator

from tests.contracts import contract
from tests.knative.objects import label
from tests.knative.rendering import Object

#: Kubernetes of the oldest OpenShift that Serverless 1.38 supports, whose schema newer ones only add to.
KUBERNETES = "1.30"
#: Kinds whose CRDs are not among the contracts, reduced to the fields in use: the Prometheus operator's API (v1), Rook's
#: object storage CRDs (ceph.rook.io/v1) and lib-bucket-provisioner's claim (objectbucket.io/v1alpha1), each from its reference;
#: and kinds whose CRD has no schema: CephSource (eventing-ceph, `cephsource_types.go` and `cephsource_validation.go`) and what is
#: patched of NooBaa (noobaa-operator, `BucketNotificationsSpec`).
OTHER_KINDS = Path(__file__).with_name("other_kinds.json")
_NO_JSON_SCHEMA = {
    "description",
    "nullable",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
}
_CORE = ("v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1")


def is_core(document: Object) -> bool:
    """Whether the kind is one of Kubernetes itself."""
    return document["apiVersion"] in _CORE


@cache
def _other_kinds() -> dict[str, Any]:
    schemas: dict[str, Any] = json.loads(OTHER_KINDS.read_text())
    return schemas


def is_other(document: Object) -> bool:
    """Whether the kind is one of those described beside this file."""
    return f"{document['apiVersion']}/{document['kind']}" in _other_kinds()


@cache
def custom_resources() -> dict[tuple[str, str], Mapping[str, Any]]:
    """Schema by (apiVersion, kind) of every CRD among the contracts."""
    found = {}
    for file in sorted(contract("crds").rglob("*.yaml")):
        for document in yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader):
            if not document or document["kind"] != "CustomResourceDefinition":
                continue
            spec = document["spec"]
            for version in spec["versions"]:
                key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                found[key] = closed(version["schema"]["openAPIV3Schema"])
    return found


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A CRD's schema as JSON Schema that refuses unknown fields, as an API server with strict field validation does."""
    result = {key: value for key, value in schema.items() if value is not None and key not in _NO_JSON_SCHEMA}
    if "properties" in result:
        result["properties"] = {name: closed(member) for name, member in result["properties"].items()}
        if {"backoffDelay", "retry"} <= set(
            result["properties"]
        ):  # the controllers know it, their CRDs do not declare it
            result["properties"].setdefault("timeout", {"type": "string"})
        # Also where the CRD would keep unknown fields, as in a Trigger's spec: nothing would ever act on them.
        result.setdefault("additionalProperties", False)
    if isinstance(result.get("items"), dict):
        result["items"] = closed(result["items"])
    if isinstance(result.get("additionalProperties"), dict):
        result["additionalProperties"] = closed(result["additionalProperties"])
    for word in ("anyOf", "oneOf", "allOf"):
        if word in result:  # these only narrow what the fields above allow
            result[word] = [
                {k: v for k, v in closed(member).items() if k != "additionalProperties"} for member in result[word]
            ]
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
        result.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    return result


def core_problems(documents: list[Object]) -> list[str]:
    """What Kubernetes' schemas find in objects of its own kinds."""
    return [problem for document in filter(is_core, documents) for problem in _core_problems(json.dumps(document))]


@cache  # combinations share most of their objects, and each schema is read from its file anew
def _core_problems(text: str) -> list[str]:
    document = json.loads(text)
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{label(document)}: {'.'.join(map(str, error.path))}: {error.message}"]
    return []


def custom_problems(documents: list[Object]) -> list[str]:
    """What the CRDs' schemas find in objects of Knative and OpenShift."""
    problems = []
    for document in documents:
        if is_core(document) or is_other(document):
            continue
        schema = custom_resources().get((document["apiVersion"], document["kind"]))
        if schema is None:
            problems.append(f"{label(document)}: no schema for {document['apiVersion']}")
        else:
            problems += _problems(document, schema)
    return problems


def other_problems(documents: list[Object]) -> list[str]:
    """What the reduced schemas find in objects of Rook, of claims and of the Prometheus operator."""
    problems = []
    for document in filter(is_other, documents):
        problems += _problems(document, _other_kinds()[f"{document['apiVersion']}/{document['kind']}"])
    return problems


def _problems(document: Object, schema: Mapping[str, Any]) -> list[str]:
    body = {key: value for key, value in document.items() if key not in ("apiVersion", "kind", "metadata")}
    inner = dict(schema) | {
        "properties": {
            k: v for k, v in schema.get("properties", {}).items() if k not in ("apiVersion", "kind", "metadata")
        },
        "required": [name for name in schema.get("required", []) if name not in ("apiVersion", "kind", "metadata")],
    }
    errors = Draft202012Validator(inner).iter_errors(body)
    return [f"{label(document)}: {'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
