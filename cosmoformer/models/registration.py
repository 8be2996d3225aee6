"""New versions of the model: how an artifact file gets into the registry, without the ``mlflow`` package."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cosmoformer.errors import CosmoFormerError, InvalidRequest, ModelRefused, PermanentError
from cosmoformer.models import mlmodel
from cosmoformer.models.artifact import Metadata, digest, read_metadata
from cosmoformer.models.registry import DIGEST_TAG, ModelVersion, Registry
from cosmoformer.models.sources import ARTIFACT_NAME, served_path

_DESCRIPTION_LENGTH = 5000  # characters that MLflow's database has room for
_FOLDER_DIGITS = 12  # of the digest, in the name of a version's folder


@dataclass(frozen=True)
class _Candidate:
    """What is to become a version; see :func:`register`."""

    artifact: bytes
    metadata: Metadata | None
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    description: str


def register(
    registry: Registry,
    artifact: bytes,
    *,
    tags: Mapping[str, str],
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, str] | None = None,
    description: str = "",
    alias: str | None = None,
    run_id: str | None = None,
) -> ModelVersion:
    """Register an artifact as a new version of the configured model.

    Experiment and model, both named ``MODEL_NAME``, are made when they are missing. The version is made last, so one that
    is listed is whole. Beside the artifact lies a file ``MLmodel`` with its signature. Each artifact has a folder of its own:
    another one of the same run never replaces a version's.

    Args:
        registry: where to.
        artifact: the file's content. Functions refuse one that is no artifact; it gets no signature.
        tags: of the version. Its digest is added as the tag ``sha256``, and task, data version and labels as the artifact has
            them unless they are given.
        metrics: logged to the run that the version comes from, where the run has none of that name.
        params: likewise.
        description: of the version, Markdown; cut where MLflow has no room for more.
        alias: what is pointed to it in the end.
        run_id: MLflow run that made the artifact; without one, a run is made and finished. When the run has a version with this
            artifact already, that version is given the tags, and no other is made.

    Returns:
        The version.

    Raises:
        RegistryUnavailable: MLflow does not answer.
        ModelRefused: the server does not serve artifacts, so that nobody could download this one.
        InvalidRequest: MLflow refuses a tag, metric or parameter, or the alias's name.
    """
    metadata = _metadata_of(artifact)
    all_tags = {**_tags_of(metadata), **tags, DIGEST_TAG: digest(artifact)}
    candidate = _Candidate(artifact, metadata, all_tags, metrics or {}, params or {}, description)
    version = _version_of_run(registry, run_id, candidate) if run_id else _version_of_its_own(registry, candidate)
    if not alias:
        return version
    registry.set_alias(alias, version.version)
    return replace(version, aliases=(alias,))


def _metadata_of(artifact: bytes) -> Metadata | None:
    try:
        return read_metadata(artifact)
    except ModelRefused:
        return None


def _tags_of(metadata: Metadata | None) -> dict[str, str]:
    if metadata is None:
        return {}
    return {
        "task": metadata.task,
        "data_version": metadata.data_version,
        "labels": ", ".join(metadata.classes or metadata.names),
    }


def _version_of_run(registry: Registry, run_id: str, candidate: _Candidate) -> ModelVersion:
    run = registry.get("runs/get", run_id=run_id)["run"]
    for known in registry.versions():
        if (known.run_id, known.sha256) == (run_id, candidate.tags[DIGEST_TAG]):
            for key, value in candidate.tags.items():
                if known.tags.get(key) != value:
                    registry.set_tag(known.version, key, value)
            return replace(known, tags={**known.tags, **candidate.tags})
    return _make_version(registry, run, candidate)


def _version_of_its_own(registry: Registry, candidate: _Candidate) -> ModelVersion:
    run = _start_run(registry)
    run_id = run["info"]["run_id"]
    try:
        version = _make_version(registry, run, candidate)
    except CosmoFormerError:
        _end_run(registry, run_id, "FAILED")
        raise
    _end_run(registry, run_id, "FINISHED")
    return version


def _make_version(registry: Registry, run: dict[str, Any], candidate: _Candidate) -> ModelVersion:
    """Log to the run, upload to it, and only then make the version."""
    run_id = run["info"]["run_id"]
    _log(registry, run, candidate)
    sha256 = candidate.tags[DIGEST_TAG]
    folder = f"model-{sha256[:_FOLDER_DIGITS]}"
    source = f"{run['info']['artifact_uri']}/{folder}"
    path = served_path(source)
    registry.upload(f"{path}/{ARTIFACT_NAME}", candidate.artifact)
    if candidate.metadata:
        size = len(candidate.artifact)
        about = mlmodel.mlmodel(candidate.metadata, file=ARTIFACT_NAME, size=size, run_id=run_id, folder=folder)
        registry.upload(f"{path}/{mlmodel.NAME}", about)
    _ensure_model(registry)
    number = _create_version(registry, source, run_id, candidate)
    return ModelVersion(registry.settings.model_name, number, run_id, source, sha256, (), dict(candidate.tags))


def _start_run(registry: Registry) -> dict[str, Any]:
    run: dict[str, Any] = registry.post(
        "runs/create",
        experiment_id=experiment_id(registry),
        run_name=f"register {registry.settings.model_name}",
        start_time=_now_ms(),
    )["run"]
    return run


def experiment_id(registry: Registry) -> str:
    """MLflow's id of the experiment ``MODEL_NAME``, which is made if it is missing."""
    name = registry.settings.model_name
    try:  # asking first would be no safer when two ask at once
        return str(registry.post("experiments/create", name=name)["experiment_id"])
    except InvalidRequest as error:
        if "already exists" not in error.detail:
            raise
    found = registry.get("experiments/get-by-name", experiment_name=name)["experiment"]
    if found.get("lifecycle_stage") == "deleted":
        raise PermanentError(
            f"MLflow's experiment {name!r} is deleted, and its name still taken",
            f"`mlflow experiments restore --experiment-id {found['experiment_id']}` brings it back, `mlflow gc` frees the name",
        )
    return str(found["experiment_id"])


def _log(registry: Registry, run: dict[str, Any], candidate: _Candidate) -> None:
    known = {kind: {entry["key"] for entry in run["data"].get(kind, [])} for kind in ("metrics", "params")}
    metrics = {key: value for key, value in candidate.metrics.items() if key not in known["metrics"]}
    params = {key: value for key, value in candidate.params.items() if key not in known["params"]}
    if not metrics and not params:
        return
    now = _now_ms()
    registry.post(
        "runs/log-batch",
        run_id=run["info"]["run_id"],
        metrics=[metric_entry(key, value, time=now, step=0) for key, value in metrics.items()],
        params=[{"key": key, "value": value} for key, value in params.items()],
    )


def metric_entry(key: str, value: float, *, time: int, step: int) -> dict[str, Any]:
    """A metric's value as MLflow's REST API takes it.

    It takes protobuf's JSON, where what is no finite number is text; given Python's NaN it answers 200 and loses the request.
    """
    shown = value if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
    return {"key": key, "value": shown, "timestamp": time, "step": step}


def mlflow_name(name: str) -> str:
    """A name of a metric, parameter or tag, with ``_`` in place of every character that MLflow refuses there."""
    return re.sub(r"[^\w./ :-]", "_", name)


def _end_run(registry: Registry, run_id: str, status: str) -> None:
    registry.post("runs/update", run_id=run_id, status=status, end_time=_now_ms())


def _ensure_model(registry: Registry) -> None:
    try:
        registry.post("registered-models/create", name=registry.settings.model_name)
    except InvalidRequest as error:
        if "already exists" not in error.detail:
            raise


def _create_version(registry: Registry, source: str, run_id: str, candidate: _Candidate) -> int:
    answer = registry.post(
        "model-versions/create",
        name=registry.settings.model_name,
        source=source,
        run_id=run_id,
        description=candidate.description[:_DESCRIPTION_LENGTH],
        tags=[{"key": key, "value": value} for key, value in candidate.tags.items()],
    )
    return int(answer["model_version"]["version"])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
