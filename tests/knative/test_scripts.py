"""The scripts that Jobs of the manifests run, against a real registry and a real store."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

from cosmoformer.local.process import free_port
from cosmoformer.models.registry import Registry
from cosmoformer.settings import load
from cosmoformer.storage.store import connect
from tests.conftest import ObjectStore
from tests.knative.objects import named
from tests.knative.rendering import KNATIVE, overlay, parse
from tests.mlflow_server import MlflowServer, running_mlflow


def _run(script: str, **variables: str) -> str:
    path: Path = KNATIVE / "components" / script
    done = subprocess.run(
        [sys.executable, str(path)], env=os.environ | variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_registry_setup(mlflow_server: MlflowServer) -> None:
    """The Job gives a fresh registry its champion and its webhook, and once there are both changes nothing."""
    name, url = f"test-{uuid.uuid4().hex[:12]}", "http://ingest.trial.svc.cluster.local"
    variables = {
        "MLFLOW_TRACKING_URI": mlflow_server.url,
        "MODEL_NAME": name,
        "INGEST_URL": url,
        "MLFLOW_WEBHOOK_SECRET": "a secret",
    }
    assert "champion: version 1" in _run("mlflow/registry_setup.py", **variables)
    assert "versions of its own" in _run("mlflow/registry_setup.py", **variables)
    registry = Registry(load({}, mlflow_tracking_uri=mlflow_server.url, model_name=name))
    assert registry.aliases() == {"champion": 1}
    webhooks = registry.get("webhooks", max_results=100)["webhooks"]
    assert [webhook["url"] for webhook in webhooks].count(f"{url}/hooks/mlflow") == 1


def test_registry_setup_waits_for_mlflow(tmp_path: Path) -> None:
    """Started before MLflow, as on every install, the Job waits for it and succeeds at its first try."""
    port = free_port()
    script = subprocess.Popen(
        [sys.executable, "-u", str(KNATIVE / "components/mlflow/registry_setup.py")],
        env=os.environ | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "MLFLOW_WEBHOOK_SECRET": "a secret"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert script.stdout is not None
        assert "waiting for MLflow" in script.stdout.readline()
        with running_mlflow(tmp_path, port):
            said, _ = script.communicate(timeout=120)
    finally:
        script.kill()
    assert script.returncode == 0 and "champion: version 1" in said, said


def test_a_try_of_the_job_is_longer_than_its_patience() -> None:
    """What the script waits leaves the rest of a try for registering the model."""
    text = (KNATIVE / "components/mlflow/registry_setup.py").read_text(encoding="utf-8")
    (patience,) = re.findall(r"^PATIENCE_S = ([\d.]+)$", text, re.MULTILINE)
    job = named(parse(overlay("dev")), "Job", "registry-setup")
    assert float(patience) + 60 < job["spec"]["template"]["spec"]["activeDeadlineSeconds"]


def test_registry_setup_without_a_secret(mlflow_server: MlflowServer) -> None:
    """Without a secret there is nothing to sign with: the Job fails and says what is missing."""
    done = subprocess.run(
        [sys.executable, str(KNATIVE / "components/mlflow/registry_setup.py")],
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow_server.url, "MLFLOW_WEBHOOK_SECRET": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "cosmoformer-webhook" in done.stderr


def test_page_access(object_store: ObjectStore, bucket: Callable[[], str]) -> None:
    """The Job lets the page use the one bucket that holds images and results, and holds its keys to uploads by a policy."""
    name, settings = bucket(), object_store.settings()
    variables = {
        "S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key,
        "IMAGES_BUCKET": name,
        "RESULTS_BUCKET": name,
        "PAGE_ORIGINS": "https://galaxies.example.com",
        "UPLOAD_PRINCIPAL": "arn:aws:iam:::user/cosmoformer-upload",
    }
    _run("bucket-claims/page_access.py", **variables)
    (rule,) = connect(settings).get_bucket_cors(Bucket=name)["CORSRules"]
    assert rule["AllowedOrigins"] == ["https://galaxies.example.com"]
    policy = json.loads(connect(settings).get_bucket_policy(Bucket=name)["Policy"])
    allowed = [rule for rule in policy["Statement"] if rule["Effect"] == "Allow"]
    assert [(rule["Action"], rule["Resource"]) for rule in allowed] == [
        (["s3:PutObject"], [f"arn:aws:s3:::{name}/uploads/*"])
    ]


def test_noobaa_notifications(object_store: ObjectStore, bucket: Callable[[], str]) -> None:
    """The Job's request is one that a store understands; this one knows no such topic, and says so."""
    settings = object_store.settings()
    done = subprocess.run(
        [sys.executable, str(KNATIVE / "components/noobaa/noobaa_notifications.py")],
        env=os.environ
        | {
            "S3_ENDPOINT_URL": settings.s3_endpoint_url,
            "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key,
            "IMAGES_BUCKET": bucket(),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "PutBucketNotificationConfiguration operation" in done.stderr
