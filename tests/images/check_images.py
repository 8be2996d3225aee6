"""The images that were built, started as a cluster would: ``make test-images``, after ``make images``.

Not part of ``make test``, which collects test_*.py: it takes images that were built, podman, and minutes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import urllib3
from astropy.io import fits

from cosmoformer.local.process import free_port
from cosmoformer.models.bundled import BUNDLED
from cosmoformer.storage.store import connect
from tests.conftest import ObjectStore
from tests.images.containers import inspected, podman, run, started
from tests.training.galaxies import small_catalogue
from tools.build_images import CONTAINERFILES, ROOT, reference

_every_image = pytest.mark.parametrize("name", CONTAINERFILES)
#: Unpacked, in bytes: what a fresh node has to fetch and keep before the first image is classified.
_GOALS = {"classify": 1_000_000_000, "ingest": 200_000_000}
_PROBE = (Path(__file__).parent / "probe.py").read_text(encoding="utf-8")
_SECRET = "a secret"


def _probe(name: str, read_only: bool) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(name, "-", entrypoint="python", stdin=_PROBE, read_only=read_only).stdout)
    return found


@pytest.mark.parametrize("name", _GOALS)
def test_size(name: str) -> None:
    """The image's layers, unpacked, are below its goal."""
    assert inspected(name)["Size"] < _GOALS[name]


@_every_image
def test_process_is_restricted(name: str) -> None:
    """A process is the user that was asked for, nothing in its container is root's, and only /tmp can be written."""
    found = _probe(name, read_only=True)
    assert (found["uid"], found["gid"], found["process_uids"]) == (1000680000, 0, [1000680000])
    assert found["tmp_writable"]
    assert found["writable_root"] == []


@_every_image
def test_files(name: str) -> None:
    """By their modes alone files can neither be written nor lend rights; modules are compiled, and there is no installer."""
    found = _probe(name, read_only=False)
    for kind in ("writable", "set_id", "installers", "uncompiled"):
        assert found[kind] == [], kind


@_every_image
def test_image_says_what_it_is(name: str) -> None:
    """The version in its label is the one in its name, and it does not run as root."""
    config = inspected(name)["Config"]
    assert config["Labels"]["org.opencontainers.image.version"] == reference(name).rpartition(":")[2]
    assert config["User"] == "1001:0"


@pytest.mark.parametrize(
    ("name", "url", "within_s"),
    [
        ("classify", "http://127.0.0.1:8080/health/liveness", 60),
        ("ingest", "http://127.0.0.1:8080/health/liveness", 30),
        ("web", "http://127.0.0.1:8080/", 30),
        ("mlflow", "http://127.0.0.1:5000/health", 180),
    ],
)
def test_server_needs_no_arguments(name: str, url: str, within_s: int) -> None:
    """Started with nothing but its image a server listens at every address, is root nowhere, and ends at SIGTERM."""
    with started(name) as server:
        server.wait_for(url, within_s=within_s)
        listening = server.execute("cat", "/proc/net/tcp")
        port = int(re.findall(r":(\d+)/", url)[0])
        assert f" 00000000:{port:04X} 00000000:0000 0A" in listening
        assert "\nUid:\t0" not in server.execute("sh", "-c", "cat /proc/[0-9]*/status")
        assert server.stop(within_s=30) in (0, 143)


def test_missing_settings_are_told() -> None:
    """A function without a broker is alive, not ready, and has said in its log what is missing."""
    with started("ingest", {"K_SINK": ""}) as ingest:
        ingest.wait_for("http://127.0.0.1:8080/health/liveness")
        ingest.wait_for("http://127.0.0.1:8080/health/readiness", status=500)
        assert "K_SINK" in ingest.logs()


def test_malformed_setting_is_told() -> None:
    """The page's server ends with one line about what it cannot use."""
    done = run("web", environment={"INGEST_URL": "ftp://somewhere"}, check=False)
    (line,) = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 1
    assert "ftp://somewhere" in json.loads(line)["problem"]


def test_page() -> None:
    """The page comes with a configuration and a policy made from the settings."""
    api, store = "https://uploads.example.com", "https://store.example.com"
    environment = {"INGEST_URL": api, "S3_PUBLIC_ENDPOINT_URL": store, "MAX_IMAGE_BYTES": "1234"}
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment |= {"HOST": "127.0.0.1", "PORT": str(port)}
    with started("web", environment, network="host") as web:
        web.wait_for(f"{url}/")
        page = urllib3.request("GET", f"{url}/")
        files = re.findall(r'(?:src|href)="([\w./-]+)"', page.data.decode())
        assert {urllib3.request("HEAD", f"{url}/{file}").status for file in files} == {200}
        assert f"connect-src 'self' {api} {store};" in page.headers["Content-Security-Policy"]
        configuration = urllib3.request("GET", f"{url}/config.json").json()
        assert (configuration["api"], configuration["max_bytes"]) == (api, 1234)


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """Address of an MLflow server from its image, set up by the Job of the manifests in classify's."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = {
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
        "MLFLOW_BACKEND_STORE_URI": "sqlite:////tmp/mlflow.db",
        "MLFLOW_SERVE_ARTIFACTS": "true",
        "MLFLOW_ARTIFACTS_DESTINATION": "/tmp/artifacts",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with started("mlflow", environment, network="host") as server:
        server.wait_for(f"{url}/health", within_s=180)
        scripts = {ROOT / "knative/components/mlflow": "/scripts:ro"}
        settings = {"MLFLOW_TRACKING_URI": url, "MLFLOW_WEBHOOK_SECRET": _SECRET}
        job = ["python", "/scripts/registry_setup.py"]
        with started("classify", settings, job, mounts=scripts, network="host") as setup:
            status = int(podman("wait", setup.id).stdout)
            assert status == 0, setup.logs()
            assert "champion: version 1" in setup.logs()
        yield url


@pytest.fixture
def settings(object_store: ObjectStore, registry: str) -> dict[str, str]:
    """What a ConfigMap and a Secret would hold, and where a function listens."""
    client = connect(object_store.settings())
    for bucket in ("container-images", "container-results"):
        client.create_bucket(Bucket=bucket)
    return {
        "S3_ENDPOINT_URL": object_store.endpoint_url,
        "AWS_ACCESS_KEY_ID": object_store.access_key,
        "AWS_SECRET_ACCESS_KEY": object_store.secret_key,
        "IMAGES_BUCKET": "container-images",
        "RESULTS_BUCKET": "container-results",
        "MLFLOW_TRACKING_URI": registry,
        "TORCH_THREADS": "1",
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
    }


def test_classify(settings: dict[str, str]) -> None:
    """With a store and a registry the function becomes ready, and classifies a JPEG, and a FITS file as well."""
    url = f"http://127.0.0.1:{settings['PORT']}"
    with started("classify", settings, network="host") as classify:
        classify.wait_for(f"{url}/health/readiness")
        sample = (BUNDLED / "samples" / "two_armed_spiral.jpg").read_bytes()
        result = _classified(url, sample, "image/jpeg")
        assert result["image"]["sha256"] == hashlib.sha256(sample).hexdigest()
        assert result["prediction"]["class"] == "spiral"
        stream = io.BytesIO()
        fits.PrimaryHDU(np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)).writeto(stream)
        assert _classified(url, stream.getvalue(), "image/fits")["prediction"]
        assert classify.stop(within_s=30) == 0


def _classified(url: str, content: bytes, media_type: str) -> dict[str, Any]:
    answer = urllib3.request("POST", url, body=content, headers={"Content-Type": media_type}, timeout=60)
    assert answer.status == 200, answer.data
    found: dict[str, Any] = answer.json()
    return found


def test_ingest(settings: dict[str, str]) -> None:
    """With a store the function becomes ready, and gives addresses for uploads that the store accepts."""
    url = f"http://127.0.0.1:{settings['PORT']}"
    environment = settings | {"K_SINK": "http://127.0.0.1:9"}  # nobody listens there, which only events would meet
    with started("ingest", environment, network="host") as ingest:
        ingest.wait_for(f"{url}/health/readiness")
        files = {"files": [{"name": "m51.jpg", "type": "image/jpeg", "size": 7}]}
        (upload,) = urllib3.request("POST", f"{url}/uploads", json=files).json()["uploads"]
        put = upload["put"]
        assert urllib3.request(put["method"], put["url"], body=b"picture", headers=put["headers"]).status == 200


def test_command_line() -> None:
    """`cosmoformer` is there, where an administrator looks for it."""
    assert run("classify", "cosmoformer", "--version").stdout.strip()


def test_mlflow_reaches_stores_and_databases() -> None:
    """The server's image has the drivers that the manifests' settings call for."""
    assert run("mlflow", "python", "-c", "import boto3, psycopg2, cryptography.fernet").returncode == 0


def test_training_helps() -> None:
    """Without arguments the image says which it takes."""
    assert "--recipe" in run("training").stdout


def test_training_trains(tmp_path: Path) -> None:
    """A run of one epoch on a few galaxies leaves its model on the volume, without a name or a home of its user."""
    small_catalogue(tmp_path / "data", per_class=8)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):  # pytest keeps them to its own user
        folder.chmod(0o755)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o777)
    mounts = {tmp_path / "data": "/galaxies/data:ro", tmp_path / "runs": "/galaxies/runs:rw"}
    words = ["--data=/galaxies/data", "--cache=/tmp/cache", "--out=/galaxies/runs/first", "--recipe=cpu"]
    words += ["--set=epochs=1", "--set=batch_size=4", "--set=image_size=112", "--set=target_weight=0"]
    with started("training", {"OMP_NUM_THREADS": "1"}, words, mounts=mounts) as training:
        status = int(podman("wait", training.id).stdout)
        assert status == 0, training.logs()[-4000:]
    assert (tmp_path / "runs/first/artifacts/model.pt").stat().st_uid == 1000680000
    assert os.access(tmp_path / "runs/first/artifacts/report.json", os.R_OK)


def test_training_can_compile_models() -> None:
    """On a GPU a model is compiled, which takes a C compiler and Python's headers; a compiled function runs here as well."""
    done = run("training", "-", stdin=_COMPILE, entrypoint="python")
    assert "compiled: 4.0" in done.stdout, done.stderr


_COMPILE = """
import torch
print("compiled:", torch.compile(lambda x: (x * x).sum())(torch.ones(4)).item())
"""
