"""What a pod says and how it answers probes when something it needs is missing, served as in its image."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cosmoformer.storage.store import connect
from tests.conftest import ObjectStore
from tests.functions.under_middleware import Served, as_deployed, texts

NOBODY = "http://127.0.0.1:9"  # the discard port: nobody answers


def log_lines(function: Served) -> list[dict[str, Any]]:
    return [json.loads(line) for line in function.log.read_text().splitlines() if line.startswith("{")]


def assert_not_ready(function: Served, setting: str) -> None:
    """It is alive and not ready, and one line of its log names the setting, as the probe does."""
    function.wait_until_up()
    function.wait_for(lambda: setting.encode() in function.request("GET", "/health/readiness").body)
    assert function.request("GET", "/health/readiness").status in (500, 503)
    assert any(setting in str(line.get("problem")) for line in log_lines(function))
    assert not any("traceback" in line for line in log_lines(function))


@pytest.mark.parametrize("function", ["classify", "ingest"])
@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "nobody"}, "AWS_PROFILE"),
        ({"S3_ENDPOINT_URL": NOBODY}, "S3_ENDPOINT_URL"),
        ({"S3_ENDPOINT_URL": "s3.example.org"}, "S3_ENDPOINT_URL"),
        ({"S3_PUBLIC_ENDPOINT_URL": "s3.example.org:9000"}, "S3_PUBLIC_ENDPOINT_URL"),
        ({"RESULTS_BUCKET": "no-such-bucket"}, "RESULTS_BUCKET"),
    ],
)
def test_without_secret_or_store_it_is_not_ready(
    object_store: ObjectStore,
    bucket: Callable[[], str],
    tmp_path: Path,
    function: str,
    broken: dict[str, str],
    named: str,
) -> None:
    """A missing or wrong secret, profile or address, a store that is away and a missing bucket are named; it is not ready."""
    settings = object_store.settings(images_bucket=bucket(), results_bucket=bucket(), mlflow_tracking_uri=NOBODY)
    with as_deployed(function, texts(settings) | broken, tmp_path / "log") as served:
        assert_not_ready(served, named)


def test_without_a_registry_classify_is_not_ready(
    object_store: ObjectStore, bucket: Callable[[], str], tmp_path: Path
) -> None:
    """An MLflow server that is away is named by its setting."""
    settings = object_store.settings(images_bucket=bucket(), results_bucket=bucket(), mlflow_tracking_uri=NOBODY)
    with as_deployed("classify", texts(settings), tmp_path / "log") as served:
        assert_not_ready(served, "MLFLOW_TRACKING_URI")


def test_it_gets_ready_when_the_store_comes(
    object_store: ObjectStore, bucket: Callable[[], str], tmp_path: Path
) -> None:
    """A bucket that is made later is found without a restart."""
    later = bucket()
    settings = object_store.settings(images_bucket=bucket(), results_bucket=later)
    connect(settings).delete_bucket(Bucket=later)
    with as_deployed("ingest", texts(settings), tmp_path / "log") as served:
        assert_not_ready(served, "RESULTS_BUCKET")
        connect(settings).create_bucket(Bucket=later)
        served.wait_until_ready()


@pytest.mark.parametrize("function", ["classify", "ingest"])
def test_a_malformed_setting_is_one_line(function: str, tmp_path: Path) -> None:
    """A setting that cannot be read ends the process with one line, not with a traceback."""
    with as_deployed(function, {"STORE_TIMEOUT_SECONDS": "soon"}, tmp_path / "log") as served:
        assert served.process.wait(60) != 0
    (line,) = log_lines(served)
    assert line["problem"].startswith("STORE_TIMEOUT_SECONDS must be a number, got 'soon'")
    assert "Traceback" not in served.log.read_text()
