"""Models that are served side by side: each image then has one result of each.

``MODEL_NAME`` is the first; its results stand where they always do. What belongs to a further one stands below ``by-model/`` and
its name in the results bucket. Each is a classify function of its own, with another ``MODEL_NAME``, and none waits for another.
"""

from __future__ import annotations

import re

from cosmoformer.errors import InvalidRequest, SettingsError
from cosmoformer.settings import Settings

#: Attribute of an event that is for one model alone; the others have nothing to do.
FOR_MODEL = "formodel"
FOLDER = "by-model/"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def further_models(settings: Settings) -> tuple[str, ...]:
    """Names of the models that are served beside ``MODEL_NAME``, each once, in the order of ``SERVED_MODELS``.

    Raises:
        SettingsError: a name could be no part of an address or of an object key.
    """
    names = [name.strip() for name in settings.served_models.split(",") if name.strip()]
    if wrong := [name for name in names if not is_name(name) and name != settings.model_name]:
        raise SettingsError(
            f"SERVED_MODELS names {wrong[0]!r}",
            "Expected registered models whose names are 1 to 63 letters, digits, dots, underscores and hyphens",
        )
    return tuple(dict.fromkeys(name for name in names if name != settings.model_name))


def one_served(settings: Settings, name: str) -> str:
    """The name of a served model that somebody asks for; an empty one means ``MODEL_NAME``.

    Raises:
        InvalidRequest: none of this name is served.
    """
    known = (settings.model_name, *further_models(settings))
    if name not in ("", *known):
        raise InvalidRequest(f"model must be one that is served ({', '.join(known)}), got {name[:80]!r}")
    return name


def is_name(name: str) -> bool:
    """Whether a further model could have this name."""
    return bool(_NAME.fullmatch(name))


def dead_letters_path(name: str = "") -> str:
    """Where ingest takes the events that a model did not; an empty name means ``MODEL_NAME``'s."""
    return f"/dead-letters/{FOLDER}{name}" if name else "/dead-letters"


def changes_for(name: str) -> dict[str, str]:
    """The settings, by lower-case name, in which the classify function of a further model differs from the first one's."""
    folder = f"{FOLDER}{name}/"
    return {
        "model_name": name,
        "results_prefix": f"{folder}results/",
        "explanations_prefix": f"{folder}explanations/",
        "features_prefix": f"{folder}features/",
        "copies_prefix": f"{folder}copies/",
        "judgements_key": f"{folder}judgements.json",
        "serving_key": f"{folder}serving.json",
    }


def settings_for(settings: Settings, name: str) -> Settings:
    """The settings of one of the served models; ``MODEL_NAME``, and an empty name, change nothing."""
    if name in ("", settings.model_name):
        return settings
    off = {
        place: "" for place in ("judgements_key", "features_prefix", "copies_prefix") if not getattr(settings, place)
    }
    return Settings(**(vars(settings) | changes_for(name) | off))


def settings_of_each(settings: Settings) -> dict[str, Settings]:
    """The settings of every served model, by its name; those of ``MODEL_NAME``, under an empty one, come first.

    Raises:
        SettingsError: as :func:`further_models` does.
    """
    return {name: settings_for(settings, name) for name in ("", *further_models(settings))}
