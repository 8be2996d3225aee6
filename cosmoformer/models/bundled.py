"""The models that ship with CosmoFormer: their files, and their registration in a registry that has none.

The first one's files stand in the folder itself, those of a further one in a folder of its name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from cosmoformer.models.artifact import digest
from cosmoformer.models.registration import register
from cosmoformer.models.registry import ModelVersion, Registry
from cosmoformer.served_models import settings_for

BUNDLED = resources.files("cosmoformer") / "bundled"
_MODEL, _WORDS, _CARD = "model.pt", "model.json", "card.md"


@dataclass(frozen=True)
class Bundle:
    """A model that ships with CosmoFormer.

    Attributes:
        folder: its files.
    """

    folder: Traversable

    @property
    def artifact(self) -> bytes:
        """Its artifact file."""
        return (self.folder / _MODEL).read_bytes()

    @property
    def words(self) -> dict[str, Any]:
        """What the registry is told of it: ``tags``, ``metrics``, ``params`` and ``description``."""
        words: dict[str, Any] = json.loads((self.folder / _WORDS).read_text(encoding="utf-8"))
        return words

    @property
    def card(self) -> str:
        """Its card, Markdown."""
        return (self.folder / _CARD).read_text(encoding="utf-8")


def further_bundles() -> tuple[str, ...]:
    """Names of the models that ship beside the first."""
    return tuple(sorted(folder.name for folder in BUNDLED.iterdir() if (folder / _MODEL).is_file()))


def bundle(name: str = "") -> Bundle:
    """The model that ships under a name; the first one for every other name, as people may call it what they want."""
    return Bundle(BUNDLED / name if name in further_bundles() else BUNDLED)


def register_bundled_model(registry: Registry, report: Callable[[str], None]) -> ModelVersion | None:
    """Register the model that ships under ``MODEL_NAME`` (:func:`bundle`) as champion, unless the registry has versions.

    A registry with versions is its owner's: an alias that was taken away there stays away. Only where this model is all
    there is and no alias was ever set was an earlier start interrupted, and is gone on with.

    Returns:
        The version that was given the alias, or None.
    """
    settings = registry.settings
    model = bundle(settings.model_name)
    content = model.artifact
    if versions := registry.versions():
        if registry.aliases() or any(version.sha256 != digest(content) for version in versions):
            return None
        registry.set_alias(settings.model_alias, versions[0].version)
        return versions[0]
    report(f"registering the bundled model as {settings.model_name}")
    return register(registry, content, **model.words, alias=settings.model_alias)


def register_further_bundles(registry: Registry, names: tuple[str, ...], report: Callable[[str], None]) -> None:
    """The same for those of some further models that ship with CosmoFormer; the others are for people to register.

    Args:
        registry: whose settings name the first model.
        names: of the models that are served beside it.
        report: gets a line for each that is registered.
    """
    for name in names:
        if name in further_bundles():
            register_bundled_model(Registry(settings_for(registry.settings, name)), report)
