"""Registering artifacts with a real MLflow server."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import pytest

from cosmoformer.errors import InvalidRequest, ModelRefused, RegistryUnavailable
from cosmoformer.registration import register
from cosmoformer.registry import Registry, served_path
from cosmoformer.settings import load
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


def _run(registry: Registry, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = registry.get("runs/get", run_id=run_id)["run"]
    return run


def _experiment_id(registry: Registry) -> str:
    found = registry.get("experiments/get-by-name", experiment_name=registry.settings.model_name)
    return str(found["experiment"]["experiment_id"])
