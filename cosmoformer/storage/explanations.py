"""Explanations: what a model looked at, as a JSON object an image beside its result.

It stands at ``EXPLANATIONS_PREFIX`` + image key + ``.json`` in the results bucket; docs/results.md has its members. It is of one
version of a model and of one image under the key: whoever reads it compares both with the result's.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cosmoformer.errors import NotExplained
from cosmoformer.models.registry import ModelVersion
from cosmoformer.settings import Settings
from cosmoformer.storage.keys import key_of_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cosmoformer.models.artifact import Artifact

SCHEMA_VERSION = 1
_DIGITS = 3
Document = dict[str, Any]


def explanation_key(settings: Settings, image_key: str) -> str:
    """Where the explanation of an image stands in the results bucket; a key that would be too long is cut as a result's is."""
    return key_of_json(settings.explanations_prefix, image_key)


def explained(artifact: Artifact, pixels: NDArray[np.uint8], wanted: str) -> Document:
    """What an explanation says of the picture alone: ``output``, ``method``, ``effect``, ``crop``, ``weights`` and ``heat_map``.

    Args:
        artifact: the model.
        pixels: uint8 (S, S, 3).
        wanted: as in :func:`cosmoformer.models.explanation.explain`.

    Raises:
        InvalidRequest: the model has no such output.
        NotExplained: it is too slow.
    """
    # Here, since ingest needs the keys and has neither numpy nor Pillow.
    from cosmoformer.images.heat_map import heat_map
    from cosmoformer.models.explanation import METHOD, explain

    found, crop = explain(artifact, pixels, wanted), artifact.metadata.crop
    png = heat_map(pixels, found.weights, crop)
    return {
        "output": found.output,
        "method": METHOD,
        "effect": round(found.effect, _DIGITS),
        "crop": crop,
        "weights": [[round(weight, _DIGITS) for weight in row] for row in found.weights.tolist()],
        "heat_map": {"type": "image/png", "base64": base64.b64encode(png).decode()},
    }


def document(image: Mapping[str, Any], model: ModelVersion, said: Document | NotExplained) -> Document:
    """The object that is stored.

    Args:
        image: as it stands in the image's result.
        model: the version that explains.
        said: what :func:`explained` gave, or why it gave nothing.
    """
    given = {"refused": str(said)} if isinstance(said, NotExplained) else said
    about = {
        "image": {name: image[name] for name in ("bucket", "key", "etag", "sha256")},
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
    }
    return {"schema_version": SCHEMA_VERSION, **about, **given}


def stands(found: Any, image: Mapping[str, Any], model: ModelVersion, output: str) -> bool:
    """Whether what stands at an explanation's key is already that of this image, version and output."""
    if not isinstance(found, dict) or found.get("schema_version") != SCHEMA_VERSION:
        return False
    about = found.get("image"), found.get("model")
    if not all(isinstance(one, dict) for one in about):
        return False
    same = found["image"].get("etag") == image["etag"] and found["model"].get("sha256") == model.sha256
    return same and (found.get("output") == output or "refused" in found)
