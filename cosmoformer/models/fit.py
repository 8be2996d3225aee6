"""Whether a version gives what the users of another rely on: its classes, questions and values."""

from __future__ import annotations

from cosmoformer.errors import ModelRefused, RegistryUnavailable
from cosmoformer.models.artifact import Metadata, read_metadata
from cosmoformer.models.outputs import missing
from cosmoformer.models.registry import ModelVersion, Registry, is_missing


def check_fit(registry: Registry, candidate: ModelVersion, champion: ModelVersion) -> None:
    """Check that a version gives all that the champion gives, so that nobody misses a class, a question or a value.

    Raises:
        ModelRefused: it does not; the message says what differs.
        RegistryUnavailable: MLflow does not answer.
    """
    served = _metadata_of(registry, champion)
    if served is None:  # what cannot be served is not missed
        return
    if differs := missing(served, read_metadata(registry.download(candidate))):
        raise ModelRefused(
            f"version {candidate.version} does not fit what is served, by version {champion.version}: {'; '.join(differs)}",
            'Serve another task under another MODEL_NAME or alias, or replace this one with a reason: --force "why"',
        )


def _metadata_of(registry: Registry, version: ModelVersion) -> Metadata | None:
    try:
        return read_metadata(registry.download(version))
    except ModelRefused:
        return None
    except RegistryUnavailable as error:
        if is_missing(error):
            return None
        raise
