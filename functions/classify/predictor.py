"""The predictor: decode, preprocess, predict, result. Four plain functions that know nothing of HTTP, S3 or MLflow."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from cosmoformer.errors import ImageRejected
from cosmoformer.images.decoding import decode
from cosmoformer.images.fits_bands import CODE as MISSING_BANDS
from cosmoformer.images.picture import Limits, Picture
from cosmoformer.images.sky import Sky
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.outputs import grouped
from cosmoformer.models.prediction import described, predict, preprocess
from cosmoformer.models.registry import ModelVersion
from cosmoformer.settings import Settings
from cosmoformer.storage import results, sky_objects
from cosmoformer.storage.domain import Domain
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.results import Result
from cosmoformer.storage.sky_objects import Told
from functions.classify.judgements import Judgement

__all__ = [
    "Limits",
    "Picture",
    "classification",
    "decode",
    "describe",
    "describe_picture",
    "described",
    "predict",
    "preprocess",
    "rejection",
    "with_object",
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
        zoom=judgement.zoom,
    )


def classification(
    image: ImageFacts,
    outputs: Mapping[str, float],
    artifact: Artifact,
    version: ModelVersion,
    origin: Origin,
    *,
    unsure_below: float,
    no_galaxy_below: float,
) -> Result:
    """The result of an image that the model has judged, with every group of outputs that the model has."""
    task, answer = artifact.metadata.task, grouped(artifact.metadata, outputs)
    shares, values, units, votes = answer.probabilities, answer.values, answer.units, answer.votes
    domain = None if answer.in_domain is None else Domain(answer.in_domain, no_galaxy_below)
    if not shares:
        return results.estimated(image, values, task, version, origin, domain=domain, units=units, votes=votes)
    return results.classified(
        image, shares, task, version, origin, unsure_below, domain, values=values, units=units, votes=votes
    )


def rejection(image: ImageFacts, error: ImageRejected, origin: Origin, version: ModelVersion | None = None) -> Result:
    """The result of a file that cannot be classified; of that model version alone, where another might take it."""
    own = error.code == MISSING_BANDS
    return results.rejected(image, error.code, error.detail, version if own else None, origin)


def with_object(result: Result, told: Told, sky: Sky, settings: Settings) -> Result:
    """A result with what is known of the object in its image."""
    key = result["image"]["key"]
    name = sky_objects.of_name(key) if settings.names_are_positions and key else {}
    known = sky_objects.member(told, sky, name)
    return result | {"object": known} if known else result
