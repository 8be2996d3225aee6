"""The predictor: decode, preprocess, predict, result. Four plain functions that know nothing of HTTP, S3 or MLflow."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from cosmoformer.errors import ImageRejected, ModelRefused
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.registry import ModelVersion
from cosmoformer.storage import results
from cosmoformer.storage.results import ImageFacts, Origin, Result
from functions.classify.images import decode
from functions.classify.judgements import Judgement
from functions.classify.picture import Limits, Picture

__all__ = [
    "Limits",
    "Picture",
    "classification",
    "decode",
    "describe",
    "describe_picture",
    "predict",
    "preprocess",
    "rejection",
]


def describe(content: bytes, image: ImageFacts) -> ImageFacts:
    """Add to an image's facts what its bytes tell."""
    return replace(image, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def describe_picture(judgement: Judgement, image: ImageFacts) -> ImageFacts:
    """Add to an image's facts what its picture was found to be."""
    return replace(
        image,
        width=judgement.width,
        height=judgement.height,
        format=judgement.format,
        conversions=judgement.conversions,
    )


def preprocess(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """A uint8 batch (1, 3, S, S) of a picture's pixels (S, S, 3). All else happens inside the artifact."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def predict(artifact: Artifact, batch: torch.Tensor) -> dict[str, float]:
    """The artifact's outputs by name, of the first image of a uint8 batch (N, 3, S, S).

    Raises:
        ModelRefused: an output is no finite number, which no JSON can hold and nobody can use.
    """
    outputs = artifact.predict(batch)[0].double().tolist()
    named = dict(zip(artifact.metadata.classes, outputs, strict=True))
    for name, output in named.items():
        if not math.isfinite(output):
            raise ModelRefused(
                f"the model of run {artifact.metadata.run!r} gives {output} for {name!r}; expected a finite number",
                "Promote another version, then replay the event",
            )
    return named


def classification(
    image: ImageFacts,
    outputs: Mapping[str, float],
    artifact: Artifact,
    version: ModelVersion,
    origin: Origin,
    unsure_below: float,
) -> Result:
    """The result of an image that the model has judged, by a classification or another task."""
    task = artifact.metadata.task
    if artifact.metadata.kind == "values":
        return results.estimated(image, outputs, task, version, origin)
    return results.classified(image, outputs, task, version, origin, unsure_below)


def rejection(image: ImageFacts, error: ImageRejected, origin: Origin) -> Result:
    """The result of a file that cannot be classified."""
    return results.rejected(image, error.code, error.detail, None, origin)
