"""Artifacts of tasks that are no classification, from their file to a result."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import jsonschema
import numpy as np
import pytest

from cosmoformer.errors import ModelRefused
from cosmoformer.models import artifact
from cosmoformer.models.registry import ModelVersion
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.result_shape import schema
from functions.classify import predictor
from tests.cosmoformer.tiny_artifact import hue_artifact, tiny_artifact

VERSION = ModelVersion("m", 1, "", "mlflow-artifacts:/m", "1" * 64)
IMAGE = ImageFacts(None, None, None, 3, None)
GREEN = np.full((4, 4, 3), (20, 100, 10), np.uint8)
RED = np.full((4, 4, 3), (20, 0, 0), np.uint8)


def test_values_become_a_result_of_values() -> None:
    """The numbers stand in the result by their names, which has no class and is valid by the schema."""
    model = artifact.load(hue_artifact())
    outputs = predictor.predict(model, predictor.preprocess(GREEN))
    origin = Origin(None, None, None, datetime.now(UTC))
    result = predictor.classification(IMAGE, outputs, model, VERSION, origin, unsure_below=0.7, no_galaxy_below=0.5)
    jsonschema.validate(json.loads(json.dumps(result)), schema())
    assert result["prediction"]["values"] == pytest.approx({"angle": 84.2894, "excess": 2.0}, abs=1e-4)
    assert set(result["prediction"]) == {"task", "values"} and result["status"] == "classified"


def test_an_artifact_that_does_not_say_is_a_classification() -> None:
    """Artifacts from before there was a kind are served as they were."""
    assert artifact.read_metadata(tiny_artifact()).classes == ("red", "green", "blue")
    assert [value.name for value in artifact.read_metadata(hue_artifact()).values] == ["angle", "excess"]


@pytest.mark.parametrize("read", [artifact.load, artifact.read_metadata])
def test_an_unknown_kind_is_refused(read: object) -> None:
    """An artifact of a kind that this version cannot serve is refused, with those that it can."""
    with pytest.raises(ModelRefused, match="kind is 'picture'; expected one of classification, values"):
        read(hue_artifact("picture"))  # type: ignore[operator]


def test_other_values_than_at_export_are_refused() -> None:
    """The self-check holds for values as it does for probabilities, and names them so."""
    with pytest.raises(ModelRefused, match="self-check: values differ"):
        artifact.load(hue_artifact(wrong=True))


def test_what_is_not_finite_is_no_prediction() -> None:
    """A model that gives infinity for an image is told of, with run and name."""
    model = artifact.load(hue_artifact())
    with pytest.raises(ModelRefused, match="'hue' gives inf for 'excess'"):
        predictor.predict(model, predictor.preprocess(RED))


def test_large_values_may_differ_in_proportion() -> None:
    """Beyond one, the tolerance grows with the numbers, which have no more digits; below, it is what it is for a probability."""
    model = artifact.load(hue_artifact())
    numbers = predictor.predict(model, predictor.preprocess(GREEN))
    outputs = model.predict(predictor.preprocess(GREEN))
    assert artifact.tolerance(1e-3, outputs) == pytest.approx(1e-3 * numbers["angle"])
    assert artifact.tolerance(1e-3, outputs / 1000) == 1e-3
