"""What models look at."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cosmoformer.errors import InvalidRequest, NotExplained
from cosmoformer.models import artifact, explanation
from cosmoformer.models.bundled import bundle
from cosmoformer.models.explanation import explain
from cosmoformer.models.wanted import is_asked
from cosmoformer.render import SAMPLES, render
from tests.cosmoformer.tiny_artifact import joint_artifact, tiny_artifact

SIDE = 96


def spotted() -> NDArray[np.uint8]:
    """A dark picture with a red spot to the upper left and a green one to the lower right."""
    pixels = np.full((SIDE, SIDE, 3), 20, np.uint8)
    pixels[18:30, 18:30] = (255, 20, 20)
    pixels[66:78, 66:78] = (20, 255, 20)
    return pixels


@pytest.mark.parametrize(
    ("output", "speaks_for", "speaks_against"), [("red", "red", "green"), ("green", "green", "red")]
)
def test_an_output_rests_on_what_raises_it(output: str, speaks_for: str, speaks_against: str) -> None:
    """The place that an output comes from has the greatest weight, 1, what lowers it has a negative one, the sky none."""
    model = artifact.load(tiny_artifact(input_size=SIDE))
    found = explain(model, spotted(), output)
    grid = len(found.weights)
    where = {"red": (grid // 4, grid // 4), "green": (grid * 3 // 4, grid * 3 // 4)}
    assert (found.output, found.weights.shape, found.weights.dtype) == (output, (grid, grid), np.float32)
    assert found.weights[where[speaks_for]] > 0.9
    assert found.weights[where[speaks_against]] < -0.3
    assert abs(found.weights[0, -1]) < 0.01
    assert found.effect > 0


def test_the_most_probable_class_is_explained_unless_another_output_is_named() -> None:
    """Of a model without classes it is the first output."""
    pixels = spotted()
    pixels[18:30, 18:30, 0] = 21  # hardly any red is left
    assert explain(artifact.load(tiny_artifact(input_size=SIDE)), pixels).output == "green"
    votes = explain(artifact.load(joint_artifact(classes=(), input_size=SIDE)), pixels)
    assert (votes.output, votes.effect) == ("smooth-or-featured_smooth", 0)
    assert not votes.weights.any()  # this model answers alike, whatever it sees


def test_a_value_is_explained_in_its_unit() -> None:
    """Hiding green lowers the angle between blue and green by some degrees."""
    found = explain(artifact.load(joint_artifact(input_size=SIDE)), spotted(), "angle")
    assert 1 < found.effect < 90
    assert np.unravel_index(found.weights.argmax(), found.weights.shape)[0] > len(found.weights) / 2


def test_an_output_that_the_model_lacks_is_refused() -> None:
    """The message names what can be explained."""
    with pytest.raises(InvalidRequest, match=r"no output 'blu'.*red, green, blue"):
        explain(artifact.load(tiny_artifact(input_size=SIDE)), spotted(), "blu")


def test_the_bundled_model_looks_at_the_galaxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it relies on lies where the galaxy is, not in the sky around it."""
    monkeypatch.setattr(explanation, "_seconds", lambda *_: 0.005)  # a busy machine would look at fewer places
    model = artifact.load(bundle().artifact)
    found = explain(model, render(SAMPLES["two_armed_spiral"], seed=1))
    weights = np.clip(found.weights, 0, None)
    quarter = len(weights) // 4
    assert weights[quarter:-quarter, quarter:-quarter].sum() > 0.6 * weights.sum()
    assert found.output == "spiral"


def test_slower_models_are_asked_at_fewer_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that would take far too long gives no explanation and says why."""
    assert [explanation._grid(seconds) for seconds in (0.005, 0.015, 0.03, 0.08, 0.3)] == [14, 10, 7, 5, 5]
    with pytest.raises(NotExplained, match=r"one prediction of this model takes 1.00 s"):
        explanation._grid(1.0)


@pytest.mark.parametrize("wanted", ["1", "true", "bar_yes"])
def test_a_request_asks(wanted: str) -> None:
    """By a word for yes, or by the name of an output."""
    assert is_asked(wanted)


@pytest.mark.parametrize("wanted", ["", " ", "0", "False", "no"])
def test_a_request_does_not_ask(wanted: str) -> None:
    """Nothing, or a word for no."""
    assert not is_asked(wanted)
