"""The files right below the artifacts of an MLflow run, read without the ``mlflow`` package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosmoformer.models.registry import Registry, served_path


def artifact_root(run: Mapping[str, Any]) -> str:
    """Where a run's artifacts are, below the server's artifact root."""
    return served_path(run["info"]["artifact_uri"])


class RunFiles:
    """The files that a run has now.

    Args:
        registry: where the run is.
        run: as MLflow's REST API tells of it.

    Raises:
        RegistryUnavailable: MLflow does not answer.
    """

    def __init__(self, registry: Registry, run: Mapping[str, Any]) -> None:
        self._registry, self._run = registry, run
        # Listed, because what a missing file is answered with depends on the server's artifact store.
        listed = registry.get("artifacts/list", run_id=run["info"]["run_id"]).get("files", [])
        self._names = {file["path"] for file in listed}

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is no such file."""
        if name not in self._names:
            return None
        return self._registry.fetch(f"{artifact_root(self._run)}/{name}")
