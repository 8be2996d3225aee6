"""Checks of the model registry: the model, its aliases, and the artifact that would be served."""

from __future__ import annotations

from cosmoformer.doctor.check import Doubt, System
from cosmoformer.errors import RegistryUnavailable
from cosmoformer.models.promotion import verify
from cosmoformer.storage.served import ServedMemory


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
    version = system.registry.resolve(system.settings.model_alias)
    return f"{system.settings.model_alias!r} is version {version.version}"


def check_served(system: System) -> str:
    """What classify served last is the champion."""
    served = ServedMemory(system.store).read()
    if served is None:
        return "classify has served nothing yet"
    named = system.registry.aliases().get(system.settings.model_alias)
    if named != served.version or served.why:
        why = served.why or "it has not looked since the alias moved, or sleeps"
        raise Doubt(
            f"{system.settings.model_alias!r} is {f'version {named}' if named else 'no version'}, and version {served.version}"
            f" was served last: {why}",
            "`cosmoformer promote` makes a sound version champion; `--rollback` the one before",
        )
    return f"version {served.version}, the champion"


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
