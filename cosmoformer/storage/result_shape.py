"""What makes a JSON document a result: the members that whoever reads results relies on.

``cosmoformer/schemas/result-v1.json`` says all that a result has when it is written. This is less on purpose: results of other
releases, with members more or fewer, are results too. What lacks one of these is somebody else's object, or a broken one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

SCHEMA_VERSION = 1
_NUMBER = (int, float)
_NONE = type(None)

#: Members by the kinds that their values may have.
_Members = Mapping[str, tuple[type, ...]]
_RESULT: _Members = {
    "schema_version": (int,),
    "status": (str,),
    "image": (dict,),
    "prediction": (dict, _NONE),
    "rejection": (dict, _NONE),
    "model": (dict, _NONE),
    "event": (dict,),
    "finished": (str,),
    "seconds": _NUMBER,
}
_IMAGE: _Members = {"key": (str, _NONE), "etag": (str, _NONE), "sha256": (str, _NONE), "conversions": (list,)}
_CLASSIFICATION: _Members = {
    "task": (str,),
    "class": (str,),
    "confidence": _NUMBER,
    "unsure": (bool,),
    "probabilities": (dict,),
}
_ESTIMATE: _Members = {"task": (str,)}  # and at least one group of numbers
_DOMAIN: _Members = {"in_domain": _NUMBER, "no_galaxy": (bool,)}  # all or none
_VOTES: _Members = {"asked": _NUMBER, "fractions": (dict,)}
_OBJECT: _Members = {"told": (list,), "ignored": (list,)}
_REJECTION: _Members = {"code": (str,), "reason": (str,)}
_MODEL: _Members = {"name": (str,), "version": (int,), "sha256": (str,)}


def is_result(document: Any) -> bool:
    """Whether a document is a result of this schema version."""
    if not _has(document, _RESULT) or document["schema_version"] != SCHEMA_VERSION:
        return False
    image, model, prediction, rejection = (document[name] for name in ("image", "model", "prediction", "rejection"))
    if not _has(image, _IMAGE) or not all(isinstance(entry, str) for entry in image["conversions"]):
        return False
    if not ("object" not in document or _has(document["object"], _OBJECT)):
        return False
    if not (model is None or _has(model, _MODEL)):
        return False
    if document["status"] == "classified":
        return model is not None and rejection is None and _is_prediction(prediction)
    return document["status"] == "rejected" and prediction is None and _has(rejection, _REJECTION)


def _is_prediction(prediction: Any) -> bool:
    if not _has(prediction, _ESTIMATE):
        return False
    if any(name in prediction for name in _DOMAIN) and not _has(prediction, _DOMAIN):
        return False
    groups = {name: prediction[name] for name in ("values", "votes") if name in prediction}
    if not all(isinstance(group, dict) for group in groups.values()):
        return False
    if not (_are_numbers(groups.get("values", {})) and all(map(_are_votes, groups.get("votes", {}).values()))):
        return False
    units = prediction.get("units", {})
    if not isinstance(units, dict) or not all(isinstance(unit, str) for unit in units.values()):
        return False
    if "class" not in prediction:
        return bool(groups)
    return _has(prediction, _CLASSIFICATION) and _are_numbers(prediction["probabilities"])


def _are_votes(votes: Any) -> bool:
    return _has(votes, _VOTES) and _are_numbers(votes["fractions"])


def _are_numbers(values: Mapping[str, Any]) -> bool:
    return all(_is(value, _NUMBER) for value in values.values())


def _has(document: Any, members: _Members) -> bool:
    return isinstance(document, dict) and all(
        name in document and _is(document[name], kinds) for name, kinds in members.items()
    )


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def schema() -> dict[str, Any]:
    """The JSON Schema of results."""
    text = (resources.files("cosmoformer") / "schemas" / "result-v1.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
