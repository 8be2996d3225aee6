"""The model that ships with CosmoFormer: its files, and its registration in a registry that has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources

from cosmoformer.models.artifact import digest
from cosmoformer.models.registration import register
from cosmoformer.models.registry import ModelVersion, Registry

BUNDLED = resources.files("cosmoformer") / "bundled"
_MODEL, _CARD = "model.pt", "model.json"


def bundled_artifact() -> bytes:
    """The artifact file that ships with CosmoFormer."""
    return (BUNDLED / _MODEL).read_bytes()


def register_bundled_model(registry: Registry, report: Callable[[str], None]) -> ModelVersion | None:
    """Register the model that ships with CosmoFormer under the champion's alias, unless the registry has versions.

    A registry with versions is its owner's: an alias that was taken away there stays away. Only where this model is all
    there is and no alias was ever set was an earlier start interrupted, and is gone on with.

    Returns:
        The version that was given the alias, or None.
    """
    settings = registry.settings
    content = bundled_artifact()
    if versions := registry.versions():
        if registry.aliases() or any(version.sha256 != digest(content) for version in versions):
            return None
        registry.set_alias(settings.model_alias, versions[0].version)
        return versions[0]
    report("registering the bundled model")
    card = json.loads((BUNDLED / _CARD).read_text(encoding="utf-8"))
    return register(
        registry,
        content,
        tags=card["tags"],
        metrics=card["metrics"],
        params=card["params"],
        description=card["description"],
        alias=settings.model_alias,
    )
