"""How the tests find their way in rendered manifests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.knative.rendering import Object

SERVING = "serving.knative.dev/v1"
#: The ConfigMaps of settings; what MLflow reads too is in the second.
SETTINGS_MAPS = ("cosmoformer-settings", "cosmoformer-storage")
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclass(frozen=True)
class PodTemplate:
    """A pod template, and the object that it is part of."""

    owner: Object
    template: Object

    @property
    def name(self) -> str:
        """Kind and name of the owner."""
        return label(self.owner)

    @property
    def spec(self) -> Object:
        """The pod's spec."""
        return dict(self.template["spec"])

    @property
    def containers(self) -> list[Object]:
        """Its containers, those that only initialise included."""
        return [*self.spec["containers"], *self.spec.get("initContainers", [])]


def label(document: Object) -> str:
    """Kind and name, for messages."""
    return f"{document['kind']} {document['metadata']['name']}"


def is_knative_service(document: Object) -> bool:
    """Whether it is a Knative Service, not one of Kubernetes itself."""
    return bool(document["apiVersion"] == SERVING and document["kind"] == "Service")


def knative_services(documents: list[Object]) -> list[Object]:
    """The Knative Services."""
    return [document for document in documents if is_knative_service(document)]


def of_kind(documents: list[Object], *kinds: str) -> list[Object]:
    """The objects of some kinds; "Service" means those of Kubernetes itself."""
    return [document for document in documents if document["kind"] in kinds and not is_knative_service(document)]


def named(documents: list[Object], kind: str, name: str, api: str = "") -> Object:
    """The one object of a kind (and apiVersion) and name, or of a name that starts so and ends in a digest."""
    found = [
        document
        for document in documents
        if document["kind"] == kind
        and document["apiVersion"].startswith(api)
        and (document["metadata"]["name"] == name or document["metadata"]["name"].startswith(f"{name}-"))
    ]
    exact = [document for document in found if document["metadata"]["name"] == name]
    return (exact or found)[0]


def knative_service(documents: list[Object], name: str) -> Object:
    """A Knative Service by name."""
    return named(knative_services(documents), "Service", name)


def settings(documents: list[Object]) -> dict[str, str]:
    """What the functions read of both ConfigMaps."""
    data = {name: dict(named(documents, "ConfigMap", name)["data"]) for name in SETTINGS_MAPS}
    return {key: value for values in data.values() for key, value in values.items()}


def pod_templates(documents: list[Object]) -> Iterator[PodTemplate]:
    """Every pod template: of Knative Services, Deployments and Jobs."""
    for document in documents:
        if is_knative_service(document) or document["kind"] in ("Deployment", "Job"):
            yield PodTemplate(document, document["spec"]["template"])


def container(document: Object, name: str = "") -> Object:
    """A container of an object's pod template: the one of this name, or the first."""
    containers = document["spec"]["template"]["spec"]["containers"]
    found: Object = next(entry for entry in containers if entry["name"] == (name or containers[0]["name"]))
    return found


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside a document, with its path."""
    yield path, value
    if isinstance(value, dict):
        for key, member in value.items():
            yield from walk(member, f"{path}.{key}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from walk(member, f"{path}[{index}]")


def quantity(text: Any) -> Decimal:
    """A Kubernetes quantity: CPUs or bytes."""
    text = str(text)
    if text[-2:] in _BINARY:
        return Decimal(text[:-2]) * _BINARY[text[-2:]]
    return Decimal(text[:-1]) / 1000 if text.endswith("m") else Decimal(text)
