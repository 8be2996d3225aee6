"""Explanations: what a model looked at, as a JSON object an image beside its result.

It stands at ``EXPLANATIONS_PREFIX`` + image key + ``.json`` in the results bucket; docs/results.md has its members. It is of one
version of a model and of one image under the key, framed in one way: whoever reads it compares them with the result's.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models.registry import ModelVersion
from cosmoformer.settings import Settings
from cosmoformer.storage.keys import key_of_json, start_of_json
from cosmoformer.storage.store import Store
from cosmoformer.timestamps import moment, rfc3339

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cosmoformer.models.artifact import Artifact

SCHEMA_VERSION = 1
_DIGITS = 3
_OF = "@"  # between an image's key and an output's name
_REFUSAL_S = 600.0  # for which a model's being too slow is believed
Document = dict[str, Any]


def explanation_key(settings: Settings, image_key: str, output: str = "") -> str:
    """Where the explanation of an image stands in the results bucket: of its class, or of the output that was named.

    A key that would be too long is cut as a result's is.
    """
    return key_of_json(settings.explanations_prefix, f"{image_key}{_OF}{output}" if output else image_key)


def explanation_keys(store: Store, settings: Settings, image_key: str) -> list[str]:
    """Where all explanations of an image by the model of some settings stand, those of outputs that were named too.

    Each is read, since a place does not tell whose it is: `m51@2x.json` is the image `m51@2x`'s, or the output `2x`'s of `m51`.
    """
    bucket, named = settings.results_bucket, start_of_json(settings.explanations_prefix, image_key + _OF)
    listed = (entry.key for entry in store.list(bucket, named))
    places = dict.fromkeys(chain([explanation_key(settings, image_key)], listed))
    found = ((key, store.read_json(bucket, key)) for key in places)
    return [key for key, document in found if document and _is_of(document[0], image_key)]


def _is_of(found: Any, image_key: str) -> bool:
    image = found.get("image") if isinstance(found, dict) else None
    return isinstance(image, dict) and image.get("key") == image_key


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


def refusal(error: CosmoFormerError) -> Document:
    """Why there is no explanation, in its place."""
    return {"refused": str(error)}


def document(image: Mapping[str, Any], model: ModelVersion, said: Document) -> Document:
    """The object that is stored.

    Args:
        image: as it stands in the image's result.
        model: the version that explains.
        said: what :func:`explained` or :func:`refusal` gave.
    """
    about = {
        "image": {name: image[name] for name in ("bucket", "key", "etag", "sha256")} | {"zoom": _zoom(image)},
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
        "finished": rfc3339(datetime.now(UTC)),
    }
    return {"schema_version": SCHEMA_VERSION, **about, **said}


def stands(found: Any, wanted: Mapping[str, Any], sha256: str | None = None) -> bool:
    """Whether what stands at an explanation's key is that of an image, and of a model or of any.

    Args:
        found: what stands there.
        wanted: the image as it stands in its result: its eTag, and the zoom at which it was shown.
        sha256: digest of the model; None for any.
    """
    if not isinstance(found, dict) or found.get("schema_version") != SCHEMA_VERSION:
        return False
    image, model = found.get("image"), found.get("model")
    if not isinstance(image, dict) or not isinstance(model, dict):
        return False
    same = (image.get("etag"), _zoom(image)) == (wanted["etag"], _zoom(wanted)) and sha256 in (
        None,
        model.get("sha256"),
    )
    return same and not ("refused" in found and age_s(found) > _REFUSAL_S)


def _zoom(image: Mapping[str, Any]) -> Any:
    """The zoom of an image in a result or an explanation; those of earlier releases may lack it."""
    return image.get("zoom") or 1.0


def age_s(found: Mapping[str, Any]) -> float:
    """Seconds since a stored explanation was finished; infinite where it does not tell."""
    try:
        return (datetime.now(UTC) - moment(str(found.get("finished")))).total_seconds()
    except ValueError:
        return math.inf
