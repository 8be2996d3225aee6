"""Checks of the model registry: the model, its aliases, and the artifact that would be served."""

from __future__ import annotations

from cosmoformer.doctor.check import Doubt, System
from cosmoformer.errors import CosmoFormerError, RegistryUnavailable
from cosmoformer.models.promotion import verify
from cosmoformer.models.registry import is_missing
from cosmoformer.storage.served import Served, ServedMemory


def check_model(system: System) -> str:
    """MLflow answers and has versions of the model."""
    settings = system.settings
    versions = system.registry.versions()
    if not versions:
        raise RegistryUnavailable(
            f"{system.registry.url} has no version of {settings.model_name!r}",
            "`cosmoformer register FILE` makes one, or MODEL_NAME is wrong",
        )
    count = f"{len(versions)} version{'s' if len(versions) > 1 else ''}"
    return f"{system.registry.url} has {count} of {settings.model_name!r}"


def check_champion(system: System) -> str:
    """The alias that is served names a version."""
    served = _served(system)
    try:
        version = system.registry.resolve(system.settings.model_alias)
    except RegistryUnavailable as error:
        if served and is_missing(error):
            raise RegistryUnavailable(
                f"{error.detail}; version {served.version} was served last, and stands in",
                f"`cosmoformer promote {served.version}` makes it champion",
            ) from error
        raise
    named = f"{system.settings.model_alias!r} is version {version.version}"
    if served and served.why and served.version != version.version:
        raise Doubt(
            f"{named}, and version {served.version} is served: {served.why}",
            "`cosmoformer promote --rollback` goes back for good; or mend the version, and end the pods",
        )
    return named


def _served(system: System) -> Served | None:
    try:
        return ServedMemory(system.store).read()
    except CosmoFormerError:  # another check tells
        return None


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
