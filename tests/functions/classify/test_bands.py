"""A model of raw bands, from the bucket to the result."""

from __future__ import annotations

import numpy as np
import pytest

from cosmoformer.api.classifier import Classifier
from cosmoformer.errors import ImageRejected, NotExplained
from cosmoformer.models import artifact
from cosmoformer.models.explanation import explain
from cosmoformer.storage.results import judged_by
from functions.classify.replies import reply
from tests.cosmoformer.images.test_fits_bands import GRI, PLANES, cube, file_of
from tests.cosmoformer.images.test_fits_planes import image
from tests.cosmoformer.tiny_artifact import bands_artifact
from tests.functions.classify.conftest import Deployment
from tests.functions.classify.test_groups import red
from tests.functions.classify.test_sky_objects import Stage

CONTENT = file_of(*(image(PLANES[band], band) for band in "igr"))
EXPECTED = {f"light_{band}": float(np.arcsinh(PLANES[band].mean() / 100)) for band in GRI}


def test_a_model_of_bands_judges_files_that_have_them(deployment: Deployment) -> None:
    """Values are those of the full range, not of eight bits; which planes were used stands in the conversions."""
    stage = Stage(deployment, bands_artifact())
    result = stage.put(CONTENT, "ngc1300.fits")
    assert result["prediction"]["values"] == pytest.approx(EXPECTED, rel=1e-5)
    assert result["image"]["conversions"] == ["bands_g_r_i"]


@pytest.mark.parametrize(
    ("content", "has"), [(red(), "another kind of file"), (cube("ug", "ug"), "the FITS file has u, g")]
)
def test_files_without_them_are_rejected_with_what_is_missing(deployment: Deployment, content: bytes, has: str) -> None:
    """It is the word of that version: the next one may take them, or says for itself that it does not."""
    versions = []
    for _ in range(2):
        stage = Stage(deployment, bands_artifact())
        result = stage.put(content, "other.fits")
        assert result["rejection"]["code"] == "missing_bands"
        assert judged_by(result) == deployment.registry.resolve("champion").identity
        versions.append(result["model"]["version"])
    assert versions[0] < versions[1]
    assert has in result["rejection"]["reason"] and "bands g, r, i" in result["rejection"]["reason"]


def test_missing_bands_are_the_word_of_the_version_that_wanted_them(deployment: Deployment) -> None:
    """The rejection names it, so that a sweep finds it stale; the next version's takes its place, with an event of its own."""
    first = Stage(deployment, bands_artifact()).put(red(), "other.fits")
    second = Stage(deployment, bands_artifact()).put(red(), "other.fits")
    assert first["model"]["version"] < second["model"]["version"]
    assert reply(first, "m").id != reply(second | {"event": first["event"]}, "m").id


def test_what_no_model_could_read_is_no_models_word(deployment: Deployment) -> None:
    """A damaged file names no version."""
    assert Stage(deployment, bands_artifact()).put(b"SIMPLE  = ", "damaged.fits")["model"] is None


def test_the_python_interface_takes_bands_too() -> None:
    """Bytes of a FITS file, but no array of pixels; and it does not explain what nobody can look at."""
    classifier = Classifier(bands_artifact())
    assert classifier.classify(CONTENT).values == pytest.approx(EXPECTED, rel=1e-5)
    with pytest.raises(ImageRejected, match="needs the bands"):
        classifier.classify(red())
    with pytest.raises(TypeError, match="takes the bands g, r, i of a FITS file, not an array"):
        classifier.classify(np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(NotExplained, match="raw bands"):
        explain(artifact.load(bands_artifact()), np.zeros((16, 16, 3), np.uint8))
