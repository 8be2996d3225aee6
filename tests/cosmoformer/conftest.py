"""A store with two buckets of its own, and a registry with a model of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from cosmoformer.models.registry import Registry
from cosmoformer.settings import load
from cosmoformer.storage.store import Store
from tests.conftest import ObjectStore
from tests.cosmoformer.judged_images import judged
from tests.deployments import deployment, describing
from tests.mlflow_server import MlflowServer

__all__ = ["deployment", "describing", "judged"]


@pytest.fixture
def store(object_store: ObjectStore, bucket: Callable[[], str]) -> Store:
    """The object store, with an empty bucket for images and one for results."""
    return Store(object_store.settings(images_bucket=bucket(), results_bucket=bucket()))


@pytest.fixture
def registry(mlflow_server: MlflowServer) -> Registry:
    """The registry, with the name of a model that is not registered yet."""
    return Registry(load({}, mlflow_tracking_uri=mlflow_server.url, model_name=f"test-{uuid.uuid4().hex[:12]}"))
