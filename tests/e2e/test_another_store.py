"""``cosmoformer up`` on a store that is there already."""

from __future__ import annotations

from pathlib import Path

import pytest
import urllib3

from cosmoformer.models.bundled import BUNDLED
from cosmoformer.models.registration import register
from tests.conftest import ObjectStore
from tests.e2e.running_system import RunningSystem, wait_until


def test_up_uses_the_store_it_is_told(object_store: ObjectStore, tmp_path: Path) -> None:
    """With S3_ENDPOINT_URL no Ceph is started, and buckets, notifications and results are made in that store."""
    running = RunningSystem(
        tmp_path / "data",
        {
            "S3_ENDPOINT_URL": object_store.endpoint_url,
            "AWS_ACCESS_KEY_ID": object_store.access_key,
            "AWS_SECRET_ACCESS_KEY": object_store.secret_key,
            "IMAGES_BUCKET": "elsewhere-images",
            "RESULTS_BUCKET": "elsewhere-results",
            "MODELS_BUCKET": "elsewhere-models",
            "SWEEP_EVERY_SECONDS": "0",
            "MODEL_RECHECK_SECONDS": "600",
            "MAX_REPLICAS": "1",
        },
    )
    try:
        running.start()
        assert not (running.folder / "ceph").exists()
        running.wait_for_results([f"samples/{path.name}" for path in (BUNDLED / "samples").iterdir()])
        assert running.settings.s3_endpoint_url == object_store.endpoint_url
        _check_promotion_by_webhook(running)
    finally:
        running.stop()


def _check_promotion_by_webhook(running: RunningSystem) -> None:
    """MLflow's webhook reaches a running function long before it would ask again by itself."""
    second = register(running.registry, (BUNDLED / "model.pt").read_bytes(), tags={"task": "clean5"})
    port = running.activator()["replicas"][0]["port"]
    running.command("promote", str(second.version), "--force", "the same weights, to see a promotion")
    served = f'model_version="{second.version}"'

    def follows() -> bool:
        metrics = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()
        return any(line.startswith("cosmoformer_model_info") and served in line for line in metrics.splitlines())

    wait_until(follows, 20, "the running process serves the promoted version")


def test_up_with_a_wrong_key_says_what_to_mend(object_store: ObjectStore, tmp_path: Path) -> None:
    """A store that refuses the key ends the start with one line that names the setting."""
    running = RunningSystem(
        tmp_path / "data",
        {
            "S3_ENDPOINT_URL": object_store.endpoint_url,
            "AWS_ACCESS_KEY_ID": "stranger",
            "AWS_SECRET_ACCESS_KEY": "unknown",
        },
    )
    try:
        with pytest.raises(AssertionError, match="AWS_ACCESS_KEY_ID"):
            running.start()
    finally:
        running.stop()
