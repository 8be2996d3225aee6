"""Artifacts with several groups of outputs: what is read, checked, refused and served."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import numpy as np
import pytest

from cosmoformer.errors import ModelRefused
from cosmoformer.models import artifact
from cosmoformer.models.artifact import metadata_of
from cosmoformer.models.outputs import Fractions, Value, grouped, missing
from cosmoformer.models.prediction import predict, preprocess
from cosmoformer.models.registry import ModelVersion
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.headlines import headline, values_of
from cosmoformer.storage.result_shape import is_result, schema
from cosmoformer.votes.tree import GZ2
from functions.classify import predictor
from tests.cosmoformer.tiny_artifact import ANGLE, hue_artifact, joint_artifact, tiny_artifact

RED = np.full((4, 4, 3), (200, 20, 10), np.uint8)
IMAGE = ImageFacts(None, None, None, 3, None)
VERSION = ModelVersion("m", 1, "", "mlflow-artifacts:/m", "1" * 64)


def result_of(content: bytes, no_galaxy_below: float = 0.5) -> dict[str, Any]:
    """The result of a red picture, valid by the schema and as readers take it."""
    model, origin = artifact.load(content), Origin(None, None, None, datetime.now(UTC))
    outputs = predict(model, preprocess(RED))
    result: dict[str, Any] = json.loads(
        json.dumps(
            predictor.classification(
                IMAGE, outputs, model, VERSION, origin, unsure_below=0.7, no_galaxy_below=no_galaxy_below
            )
        )
    )
    jsonschema.validate(result, schema())
    assert is_result(result)
    return result


def test_format_1_has_one_group() -> None:
    """An artifact of the first format gives classes, or values without unit, as it always did."""
    classes, values = artifact.read_metadata(tiny_artifact()), artifact.read_metadata(hue_artifact())
    assert (classes.format, classes.names, classes.fractions, classes.values) == (1, ("red", "green", "blue"), None, ())
    assert (values.classes, values.values) == ((), (Value("angle"), Value("excess")))
    assert set(result_of(tiny_artifact())["prediction"]) == {
        "task", "class", "confidence", "unsure", "unsure_below", "probabilities",
    }  # fmt: skip


def test_all_groups_at_once() -> None:
    """Classes, vote fractions and a value come out of one artifact, each in its own member of the result."""
    metadata = artifact.read_metadata(joint_artifact())
    assert metadata.names == ("red", "green", "blue", *GZ2.labels, "angle")
    assert metadata.told == "probabilities and vote fractions and values"
    prediction = result_of(joint_artifact())["prediction"]
    assert prediction["class"] == "red" and sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert list(prediction["votes"]) == [question.name for question in GZ2.questions]
    assert prediction["votes"]["bar"] == {"asked": 16.67, "fractions": {"yes": 0.5, "no": 0.5}}
    assert prediction["values"] == pytest.approx({"angle": 63.435}, abs=1e-3) and prediction["units"] == {
        "angle": "deg"
    }


@pytest.mark.parametrize(("below", "no_galaxy"), [(0.5, False), (0.9, True)])
@pytest.mark.parametrize("classes", [("red", "green", "blue"), ()], ids=["classes", "values"])
def test_the_score_of_what_is_no_galaxy(classes: tuple[str, ...], below: float, no_galaxy: bool) -> None:
    """It stands beside the class, or beside values alone, with the limit that it was compared with; not among the values."""
    prediction = result_of(joint_artifact(score=True, classes=classes), below)["prediction"]
    assert prediction["in_domain"] == pytest.approx(200 / 255)
    assert (prediction["no_galaxy"], prediction["no_galaxy_below"]) == (no_galaxy, below)
    assert set(prediction["values"]) == {"angle"}
    assert not {"in_domain", "no_galaxy", "no_galaxy_below"} & set(result_of(joint_artifact())["prediction"])


def test_votes_alone() -> None:
    """A model of nothing but votes gives a result without a class, and a headline all the same."""
    prediction = result_of(joint_artifact(classes=(), value=None, questions=2))["prediction"]
    assert set(prediction) == {"task", "votes"}
    assert headline(prediction) == "smooth-or-featured: smooth 0.3333, smooth-or-featured: featured-or-disk 0.3333, …"


@pytest.mark.parametrize("groups", [{"questions": 0}, {"value": None}, {"classes": ()}], ids=str)
def test_any_groups(groups: dict[str, Any]) -> None:
    """Each group may be absent; the others are served."""
    prediction = result_of(joint_artifact(**groups))["prediction"]
    absent = {"questions": "votes", "value": "values", "classes": "class"}[next(iter(groups))]
    assert absent not in prediction


@pytest.mark.parametrize(
    "about, told",
    [
        ({"format": 3}, "format is 3; known are 1, 2"),
        ({"format": None}, "format is None"),
        ({"fractions": {"tree": "decals", "labels": ["bar_weak"]}}, "tree 'decals'; known are gz2"),
        ({"fractions": {"tree": "gz2", "labels": ["bar_yes"]}}, "not whole questions of gz2"),
        ({"fractions": {"tree": "gz2", "labels": ["bar_yes", "bar_no"]}}, "'bar' without 'disk-edge-on_no', which leads to it"),
        ({"fractions": {"tree": "gz2", "labels": ["bar_no", "bar_yes"]}}, "the order, or a missing answer"),
        ({"fractions": {"tree": "gz2"}}, "malformed: 'labels'"),
        ({"values": [{"name": "red"}]}, "two outputs of the artifact are named 'red'"),
        ({"values": [{"unit": "deg"}]}, "malformed"),
        ({"classes": [], "fractions": None, "values": []}, "gives nothing"),
        ({"surprise": 1}, "malformed"),
    ],
    ids=str,
)  # fmt: skip
def test_metadata_that_nobody_can_serve_is_refused(about: dict[str, Any], told: str) -> None:
    """Whoever reads an artifact is told what is wrong with its groups, before anything runs."""
    with pytest.raises(ModelRefused, match=told):
        artifact.read_metadata(joint_artifact(**about))


def test_the_self_check_covers_every_group() -> None:
    """An artifact that answers otherwise than at export is refused, and so is one whose value leaves its range."""
    with pytest.raises(ModelRefused, match="probabilities and vote fractions and values differ"):
        artifact.load(joint_artifact(wrong=True))
    with pytest.raises(ModelRefused, match=r"'angle' is [0-9.]+; its range is deg, 0 to 10"):
        artifact.load(joint_artifact(value=ANGLE | {"high": 10.0}))


def test_outputs_of_another_number_than_named_are_refused() -> None:
    """A model that gives fewer numbers than its metadata name is refused at load."""
    with pytest.raises(ModelRefused, match=r"of shape \(2, 13\)"):
        artifact.load(_one_short())


def _one_short() -> bytes:
    labels = [label for question in GZ2.questions[:4] for label in question.labels]
    return joint_artifact(questions=11, fractions={"tree": "gz2", "labels": labels})


def test_metadata_survive_their_file() -> None:
    """What an artifact's file says is what was written into it."""
    metadata = artifact.read_metadata(joint_artifact())
    assert metadata.fractions == Fractions("gz2", GZ2.labels) and metadata.values == (Value("angle", "deg", 0.0, 90.0),)
    assert artifact.load(joint_artifact()).metadata == metadata


def test_rounded_fractions_lose_nothing_that_matters() -> None:
    """Fractions have four decimals and volunteers two, whatever the model's last digits are."""
    metadata = artifact.read_metadata(joint_artifact(classes=(), value=None, questions=1))
    names = metadata.names
    votes = grouped(metadata, dict(zip(names, (0.33335, 0.2222222, 0.4444278), strict=True))).votes
    assert votes == {
        "smooth-or-featured": {
            "asked": 100.0,
            "fractions": {"smooth": 0.3333, "featured-or-disk": 0.2222, "artifact": 0.4444},
        }
    }


def meta(**about: Any) -> artifact.Metadata:
    return artifact.read_metadata(joint_artifact(**about))


@pytest.mark.parametrize(
    "candidate, told",
    [
        (meta(), []),
        (
            meta(questions=4),
            [f"no answers to {', '.join(question.name for question in GZ2.questions[4:])}"],
        ),
        (meta(questions=0), ["no vote fractions; served are 11 questions of gz2"]),
        (meta(value=None), ["no value 'angle'"]),
        (meta(score=True), []),
        (meta(value=ANGLE | {"unit": "rad"}), ["'angle' in rad, 0 to 90 instead of deg, 0 to 90"]),
        (meta(value={"name": "angle"}), ["'angle' in no unit, … to … instead of deg, 0 to 90"]),
        (meta(classes=("red", "green", "cyan")), ["classes: without blue, with cyan"]),
        (meta(classes=()), ["classes: none"]),
        (meta(task="hue"), ["task 'hue' instead of 'colour'"]),
        (meta(classes=("blue", "green", "red")), []),
    ],
    ids=str,
)  # fmt: skip
def test_what_differs_is_named(candidate: artifact.Metadata, told: list[str]) -> None:
    """Each thing that users of the one model would miss in the other is named; the order of the classes is none."""
    assert missing(meta(), candidate) == told


def test_more_is_no_difference() -> None:
    """A model may give more than the one before: nobody misses anything."""
    assert missing(meta(questions=0, value=None), meta()) == []
    assert missing(artifact.read_metadata(tiny_artifact()), meta()) == []
    assert missing(meta(score=True), meta()) == ["no value 'in_domain' (python -m training.domain_head teaches it)"]


def test_metadata_of_a_report_are_of_the_first_format_unless_they_say() -> None:
    """Members of format 1 become the same metadata wherever they are read from."""
    members = {
        "task": "t",
        "classes": ["a", "b"],
        "input_size": 4,
        "crop": 1.0,
        "temperature": 1.0,
        "run": "",
        "data_version": "",
    }
    assert metadata_of({"format": 1, **members}).classes == ("a", "b")


def test_a_value_is_shown_with_its_uncertainty_and_unit() -> None:
    """Two values, of which one is named as the other's error, are one number; what has neither stands alone."""
    values = {"inclination": 54.2149, "inclination_error": 3.14, "mass": 2.5, "odd_error": 1.0}
    prediction = {"task": "any", "values": values, "units": {"inclination": "deg", "inclination_error": "deg"}}
    assert values_of(prediction, 4) == {"inclination": "54.21 ± 3.1 deg", "mass": "2.5", "odd_error": "1"}
    assert headline(prediction) == "inclination 54.21 ± 3.1 deg, mass 2.5, …"
