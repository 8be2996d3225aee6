"""Registering artifacts with a real MLflow server."""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import urllib3
from mlflow.models import get_model_info

import mlflow
from cosmoformer.errors import InvalidRequest, ModelRefused, RegistryUnavailable
from cosmoformer.models.artifact import digest
from cosmoformer.models.bundled import bundle, register_bundled_model, register_further_bundles
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.models.sources import served_path
from cosmoformer.served_models import settings_for
from cosmoformer.settings import load
from tests.cosmoformer.tiny_artifact import tiny_artifact
from tests.mlflow_server import MlflowServer


def test_a_registered_artifact_comes_back_byte_for_byte(registry: Registry) -> None:
    """What is registered is listed with its digest and can be downloaded."""
    content = bytes(range(256)) * 1000
    version = register(registry, content, tags={"accuracy": "0.9"}, description="**first**")
    assert version.version == 1
    assert version.sha256 == hashlib.sha256(content).hexdigest()
    (listed,) = registry.versions()
    assert (listed.sha256, listed.tags["accuracy"], listed.source) == (version.sha256, "0.9", version.source)
    assert registry.download(listed) == content


def test_an_alias_points_to_the_new_version(registry: Registry) -> None:
    """With an alias, the version is what the alias resolves to."""
    register(registry, b"one", tags={})
    second = register(registry, b"two", tags={}, alias="champion")
    assert registry.resolve("champion").version == second.version == 2


def test_registering_twice_makes_two_versions_in_one_experiment(registry: Registry) -> None:
    """Experiment and model are made once and used again."""
    runs = [register(registry, b"same", tags={}).run_id for _ in range(2)]
    experiments = {_run(registry, run)["info"]["experiment_id"] for run in runs}
    assert [version.version for version in registry.versions()] == [2, 1]
    assert len(set(runs)) == 2 and len(experiments) == 1


def test_metrics_and_parameters_are_logged_to_the_run(registry: Registry) -> None:
    """The run behind a version tells how good it is and how it was trained, and is finished."""
    version = register(registry, b"x", tags={}, metrics={"accuracy": 0.957}, params={"epochs": "12"})
    run = _run(registry, version.run_id)
    assert [(metric["key"], metric["value"]) for metric in run["data"]["metrics"]] == [("accuracy", 0.957)]
    assert [(param["key"], param["value"]) for param in run["data"]["params"]] == [("epochs", "12")]
    assert run["info"]["status"] == "FINISHED"


def test_experiment_and_model_are_found_again_by_any_name(mlflow_server: MlflowServer) -> None:
    """A quote in the name does not lead past the experiment that is there."""
    registry = Registry(load({}, mlflow_tracking_uri=mlflow_server.url, model_name=f"galaxy's {uuid.uuid4().hex[:6]}"))
    for number in (1, 2):
        assert register(registry, b"x", tags={}).version == number
    assert [version.version for version in registry.versions()] == [2, 1]


def test_a_refused_registration_leaves_no_version_and_a_failed_run(registry: Registry) -> None:
    """Nothing half-made is listed; the run that was begun is marked as failed."""
    register(registry, b"x", tags={})
    with pytest.raises(InvalidRequest):
        register(registry, b"x", tags={}, metrics={"no such/../name\n": 1.0})
    assert len(registry.versions()) == 1
    answer = registry.post("runs/search", experiment_ids=[_experiment_id(registry)])
    assert sorted(run["info"]["status"] for run in answer["runs"]) == ["FAILED", "FINISHED"]


def test_a_server_that_does_not_serve_artifacts_is_refused() -> None:
    """An artifact that only the registering machine can see is never registered."""
    with pytest.raises(ModelRefused, match="serve-artifacts"):
        served_path("file:///srv/mlruns/1/abc/artifacts/model.pt")


def test_a_registry_that_does_not_answer_is_a_transient_error() -> None:
    """Nobody listening is RegistryUnavailable."""
    with pytest.raises(RegistryUnavailable):
        register(Registry(load({}, mlflow_tracking_uri="http://127.0.0.1:9")), b"x", tags={})


@pytest.fixture
def mlflow_client(registry: Registry) -> Iterator[None]:
    """MLflow's own package, pointed at the registry's server."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(registry.settings.mlflow_tracking_uri)
    yield
    mlflow.set_tracking_uri(before)


def test_mlflow_itself_finds_signature_and_labels_of_a_version(registry: Registry, mlflow_client: None) -> None:
    """What the model takes and gives is read by MLflow's package from the version, and from the run."""
    version = register(registry, tiny_artifact(), tags={})
    for uri in (f"models:/{version.name}/1", f"runs:/{version.run_id}/{version.source.rpartition('/')[2]}"):
        info = get_model_info(uri)
        assert info.signature is not None
        (images,), (probabilities,) = info.signature.inputs.inputs, info.signature.outputs.inputs
        assert (images.type, images.shape) == (np.dtype("uint8"), (-1, 3, -1, -1))
        assert (probabilities.type, probabilities.shape) == (np.dtype("float32"), (-1, 3))
        assert info.metadata is not None
        assert (info.metadata["classes"], info.metadata["task"]) == (["red", "green", "blue"], "colour")
        assert info.run_id == version.run_id


def test_the_registrys_pages_find_the_signature(registry: Registry) -> None:
    """They ask for MLmodel in the version's source."""
    version = register(registry, tiny_artifact(), tags={})
    answer = urllib3.request(
        "GET",
        f"{registry.settings.mlflow_tracking_uri}/model-versions/get-artifact",
        fields={"path": "MLmodel", "name": version.name, "version": "1"},
    )
    assert answer.status == 200 and "tensor-spec" in json.loads(answer.data)["signature"]["inputs"]


def test_the_bundled_model_has_a_signature_and_labels(registry: Registry, mlflow_client: None) -> None:
    """What `cosmoformer up` registers tells its classes."""
    version = register_bundled_model(registry, lambda _: None)
    assert version is not None and "edge_on" in version.tags["labels"].split(", ")
    info = get_model_info(f"models:/{version.name}/1")
    assert info.signature is not None and info.metadata is not None
    assert info.signature.outputs.inputs[0].shape == (-1, 43)  # five classes, 37 vote fractions, in_domain


def test_a_further_model_that_ships_is_registered_once(registry: Registry) -> None:
    """Under its own name, as champion, where it is served and has no version; others are for people to register."""
    said: list[str] = []
    for _ in range(2):
        register_further_bundles(registry, ("inclination", "unknown"), said.append)
    assert said == ["registering the bundled model as inclination"]
    champion = Registry(settings_for(registry.settings, "inclination")).resolve("champion")
    assert champion.sha256 == digest(bundle("inclination").artifact)
    assert not Registry(settings_for(registry.settings, "unknown")).versions()


def test_a_version_whose_source_is_the_file_is_downloaded(registry: Registry) -> None:
    """A source that ends in .pt is the artifact itself."""
    version = register(registry, b"one", tags={})
    folder = version.source
    registry.upload(f"{served_path(folder)}/alone.pt", b"two")
    body = {"name": version.name, "run_id": version.run_id, "source": f"{folder}/alone.pt"}
    registry.post("model-versions/create", **body)
    assert [registry.download(listed) for listed in registry.versions()] == [b"two", b"one"]


def test_what_is_no_artifact_has_no_signature(registry: Registry) -> None:
    """Nothing is said about a file that nobody can read."""
    version = register(registry, b"no artifact", tags={})
    assert set(version.tags) == {"sha256"}
    (folder,) = registry.get("artifacts/list", run_id=version.run_id)["files"]
    files = registry.get("artifacts/list", run_id=version.run_id, path=folder["path"])["files"]
    assert [file["path"].rpartition("/")[2] for file in files] == ["cosmoformer.pt"]


def test_a_metric_that_is_no_number_is_logged(registry: Registry) -> None:
    """NaN arrives as such, and takes no other figure with it."""
    run = _run(registry, register(registry, b"x", tags={}, metrics={"a": math.nan, "b": 1.0}).run_id)
    assert {metric["key"]: metric["value"] for metric in run["data"]["metrics"]} == {"a": "NaN", "b": 1.0}


def _run(registry: Registry, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = registry.get("runs/get", run_id=run_id)["run"]
    return run


def _experiment_id(registry: Registry) -> str:
    found = registry.get("experiments/get-by-name", experiment_name=registry.settings.model_name)
    return str(found["experiment"]["experiment_id"])
