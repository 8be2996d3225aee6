"""From a training run to a version of the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from cosmoformer.errors import PermanentError
from cosmoformer.models.artifact import digest
from cosmoformer.models.registration import mlflow_name, register
from cosmoformer.models.registry import ModelVersion, Registry
from cosmoformer.runs.folder import ARTIFACTS, MODEL_FILE, REPORT_FILE, read_card, report_subject


def register_run(registry: Registry, folder: Path, run_id: str, *, check: Callable[[bytes], object]) -> ModelVersion:
    """Register the model that a run exported, as a version from that run.

    ``artifacts/model.pt`` is the artifact, ``artifacts/report.json`` gives metrics of the run and tags of the version, among
    them the evidence for the promotion gate, and ``artifacts/card.md`` the version's description.

    Args:
        registry: where to.
        folder: the run's.
        run_id: MLflow's id of the run, as an import tells it.
        check: is given the artifact; raises when it is unfit to be registered.

    Raises:
        PermanentError: the run has exported no model, or its report is malformed or of another artifact. A report that names no
            artifact, as one of a task of one's own may, is taken to be of this one.
        RegistryUnavailable: MLflow does not answer.
    """
    artifacts = folder / ARTIFACTS
    try:
        artifact = (artifacts / MODEL_FILE).read_bytes()
        content = (artifacts / REPORT_FILE).read_bytes()
        report = json.loads(content)
        metrics = {mlflow_name(name): float(value) for name, value in report["metrics"].items()}
        tags = {mlflow_name(name): str(value) for name, value in report["tags"].items()}
    except FileNotFoundError as error:
        raise PermanentError(
            f"there is nothing to register: {error.filename} is missing", "Let the training finish"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        place = artifacts / REPORT_FILE
        raise PermanentError(
            f'{place}: expected {{"metrics": {{…}}, "tags": {{…}}}}: {error}', "Evaluate it again"
        ) from None
    if (subject := report_subject(content)) and subject != digest(artifact):
        raise PermanentError(
            f"{artifacts / REPORT_FILE} is no report of {MODEL_FILE} beside it",
            "Let the training finish, or evaluate that again (python -m training.evaluate)",
        )
    check(artifact)
    return register(registry, artifact, tags=tags, metrics=metrics, description=read_card(folder), run_id=run_id)
