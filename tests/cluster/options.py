"""What `make test-cluster` is told, as environment variables; knative/runbook/testing.md has the table."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from cosmoformer.settings import Settings, load
from tests.knative.rendering import KNATIVE

#: Set by `make test-cluster`. Not KUBECONFIG: having one is no wish to install something there.
SWITCH = "COSMOFORMER_TEST_CLUSTER"
IMAGES = ("classify", "ingest", "web", "mlflow")
PORT_FORWARD, OWN_URLS = "port-forward", "urls"


class OptionsMissing(Exception):
    """The variables do not say where to test; the message names them."""


@dataclass(frozen=True)
class Image:
    """One image: repository, and tag or digest."""

    name: str
    tag: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Options:
    """Where to test.

    Attributes:
        images: by name, those of :data:`IMAGES`.
        store_url: the store's address for pods.
        store_public_url: its address for this machine, and so in presigned URLs.
        access_key: of an account that may make buckets.
        secret_key: likewise.
        region: that requests are signed for.
        ingress_address: how this machine reaches Knative's gateway: an address, :data:`PORT_FORWARD` or :data:`OWN_URLS`.
        ingress_service: NAMESPACE/NAME of the gateway's Service for :data:`PORT_FORWARD`; empty to look for it.
        notification_url: where the store reaches ingest; empty when it cannot, so that the tests tell ingest of each image.
        keep: whether namespace and buckets stay, to be looked at.
        patience_s: how long a pod may take to come or go, seconds.
        name: of the namespace, and the start of the buckets' names; new each time.
    """

    images: Mapping[str, Image]
    store_url: str
    store_public_url: str
    access_key: str
    secret_key: str
    region: str
    ingress_address: str
    ingress_service: str
    notification_url: str
    keep: bool
    patience_s: float
    name: str

    @property
    def buckets(self) -> dict[str, str]:
        """Names of the three buckets, by setting."""
        return {
            "IMAGES_BUCKET": f"{self.name}-images",
            "RESULTS_BUCKET": f"{self.name}-results",
            "MODELS_BUCKET": f"{self.name}-models",
        }

    def settings(self) -> Settings:
        """Settings of this machine: the store by its outside address."""
        buckets = {name.lower(): value for name, value in self.buckets.items()}
        return load(
            {},
            s3_endpoint_url=self.store_public_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_region=self.region,
            **buckets,
        )


def read(environment: Mapping[str, str]) -> Options:
    """The options.

    Raises:
        OptionsMissing: a variable that is needed is not set, or malformed.
    """
    needed = ("S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    if missing := [name for name in needed if not environment.get(name)]:
        raise OptionsMissing(f"set {', '.join(missing)}: knative/runbook/testing.md says what each is")
    name = f"cosmoformer-test-{secrets.token_hex(4)}"
    return Options(
        images=_images(environment),
        store_url=environment["S3_ENDPOINT_URL"],
        store_public_url=environment.get("S3_PUBLIC_ENDPOINT_URL") or environment["S3_ENDPOINT_URL"],
        access_key=environment["AWS_ACCESS_KEY_ID"],
        secret_key=environment["AWS_SECRET_ACCESS_KEY"],
        region=environment.get("AWS_REGION") or "us-east-1",
        ingress_address=environment.get("INGRESS_ADDRESS") or PORT_FORWARD,
        ingress_service=environment.get("INGRESS_SERVICE", ""),
        notification_url=environment.get("NOTIFICATION_URL", "").format(namespace=name),
        keep=environment.get("KEEP", "") not in ("", "0", "no"),
        patience_s=float(environment.get("PATIENCE_SECONDS") or 300),
        name=name,
    )


def _images(environment: Mapping[str, str]) -> dict[str, Image]:
    """The names of components/images, or the prefix and tag that `make images` takes; each may have a reference of its own."""
    file = KNATIVE / "components/images/kustomization.yaml"
    listed = {entry["name"]: entry for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["images"]}
    prefix, tag = environment.get("IMAGE_PREFIX"), environment.get("IMAGE_TAG")
    found = {
        name: Image(f"{prefix}/{name}" if prefix else listed[name]["newName"], tag=tag or listed[name]["newTag"])
        for name in IMAGES
    }
    for part in filter(None, re.split(r"[,\s]+", environment.get("IMAGE_REFERENCES", ""))):
        name, _, reference = part.partition("=")
        if name not in found:
            raise OptionsMissing(f"IMAGE_REFERENCES knows {', '.join(IMAGES)}, not {name!r}")
        found[name] = _image(reference)
    return found


def _image(reference: str) -> Image:
    name, _, digest = reference.partition("@")
    repository, _, tag = name.rpartition(":")
    tagged = bool(repository) and "/" not in tag
    if digest:
        return Image(repository if tagged else name, digest=digest)
    if not tagged:
        raise OptionsMissing(f"the image {reference!r} has neither a tag nor a digest")
    return Image(repository, tag=tag)
