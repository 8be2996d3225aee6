"""New versions of the model: how an artifact file gets into the registry, without the ``mlflow`` package."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from cosmoformer.artifact import digest
from cosmoformer.errors import CosmoFormerError, InvalidRequest
from cosmoformer.registry import DIGEST_TAG, ModelVersion, Registry, served_path

ARTIFACT_PATH = "model/cosmoformer.pt"  # below the run's artifacts


def register(
    registry: Registry,
    artifact: bytes,
    *,
    tags: Mapping[str, str],
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, str] | None = None,
    description: str = "",
    alias: str | None = None,
) -> ModelVersion:
    """Register an artifact as a new version of the configured model.

    Experiment and model, both named ``MODEL_NAME``, are made when they are missing. The version is made last, so one that
    is listed is whole.

    Args:
        registry: where to.
        artifact: the file's content.
        tags: of the version; its digest is added as the tag ``sha256``.
        metrics: logged to the run that the version comes from.
        params: likewise.
        description: of the version, Markdown.
        alias: what is pointed to it in the end.

    Returns:
        The version.

    Raises:
        RegistryUnavailable: MLflow does not answer.
        ModelRefused: the server does not serve artifacts, so that nobody could download this one.
        InvalidRequest: MLflow refuses a tag, metric or parameter, or the alias's name.
    """
    name = registry.settings.model_name
    run = _start_run(registry, name)
    run_id = run["info"]["run_id"]
    try:
        root = run["info"]["artifact_uri"]
        _log(registry, run_id, metrics or {}, params or {})
        source = f"{root}/{ARTIFACT_PATH}"
        all_tags = {**tags, DIGEST_TAG: digest(artifact)}
        registry.upload(served_path(source), artifact)
        _ensure_model(registry, name)
        version = _create_version(registry, name, source, run_id, all_tags, description)
    except CosmoFormerError:
        _end_run(registry, run_id, "FAILED")
        raise
    _end_run(registry, run_id, "FINISHED")
    if alias:
        registry.set_alias(alias, version)
    return ModelVersion(name, version, run_id, source, all_tags[DIGEST_TAG], (alias,) if alias else (), all_tags)


def _start_run(registry: Registry, experiment: str) -> dict[str, Any]:
    run: dict[str, Any] = registry.post(
        "runs/create",
        experiment_id=_experiment_id(registry, experiment),
        run_name=f"register {experiment}",
        start_time=_now_ms(),
    )["run"]
    return run


def _experiment_id(registry: Registry, name: str) -> str:
    """Make the experiment, or find it; asking first would be no safer when two ask at once."""
    try:
        return str(registry.post("experiments/create", name=name)["experiment_id"])
    except InvalidRequest as error:
        if "already exists" not in error.detail:
            raise
    return str(registry.get("experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"])


def _log(registry: Registry, run_id: str, metrics: Mapping[str, float], params: Mapping[str, str]) -> None:
    if not metrics and not params:
        return
    now = _now_ms()
    registry.post(
        "runs/log-batch",
        run_id=run_id,
        metrics=[{"key": key, "value": value, "timestamp": now, "step": 0} for key, value in metrics.items()],
        params=[{"key": key, "value": value} for key, value in params.items()],
    )


def _end_run(registry: Registry, run_id: str, status: str) -> None:
    registry.post("runs/update", run_id=run_id, status=status, end_time=_now_ms())


def _ensure_model(registry: Registry, name: str) -> None:
    try:
        registry.post("registered-models/create", name=name)
    except InvalidRequest as error:
        if "already exists" not in error.detail:
            raise


def _create_version(
    registry: Registry, name: str, source: str, run_id: str, tags: Mapping[str, str], description: str
) -> int:
    answer = registry.post(
        "model-versions/create",
        name=name,
        source=source,
        run_id=run_id,
        description=description,
        tags=[{"key": key, "value": value} for key, value in tags.items()],
    )
    return int(answer["model_version"]["version"])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
