"""The classify function in a deployment of its own."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
import torch
from flask.testing import FlaskClient

from cosmoformer.models.bundled import BUNDLED
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings import load
from cosmoformer.storage.results import ResultsBucket
from functions.classify.app import build_app
from functions.classify.handler import Handler
from functions.classify.serving import ModelServing
from tests.deployments import Deployment, altered, deployment, describing, model
from tests.mlflow_server import MlflowServer

__all__ = ["BUNDLED", "Deployment", "altered", "deployment", "describing", "model"]

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def standing(mlflow_server: MlflowServer, model: bytes, tmp_path_factory: pytest.TempPathFactory) -> ModelServing:
    """The bundled model under a name of its own, loaded once for all tests that promote no other version."""
    name, folder = f"standing-{uuid4().hex[:8]}", tmp_path_factory.mktemp("standing")
    settings = load({}, mlflow_tracking_uri=mlflow_server.url, model_name=name, model_cache_dir=folder)
    register(Registry(settings), model, tags={}, alias="champion")
    serving = ModelServing(settings, Registry(settings))
    serving.refresh()
    return serving


@pytest.fixture
def serving(deployment: Deployment, model: bytes) -> ModelServing:
    """The bundled model as the deployment's own."""
    deployment.register(model, alias="champion")
    serving = deployment.serving()
    serving.refresh()
    return serving


@pytest.fixture
def client(deployment: Deployment, serving: ModelServing) -> Iterator[FlaskClient]:
    """The function that serves it."""
    results = ResultsBucket(deployment.store, lambda: deployment.registry.resolve("champion").identity)
    handler = Handler(deployment.settings, deployment.store, results, serving)
    gate = deployment.gate()
    gate.refresh()
    with build_app(deployment.settings, handler, serving, gate).test_client() as client:
        yield client
