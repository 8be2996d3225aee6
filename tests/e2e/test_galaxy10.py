"""A light model with classes of its own, from its training to results in the bucket."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import jsonschema
import pytest

from cosmoformer.models import artifact
from cosmoformer.models.outputs import grouped
from cosmoformer.storage.result_shape import schema
from functions.classify import predictor
from tests.conftest import ObjectStore
from tests.e2e.conftest import SAMPLES
from tests.e2e.running_system import RunningSystem, wait_until
from tests.training.test_galaxy10 import trained
from training.tasks import TASKS

LIMITS = predictor.Limits(1 << 25, 1 << 25)


@pytest.mark.timeout(600)  # a training and a whole system
def test_mobilevit_is_trained_promoted_and_served(object_store: ObjectStore, tmp_path: Path) -> None:
    """MobileViT-XXS, trained on Galaxy10's classes, takes the alias, and the same function writes what its artifact says."""
    run = trained(tmp_path)
    model = artifact.load((run / "artifacts" / "model.pt").read_bytes())
    running = RunningSystem(
        tmp_path / "data",
        {
            "S3_ENDPOINT_URL": object_store.endpoint_url,
            "AWS_ACCESS_KEY_ID": object_store.access_key,
            "AWS_SECRET_ACCESS_KEY": object_store.secret_key,
            "IMAGES_BUCKET": "galaxy10-images",
            "RESULTS_BUCKET": "galaxy10-results",
            "MODELS_BUCKET": "galaxy10-models",
            "SWEEP_EVERY_SECONDS": "0",
            "MODEL_RECHECK_SECONDS": "2",
            "MAX_REPLICAS": "1",
        },
    )
    images = [(path.name, path.read_bytes()) for path in sorted(SAMPLES.glob("*.jpg"))]
    try:
        running.start()
        running.command("import-run", str(run), "--register")
        running.command("promote", "2", "--force", "the first model of these classes")
        tries = count()

        def is_served() -> bool:
            (result,) = running.wait_for_results(running.drop(f"try-{next(tries)}/", images[:1])).values()
            return bool(result["model"]["version"] == 2)

        wait_until(is_served, 60, "results by the promoted model")
        keys = running.drop("galaxy10/", images)
        results = running.wait_for_results(keys)
    finally:
        running.stop()
    for key, (_, content) in zip(keys, images, strict=True):
        jsonschema.validate(results[key], schema())
        given = predictor.predict(model, predictor.preprocess(predictor.decode(content, LIMITS).pixels))
        expected = grouped(model.metadata, given).probabilities
        told = results[key]["prediction"]["probabilities"]
        assert tuple(told) == TASKS["galaxy10"].classes
        assert told == pytest.approx(expected, abs=1e-6)
        assert results[key]["prediction"]["class"] == max(expected, key=lambda name: expected[name])
