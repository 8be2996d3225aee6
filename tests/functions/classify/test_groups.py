"""Models of every kind under one alias, from the registry to the result in the bucket."""

from __future__ import annotations

import io
import json

import jsonschema
import numpy as np
import pytest
from PIL import Image

from cosmoformer.events.notifications import ObjectCreated
from cosmoformer.storage.result_shape import schema
from cosmoformer.storage.results import ResultsBucket
from functions.classify.handler import Handler
from tests.cosmoformer.tiny_artifact import hue_artifact, joint_artifact, tiny_artifact
from tests.functions.classify.conftest import Deployment

KINDS = {
    "classes": (tiny_artifact(), {"class", "probabilities"}),
    "fractions": (joint_artifact(classes=(), value=None), {"votes"}),
    "classes and fractions": (joint_artifact(value=None), {"class", "probabilities", "votes"}),
    "values": (hue_artifact(), {"values"}),
    "everything": (joint_artifact(score=True), {"class", "probabilities", "votes", "values", "units", "in_domain"}),
}


def red() -> bytes:
    """A picture that is mostly red."""
    pixels = np.full((16, 16, 3), (200, 20, 10), np.uint8)
    pixels[0, 0] = (0, 0, 255)  # one colour alone is no picture
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("order", [list(KINDS), list(reversed(KINDS))], ids=["there", "back"])
def test_models_of_every_kind_are_served_under_one_alias(deployment: Deployment, order: list[str]) -> None:
    """As the alias moves from kind to kind, each result has just the groups of the model that judged, and stays readable."""
    versions = {kind: deployment.register(KINDS[kind][0]) for kind in order}
    serving = deployment.serving()
    bucket = ResultsBucket(deployment.store, lambda: deployment.registry.resolve("champion").identity)
    handler = Handler(deployment.settings, deployment.store, bucket, serving)
    for kind, version in versions.items():
        deployment.registry.set_alias("champion", version.version)
        serving.refresh()
        key = f"{kind}.png"
        deployment.store.write(deployment.settings.images_bucket, key, red(), "image/png")
        handler.handle(
            ObjectCreated(
                deployment.settings.images_bucket, key, "ObjectCreated:Put", "ceph:s3", "", None, kind
            ).event()
        )
        result = bucket.read(key)
        assert result, kind
        jsonschema.validate(json.loads(json.dumps(result)), schema())
        groups = {"class", "probabilities", "votes", "values", "units", "in_domain"} & set(result["prediction"])
        assert (groups, result["model"]["version"]) == (KINDS[kind][1], version.version)
    assert len(list(bucket.all())) == len(KINDS)  # each is still a result for whoever reads them all
