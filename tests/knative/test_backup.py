"""A registry is backed up and restored with the runbook's own commands, at a real MLflow server and a real object gateway."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.models.webhooks import subscribe_to_promotions
from cosmoformer.settings import Settings, load
from cosmoformer.storage.store import Store
from tests.conftest import ObjectStore
from tests.cosmoformer.local.subscriber import Subscriber, wait_until
from tests.cosmoformer.tiny_artifact import tiny_artifact
from tests.knative.rendering import KNATIVE
from tests.knative.runbook import Command, commands
from tests.mlflow_server import MlflowServer, running_mlflow

_SECRET = "hidden"
_PAGE = KNATIVE / "runbook/upkeep.md"


def _typed(start: str) -> tuple[str, ...]:
    """What the page has typed in MLflow's pod, by how it starts."""
    found: list[Command] = [c for c in commands() if c.page == _PAGE and " ".join(c.own).startswith(start)]
    (command,) = found
    return command.own


def _in_pod(argv: tuple[str, ...], folder: Path, stdin: bytes = b"") -> bytes:
    """Run a command of MLflow's pod, whose volumes are folders here."""
    here = [re.sub(r"(?<![\w/])/(data|tmp)/", rf"{folder}/\1/", word) for word in argv]
    here[0] = sys.executable if here[0] == "python" else here[0]
    done = subprocess.run(here, input=stdin, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def server(
    object_store: ObjectStore, bucket: Callable[[], str], tmp_path: Path
) -> tuple[Settings, Callable[[], AbstractContextManager[MlflowServer]]]:
    """Settings with the models' bucket, and how MLflow is started on a volume of its own, as its Deployment has it."""
    settings = object_store.settings(models_bucket=bucket())
    for name in ("data", "tmp"):
        (tmp_path / name).mkdir()
    variables = {
        "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key,
        "AWS_DEFAULT_REGION": settings.aws_region,
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    artifacts = f"s3://{settings.models_bucket}/"
    return settings, lambda: running_mlflow(tmp_path / "data", artifacts=artifacts, **variables)


def _registry(server: MlflowServer, ingest_url: str) -> Registry:
    return Registry(load({}, mlflow_tracking_uri=server.url, model_name="galaxies", ingest_url=ingest_url))


def _is_signed(received: Subscriber) -> bool:
    """Whether the webhook's secret came back with the database: its signature is what ingest expects."""
    headers, body = received.received[-1].headers, received.received[-1].body
    signed = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.{body.decode()}"
    digest = hmac.new(_SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    return headers["x-mlflow-signature"] == "v1," + base64.b64encode(digest).decode()


@pytest.mark.slow
def test_registry_is_restored(
    server: tuple[Settings, Callable[[], AbstractContextManager[MlflowServer]]], tmp_path: Path
) -> None:
    """After the loss of volume and bucket, versions, alias, artifact and the webhook's secret are those of the backup."""
    settings, start = server
    store, content = Store(settings), tiny_artifact(run="kept")
    with Subscriber(200) as ingest:
        with start() as mlflow:
            registry = _registry(mlflow, ingest.url.rstrip("/"))
            register(registry, tiny_artifact(), tags={}, alias="champion")
            register(registry, content, tags={}, alias="champion")
            subscribe_to_promotions(registry, _SECRET)
            _in_pod(_typed("python -c"), tmp_path)  # while the server runs
            database = _in_pod(_typed("cat /tmp/backup.db"), tmp_path)
            models = _objects(store, settings.models_bucket)
            registry.set_alias("champion", 1)  # after the backup, and so not in it
        for file in (tmp_path / "data").glob("mlflow.db*"):
            file.unlink()
        for key in models:
            store.delete(settings.models_bucket, key)
        with start():  # a fresh installation, whose server runs while its database is replaced
            for key, kept in models.items():
                store.write(settings.models_bucket, key, kept, "application/octet-stream")
            _in_pod(_typed("sh -c cat >/data/restored.db"), tmp_path, database)
        with start() as mlflow:  # `kubectl rollout restart`
            registry = _registry(mlflow, ingest.url.rstrip("/"))
            assert registry.aliases() == {"champion": 2}
            assert registry.download(registry.resolve("champion")) == content
            ingest.received.clear()
            registry.set_alias("champion", 1)
            wait_until(lambda: ingest.received)
            assert _is_signed(ingest)


def _objects(store: Store, bucket: str) -> dict[str, bytes]:
    """What `aws s3 sync` would copy."""
    keys = [entry.key for entry in store.list(bucket)]
    return {key: store.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
