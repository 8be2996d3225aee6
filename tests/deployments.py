"""What one classify process would see: a real store, a real registry, and artifacts made from the bundled one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import urllib3

from cosmoformer.models import artifact
from cosmoformer.models.bundled import BUNDLED, bundle
from cosmoformer.models.registration import register
from cosmoformer.models.registry import ModelVersion, Registry
from cosmoformer.models.sources import artifact_path
from cosmoformer.settings import Settings
from cosmoformer.storage.store import Store
from functions.classify.serving import ModelServing
from functions.runtime.store_gate import StoreGate
from tests.conftest import ObjectStore
from tests.mlflow_server import MlflowServer


@pytest.fixture(scope="session")
def model() -> bytes:
    """The bundled artifact."""
    return (BUNDLED / "model.pt").read_bytes()


@pytest.fixture(scope="session")
def describing() -> bytes:
    """The bundled model, which gives features if it does not already."""
    from training.repack import repacked  # needs what only training does

    model = bundle().artifact
    return model if artifact.read_metadata(model).features else repacked(model)


def altered(model: bytes, *, note: str = "", probabilities_off_by: float = 0.0, classes: int | None = None) -> bytes:
    """The same model in another file: with a note, a self-check that cannot come out, or too few class names."""
    import torch  # which takes seconds, and most tests that import this module do without

    extra = {artifact.METADATA: "", artifact.SELF_CHECK: ""}
    module = torch.jit.load(io.BytesIO(model), _extra_files=extra)
    check = json.loads(extra[artifact.SELF_CHECK])
    check["probabilities"] = [[value + probabilities_off_by for value in row] for row in check["probabilities"]]
    members = json.loads(extra[artifact.METADATA])
    members["classes"] = members["classes"][:classes]
    stream = io.BytesIO()
    torch.jit.save(
        module,
        stream,
        _extra_files={
            artifact.METADATA: json.dumps(members),
            artifact.SELF_CHECK: json.dumps(check),
            "note": note,
        },
    )
    return stream.getvalue()


@dataclass(frozen=True)
class Deployment:
    """What one classify process would see."""

    settings: Settings
    store: Store
    registry: Registry

    def register(self, content: bytes, alias: str | None = None, **tags: str) -> ModelVersion:
        """A new version of this deployment's own model."""
        return register(self.registry, content, tags=tags, alias=alias)

    def delete(self, version: ModelVersion) -> None:
        """Delete a version, as MLflow's page does; its aliases go with it."""
        body = {"name": version.name, "version": str(version.version)}
        url = f"{self.registry.url}/api/2.0/mlflow/model-versions/delete"
        assert urllib3.request("DELETE", url, json=body).status == 200

    def remove_artifact(self, version: ModelVersion) -> None:
        """Remove a version's file from under MLflow."""
        path = artifact_path(version.source)
        url = f"{self.registry.url}/api/2.0/mlflow-artifacts/artifacts/{path}"
        assert urllib3.request("DELETE", url).status == 200

    def of_model(self, name: str) -> Deployment:
        """The same buckets with another model."""
        settings = Settings(**(vars(self.settings) | {"model_name": name}))
        return Deployment(settings, Store(settings), Registry(settings))

    def serving(self) -> ModelServing:
        """A fresh process's model, with a cache folder of this deployment."""
        return ModelServing(self.settings, self.registry)

    def gate(self) -> StoreGate:
        """A fresh process's gate, which has not asked the store yet."""
        return StoreGate(self.settings, Store(self.settings), needed=())


@pytest.fixture
def deployment(
    object_store: ObjectStore, mlflow_server: MlflowServer, bucket: Callable[[], str], tmp_path: Path
) -> Deployment:
    """A deployment with buckets and a registered model name of its own."""
    settings = object_store.settings(
        images_bucket=bucket(),
        results_bucket=bucket(),
        mlflow_tracking_uri=mlflow_server.url,
        model_name=f"test-{uuid4().hex[:8]}",
        model_cache_dir=tmp_path / "models",
        likeness_cache_dir=tmp_path / "likeness",
        max_image_bytes=1 << 20,
    )
    return Deployment(settings, Store(settings), Registry(settings))
