"""Tensors of the Open Inference Protocol: images out of those of a request, results into those of an answer.

| output                       | datatype | shape  | what                                                           |
| ---------------------------- | -------- | ------ | -------------------------------------------------------------- |
| class                        | BYTES    | [N]    | the most probable class of each image                          |
| probabilities, class_names   | FP64, BYTES | [N, C], [C] | of each class                                        |
| votes, vote_names            | FP64, BYTES | [N, A], [A] | fractions by answer, named ``question/answer``       |
| asked, question_names        | FP64, BYTES | [N, Q], [Q] | of 100 volunteers, how many would be asked           |
| values, value_names          | FP64, BYTES | [N, V], [V] | other numbers                                        |
| in_domain                    | FP64     | [N]    | likeness to what the model learned from                        |
| features                     | FP32     | [N, F] | feature vectors, by which like galaxies are found              |
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cosmoformer.errors import InvalidRequest
from cosmoformer.models.artifact import Metadata
from cosmoformer.models.outputs import DOMAIN
from cosmoformer.settings import Settings
from cosmoformer.storage.features import BYTES

Tensor = dict[str, Any]
MOST_IMAGES = 64  # a request; each takes a prediction's time
_EXPECTED = "Send one input: BYTES of shape [N] with files in base64, or UINT8 of shape [N, S, S, 3]"
_MOST_AXES, _LONGEST_SIDE = 4, 100_000


@dataclass(frozen=True)
class Judged:
    """What a model says of one image.

    Attributes:
        prediction: as a result has it.
        features: its feature vector, as :class:`cosmoformer.storage.features.Seen` has it; empty where the model gives none.
    """

    prediction: Mapping[str, Any]
    features: bytes


def images_of(inputs: Any, settings: Settings) -> list[bytes]:
    """Files of the images in a request's inputs; pixels become files, too, so that they are judged as those are.

    Raises:
        InvalidRequest: there is not exactly one input of a known kind, or its data do not fit its shape.
    """
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise InvalidRequest("expected one input", _EXPECTED)
    tensor = inputs[0]
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(shape, list) or not all(type(side) is int and side > 0 for side in shape) or not shape:
        raise InvalidRequest(f"expected a shape of whole numbers above 0, got {str(shape)[:80]}", _EXPECTED)
    if len(shape) > _MOST_AXES or max(shape) > _LONGEST_SIDE:  # whose product could take minutes to work out
        raise InvalidRequest(
            f"expected at most {_MOST_AXES} sides of at most {_LONGEST_SIDE:,} in the shape", _EXPECTED
        )
    if shape[0] > MOST_IMAGES:
        raise InvalidRequest(f"expected at most {MOST_IMAGES} images, got {shape[0]:,}", "Send several requests")
    elements = list(_flat(data)) if isinstance(data, list) else []
    if math.prod(shape) != len(elements):
        raise InvalidRequest(f"expected {math.prod(shape):,} elements, as the shape says, got {len(elements):,}")
    kind = tensor.get("datatype")
    if kind == "BYTES" and math.prod(shape) == shape[0]:
        return _files(elements, tensor.get("parameters"))
    if kind == "UINT8" and len(shape) == 4 and shape[1] == shape[2] and shape[3] == 3:
        return _pictures(elements, shape[0], shape[1], settings)
    raise InvalidRequest(f"expected BYTES or UINT8, got {str(kind)[:20]} of shape {shape}", _EXPECTED)


def _flat(data: Iterable[Any]) -> Iterator[Any]:
    """The elements of a tensor, which may stand in lists of lists; how deep, strict JSON has bounded."""
    for element in data:
        if isinstance(element, list):
            yield from _flat(element)
        else:
            yield element


def _files(elements: Sequence[Any], parameters: Any) -> list[bytes]:
    told = parameters.get("content_type", "base64") if isinstance(parameters, dict) else "base64"
    if told != "base64":
        raise InvalidRequest(f"expected the content_type base64, got {str(told)[:40]!r}", _EXPECTED)
    try:
        return [base64.b64decode(element, validate=True) for element in elements]
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidRequest(f"expected files in base64: {error}", _EXPECTED) from None


def _pictures(elements: Sequence[Any], count: int, side: int, settings: Settings) -> list[bytes]:
    import numpy as np
    from PIL import Image

    if side * side > settings.max_image_pixels:
        raise InvalidRequest(f"expected at most {settings.max_image_pixels:,} pixels an image, got {side * side:,}")
    if not all(type(element) is int and 0 <= element <= 255 for element in elements):
        raise InvalidRequest("expected UINT8: whole numbers from 0 to 255")
    pixels = np.array(elements, np.uint8).reshape(count, side, side, 3)
    files = []
    for picture in pixels:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "BMP")  # the fastest of the formats that keep every pixel
        files.append(file.getvalue())
    return files


def outputs_of_model(metadata: Metadata) -> list[Tensor]:
    """What a model's answers have: name, datatype and shape of each tensor, -1 for the number of images."""
    fractions = metadata.fractions
    values = [value for value in metadata.values if value != DOMAIN]
    sizes = {
        "probabilities": ("class_names", len(metadata.classes)),
        "votes": ("vote_names", len(fractions.labels) if fractions else 0),
        "asked": ("question_names", len(fractions.questions) if fractions else 0),
        "values": ("value_names", len(values)),
    }
    found = [_form("class", "BYTES", -1)] if metadata.classes else []
    for name, (names, size) in sizes.items():
        found += [_form(name, "FP64", -1, size), _form(names, "BYTES", size)] if size else []
    found += [_form("in_domain", "FP64", -1)] if DOMAIN in metadata.values else []
    return found + ([_form("features", "FP32", -1, metadata.features)] if metadata.features else [])


def output_tensors(images: Sequence[Judged], wanted: Any) -> list[Tensor]:
    """The tensors of some images, judged by one model: those that are wanted, or all.

    Raises:
        InvalidRequest: one is wanted that this model does not give.
    """
    found = (*_tensors([image.prediction for image in images]), *_features([image.features for image in images]))
    tensors = {tensor["name"]: tensor for tensor in found}
    if not wanted:
        return list(tensors.values())
    names = (
        [one.get("name") if isinstance(one, dict) else None for one in wanted] if isinstance(wanted, list) else [None]
    )
    if unknown := [name for name in names if not isinstance(name, str) or name not in tensors]:
        raise InvalidRequest(f"expected outputs of {', '.join(tensors)}, got {str(unknown[0])[:40]}")
    return [tensors[name] for name in names]


def _tensors(predictions: Sequence[Mapping[str, Any]]) -> Iterator[Tensor]:
    count = len(predictions)
    if "class" in predictions[0]:
        yield _form("class", "BYTES", count) | {"data": [one["class"] for one in predictions]}
    groups = {
        ("probabilities", "class_names"): [one.get("probabilities", {}) for one in predictions],
        ("votes", "vote_names"): [_votes(one) for one in predictions],
        ("asked", "question_names"): [_asked(one) for one in predictions],
        ("values", "value_names"): [one.get("values", {}) for one in predictions],
    }
    for (name, names), rows in groups.items():
        if labels := list(rows[0]):
            numbers = [row[label] for row in rows for label in labels]
            yield _form(name, "FP64", count, len(labels)) | {"data": numbers}
            yield _form(names, "BYTES", len(labels)) | {"data": labels}
    if "in_domain" in predictions[0]:
        yield _form("in_domain", "FP64", count) | {"data": [one["in_domain"] for one in predictions]}


def _features(vectors: Sequence[bytes]) -> Iterator[Tensor]:
    if length := len(vectors[0]) // BYTES:
        numbers = [number for vector in vectors for number in struct.unpack(f"<{length}e", vector)]
        yield _form("features", "FP32", len(vectors), length) | {"data": numbers}


def _votes(prediction: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{question}/{answer}": fraction
        for question, votes in prediction.get("votes", {}).items()
        for answer, fraction in votes["fractions"].items()
    }


def _asked(prediction: Mapping[str, Any]) -> dict[str, float]:
    return {question: votes["asked"] for question, votes in prediction.get("votes", {}).items()}


def _form(name: str, datatype: str, *shape: int) -> Tensor:
    return {"name": name, "datatype": datatype, "shape": list(shape)}
