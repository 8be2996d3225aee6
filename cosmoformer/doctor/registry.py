"""Checks of the model registry: the model, its aliases, and the artifact that would be served."""

from __future__ import annotations

from cosmoformer.doctor.check import Doubt, System
from cosmoformer.errors import RegistryUnavailable
from cosmoformer.models.promotion import verify


def check_model(system: System) -> str:
    """MLflow answers and has versions of the model."""
    settings = system.settings
    versions = system.registry.versions()
    if not versions:
        raise RegistryUnavailable(
            f"{settings.mlflow_tracking_uri} has no version of {settings.model_name!r}",
            "`cosmoformer register FILE` makes one, or MODEL_NAME is wrong",
        )
    count = f"{len(versions)} version{'s' if len(versions) > 1 else ''}"
    return f"{settings.mlflow_tracking_uri} has {count} of {settings.model_name!r}"


def check_champion(system: System) -> str:
    """The alias that is served names a version."""
    version = system.registry.resolve(system.settings.model_alias)
    return f"{system.settings.model_alias!r} is version {version.version}"


def check_artifact(system: System) -> str:
    """The artifact of that version downloads, is the one that was registered, and passes its self-check."""
    version = system.registry.resolve(system.settings.model_alias)
    checked = verify(system.registry, version)
    said = "its self-check passes" if checked else "its self-check needs torch, which is not installed here"
    return f"version {version.version} downloads, has its digest {version.sha256[:12]}…; {said}"


def check_fallback(system: System) -> str:
    """There is a version to fall back to."""
    alias = system.settings.model_fallback_alias
    number = system.registry.aliases().get(alias)
    if number is None:
        raise Doubt(
            f"no version has the alias {alias!r}: a fresh pod whose champion is refused would serve nothing",
            "The next `cosmoformer promote` sets it",
        )
    return f"{alias!r} is version {number}"
