"""What is applied: overlays/dev with these images, this store, and a sweep that comes only when a test asks for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.options import Options
from tests.knative.rendering import KNATIVE, Object

DEV = KNATIVE / "overlays" / "dev"
#: Once a year: a sweep that comes by itself would do what other tests wait for.
NEVER, EVERY_MINUTE = "0 0 1 1 *", "* * * * *"


def kustomization(options: Options, folder: Path) -> dict[str, Any]:
    """The kustomization, to be written into a folder.

    The order of overlays/dev is said again, since the outermost kustomization decides about it.
    """
    buckets = dict(options.buckets)
    models = buckets.pop("MODELS_BUCKET")
    settings = {"S3_PUBLIC_ENDPOINT_URL": options.store_public_url, **buckets}
    storage = {"S3_ENDPOINT_URL": options.store_url, "AWS_REGION": options.region, "MODELS_BUCKET": models}
    sweep = [{"op": "replace", "path": "/spec/schedule", "value": NEVER}]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "sortOptions": yaml.safe_load((DEV / "kustomization.yaml").read_text(encoding="utf-8"))["sortOptions"],
        "resources": [os.path.relpath(DEV, folder.resolve())],  # kustomize takes no absolute path
        "configMapGenerator": [_merged("cosmoformer-settings", settings), _merged("cosmoformer-storage", storage)],
        "images": [_replacement(name, options) for name in options.images],
        "patches": [{"target": {"kind": "PingSource", "name": "sweep"}, "patch": yaml.safe_dump(sweep)}],
    }


def _merged(name: str, values: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "behavior": "merge", "literals": [f"{key}={value}" for key, value in values.items()]}


def _replacement(name: str, options: Options) -> dict[str, str]:
    """From the name that components/images has given it already."""
    images = yaml.safe_load((KNATIVE / "components/images/kustomization.yaml").read_text(encoding="utf-8"))["images"]
    named = next(entry["newName"] for entry in images if entry["name"] == name)
    image = options.images[name]
    version = {"digest": image.digest} if image.digest else {"newTag": image.tag}
    return {"name": named, "newName": image.name, **version}


def write(options: Options, folder: Path) -> None:
    """Write the kustomization into a folder."""
    text = yaml.safe_dump(kustomization(options, folder), sort_keys=False)
    (folder / "kustomization.yaml").write_text(text, encoding="utf-8")


def namespace(options: Options) -> Object:
    """The namespace: pods that ask for more than restricted-v2 gives are refused, and sinks are bound on OpenShift too."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "bindings.knative.dev/include": "true"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": options.name, "labels": labels}}


def secrets(options: Options, webhook_secret: str, encryption_key: str) -> list[Object]:
    """The Secrets that an installation makes by hand (knative/README.md)."""
    keys = {"AWS_ACCESS_KEY_ID": options.access_key, "AWS_SECRET_ACCESS_KEY": options.secret_key}
    webhook = {
        "MLFLOW_WEBHOOK_SECRET": webhook_secret,
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": encryption_key,
    }
    contents = {"cosmoformer-store": keys, "cosmoformer-models": keys, "cosmoformer-webhook": webhook}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
        for name, data in contents.items()
    ]
