"""What a score of what is no galaxy is measured on, and the figures of it."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from cosmoformer.models import artifact
from tests.cosmoformer.tiny_artifact import joint_artifact
from training.evaluation.domain import domain_figures, domain_of, flagged
from training.evaluation.figures import of_domain
from training.evaluation.strangers import KINDS, SIDE, stranger


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_stranger_is_drawn_at_random(kind: str) -> None:
    """A seed gives the same square of colours each time, and most seeds another."""
    pictures = [stranger(kind, np.random.default_rng(seed)) for seed in range(8)]
    assert {(picture.shape, picture.dtype.name) for picture in pictures} == {((SIDE, SIDE, 3), "uint8")}
    assert len({picture.tobytes() for picture in pictures}) >= 4
    assert np.array_equal(stranger(kind, np.random.default_rng(2)), pictures[2])


def test_figures_count_what_is_below_half() -> None:
    """Of galaxies by their scores, of strangers by what the model says of them: it takes what is red for a galaxy."""
    model = artifact.load(joint_artifact(score=True))
    found = domain_figures(model, "test", np.array([0.2, 0.5, 0.7, 0.9]))
    assert found is not None and asdict(found.galaxies) == {"name": "test", "pictures": 4, "share": 0.25}
    shares = {one.name: one.share for one in found.strangers}
    assert list(shares) == list(KINDS) and all(one.pictures == 60 for one in found.strangers)
    assert shares["diffraction"] > 0.5 and 0.1 < shares["flat"] < 0.9
    assert domain_of(asdict(found)) == found
    flat = of_domain(found)
    assert (flat["flagged_galaxies"], flat["flagged_salt_and_pepper"]) == (0.25, shares["salt and pepper"])
    assert flat["flagged_strangers"] == found.strangers_share == pytest.approx(np.mean(list(shares.values())), abs=1e-5)


def test_a_model_that_does_not_tell_has_no_figures() -> None:
    """Nothing is drawn for it."""
    model = artifact.load(joint_artifact())
    assert domain_figures(model, "test", np.zeros(3)) is None and of_domain(None) == {}


def test_flagged_is_a_share() -> None:
    """Rounded as every figure is."""
    assert flagged("some", np.array([0.1, 0.6, 0.8])).share == 0.33333
