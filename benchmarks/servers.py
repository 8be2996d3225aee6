"""Every server that is compared, as data: how it is started, when it is ready, how a picture is sent to it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen

from benchmarks.load import Target
from benchmarks.models import Models
from benchmarks.processes import clean_environment, running, wait_until_answers
from cosmoformer.cpus import cpu_limit
from cosmoformer.events import cloudevents
from cosmoformer.local import parts
from cosmoformer.local.process import free_port
from cosmoformer.settings import Settings

ROOT = Path(__file__).parents[1]
OURS = "classify"
OURS_SCALED = "classify behind the local activator"
THESIS = "thesis's serving"
_BOUNDARY = "cosmoformer-benchmark"
_LONG_QUEUE = "64"  # requests; so that 16 clients measure speed, not admission


@dataclass(frozen=True)
class Server:
    """A server.

    Attributes:
        name: for tables.
        argv: its command; ``{port}`` stands for the port.
        env: its whole environment; ``{port}`` likewise.
        ready: path that answers 200 once a picture may come.
        target: where pictures go, from the port.
        port: where it listens; 0 means any free one.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: str
    target: Callable[[int], Target]
    port: int = 0


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    process: Popen[bytes]
    target: Target
    log: Path


@contextmanager
def started(server: Server, folder: Path, *, wait: bool = True) -> Iterator[Running]:
    """The server, ready unless nobody is to wait for that, until the block ends."""
    port = server.port or free_port()
    log = folder / f"{uuid.uuid4().hex[:8]}.log"
    env = {name: value.replace("{port}", str(port)) for name, value in server.env.items()}
    argv = [argument.replace("{port}", str(port)) for argument in server.argv]
    with running(argv, log, env, cwd=ROOT) as child:
        if wait:
            wait_until_answers(child, port, server.ready, log)
        yield Running(child, server.target(port), log)


def classify(settings: Settings, cache: Path | None = None, queue: str | None = _LONG_QUEUE) -> Server:
    """The classify function as its container starts it, with the threads that ``knative/base/settings.env`` gives it.

    Args:
        settings: of the store and registry it uses.
        cache: folder of its model cache, where it must not be the usual one.
        queue: requests that may wait; None is the default setting.
    """
    own = {
        "PORT": "{port}",
        "LOG_LEVEL": "WARNING",
        "OMP_NUM_THREADS": "1",
        "TORCH_THREADS": "1",
        "PREDICTIONS_AT_ONCE": "0",
    }
    if queue:
        own["PREDICTION_QUEUE"] = queue
    if cache:
        own["MODEL_CACHE_DIR"] = str(cache)
    return Server(
        OURS,
        (sys.executable, "-m", "functions.classify"),
        _environment(settings, own),
        "/health/readiness",
        _event_target,
    )


def scaled_classify(settings: Settings) -> Server:
    """The classify function behind the activator that ``cosmoformer up`` puts in front of it, as many processes as CPUs."""
    part = parts.classify(settings)  # writes the activator's configuration
    env = _environment(settings, {"LOG_LEVEL": "WARNING"})
    return Server(OURS_SCALED, tuple(part.argv), env, part.health, _event_target, part.port)


def _environment(settings: Settings, own: Mapping[str, str]) -> dict[str, str]:
    return clean_environment(parts.environment(settings) | dict(own))


def thesis(models: Models, threads: int = 0) -> Server:
    """The thesis's serving, with its default threads or another number in each worker."""
    argv: tuple[str, ...] = (
        sys.executable,
        "-m",
        "uvicorn",
        "benchmarks.peers.thesis:app",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
    )
    argv += ("--workers", str(cpu_limit()), "--log-level", "warning")
    own = {"THESIS_MODEL": str(models.thesis), "THESIS_THREADS": str(threads)}
    name = f"{THESIS}, {threads} thread a worker" if threads else THESIS
    return Server(name, argv, clean_environment(own), "/readycheck", lambda port: Target(port, "/inference", _form))


def litserve(models: Models) -> Server:
    """LitServe."""
    argv: tuple[str, ...] = (sys.executable, "-m", "benchmarks.peers.litserve_server", "--model", str(models.thesis))
    argv += ("--port", "{port}", "--workers", str(cpu_limit()))
    env = clean_environment({"OMP_NUM_THREADS": "1"})
    return Server("LitServe", argv, env, "/health", lambda port: Target(port, "/predict", _json_image))


def mlflow(models: Models, folder: Path) -> Server:
    """``mlflow models serve``, from a model that is made in ``folder`` first."""
    out = folder / "mlflow-model"
    if not out.exists():
        argv = [sys.executable, "-m", "benchmarks.peers.mlflow_model", "--model", str(models.thesis), "--out", str(out)]
        subprocess.run(argv, cwd=ROOT, env=clean_environment(), check=True, capture_output=True)
    serve: tuple[str, ...] = (
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "--model-uri",
        str(out),
        "--env-manager",
        "local",
    )
    serve += ("--host", "127.0.0.1", "--port", "{port}", "--workers", str(cpu_limit()))
    env = clean_environment({"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"})
    return Server("mlflow models serve", serve, env, "/ping", lambda port: Target(port, "/invocations", _table))


def bentoml(models: Models) -> Server:
    """BentoML."""
    argv: tuple[str, ...] = (sys.executable, "-m", "bentoml", "serve", "benchmarks.peers.bentoml_service:Galaxies")
    argv += ("--host", "127.0.0.1", "--port", "{port}")
    own = {"OMP_NUM_THREADS": "1", "THESIS_MODEL": str(models.thesis), "BENTOML_DO_NOT_TRACK": "True"}
    env = clean_environment(own | {"BENTO_WORKERS": str(cpu_limit())})
    return Server("BentoML", argv, env, "/readyz", lambda port: Target(port, "/predict", _json_image))


def peers(models: Models, folder: Path) -> list[Server]:
    """All peers that are installed."""
    found = [thesis(models), thesis(models, threads=1)]
    if find_spec("litserve"):
        found.append(litserve(models))
    if find_spec("mlflow"):
        found.append(mlflow(models, folder))
    if find_spec("bentoml"):
        found.append(bentoml(models))
    return found


def _event_target(port: int) -> Target:
    return Target(port, "/", event_request)


def event_request(jpeg: bytes) -> tuple[Mapping[str, str], bytes]:
    """A picture in a binary CloudEvent."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": uuid.uuid4().hex,
        "ce-source": "urn:cosmoformer:benchmarks",
        "ce-type": cloudevents.IMAGE,
        "content-type": "image/jpeg",
    }
    return headers, jpeg


def _form(jpeg: bytes) -> tuple[Mapping[str, str], bytes]:
    disposition = 'Content-Disposition: form-data; name="file"; filename="galaxy.jpg"'
    head = f"--{_BOUNDARY}\r\n{disposition}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
    headers = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
    return headers, head + jpeg + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _json_image(jpeg: bytes) -> tuple[Mapping[str, str], bytes]:
    return {"content-type": "application/json"}, json.dumps({"image": base64.b64encode(jpeg).decode()}).encode()


def _table(jpeg: bytes) -> tuple[Mapping[str, str], bytes]:
    document = {"dataframe_split": {"columns": ["image"], "data": [[base64.b64encode(jpeg).decode()]]}}
    return {"content-type": "application/json"}, json.dumps(document).encode()
