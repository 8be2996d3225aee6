"""Images that are judged again by another version: what stood before is not lost."""

from __future__ import annotations

import pytest

from cosmoformer.storage.results import ResultsBucket
from functions.classify.handler import Handler
from functions.classify.serving import ModelServing
from tests.functions.classify.conftest import BUNDLED, Deployment, altered
from tests.functions.classify.test_app import DeletedMeanwhile, created, drop, recorded


@pytest.fixture(scope="module")
def galaxy() -> bytes:
    return (BUNDLED / "samples" / "two_armed_spiral.jpg").read_bytes()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_judging_again_deletes_no_result_of_an_image_that_goes_meanwhile(
    deployment: Deployment, serving: ModelServing, model: bytes, galaxy: bytes, moment: str
) -> None:
    """The result by an earlier version stands as it did, since nothing deletes a result by itself."""
    drop(deployment, "kept.jpg", galaxy)
    first = Handler(deployment.settings, deployment.store, ResultsBucket(deployment.store), serving)
    assert first.handle(created(deployment, "kept.jpg"))
    standing = recorded(deployment, "kept.jpg")
    promoted = deployment.register(altered(model, note="another"), alias="champion")
    serving.refresh()
    assert serving.current().version.version == promoted.version > standing["model"]["version"]
    second = Handler(deployment.settings, deployment.store, DeletedMeanwhile(deployment, moment), serving)
    assert second.handle(created(deployment, "kept.jpg", id="e2")) is None
    assert recorded(deployment, "kept.jpg") == standing
