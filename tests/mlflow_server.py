"""A real MLflow server on loopback, with its database and artifacts in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cosmoformer.local.process import free_port

_START_S = 120.0
_STOP_S = 10.0


@dataclass(frozen=True)
class MlflowServer:
    """A running server.

    Attributes:
        url: where it answers.
    """

    url: str


@contextmanager
def running_mlflow(
    folder: Path, port: int = 0, artifacts: str = "", options: Sequence[str] = (), **variables: str
) -> Iterator[MlflowServer]:
    """Start a server that keeps everything in ``folder``, and end it; at a free port unless one is given.

    Args:
        folder: for its database and log.
        port: where it listens.
        artifacts: where it keeps artifacts; in ``folder`` unless given.
        options: more of the command line's.
        variables: more of the environment's.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    argv += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    argv += ["--serve-artifacts", "--artifacts-destination", artifacts or str(folder / "artifacts"), *options]
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # or seven more processes
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_CACHE_TTL": "0",  # a webhook made just now is called
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    environment |= variables
    environment.pop("MLFLOW_TRACKING_URI", None)  # the server is not its own client
    with (folder / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        _wait(server, url, folder / "mlflow.log")
        yield MlflowServer(url)
    finally:
        server.terminate()
        try:
            server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"MLflow did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)
