"""The server processes of one machine, as data: what is started, with which arguments and settings."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cosmoformer.cpus import cpu_limit
from cosmoformer.events import cloudevents
from cosmoformer.local.ceph.layout import Subuser
from cosmoformer.local.identity import Identity
from cosmoformer.local.knative.activator import ActivatorConfig
from cosmoformer.local.knative.broker import BrokerConfig
from cosmoformer.local.knative.replica import FunctionSpec
from cosmoformer.local.knative.triggers import DeliverySpec, Trigger
from cosmoformer.local.supervisor import Part
from cosmoformer.served_models import changes_for, dead_letters_path
from cosmoformer.settings import PARTS, SETTINGS, Settings, load

_CPUS_A_REPLICA = 4  # one process predicts on as many at once, with one model in memory; beyond, Python's lock shows
STARTUP_DEADLINE_S = 120.0
DATABASE = "mlflow.db"
#: Of all parts; NAME_PORT is the setting of each one's port.
NAMES = ("mlflow", "broker", "ingest", "classify", "page")
_MOST_REPLICAS = 8  # each holds a model of its own in memory; MAX_REPLICAS can ask for more
UPLOADER, VIEWER = "cosmoformer-upload", "cosmoformer-view"  # access keys
_LOOPBACK = ("127.0.0.1", "localhost")


def local_settings(environment: dict[str, str], folder: Path, identity: Identity, own_store: bool) -> Settings:
    """The settings of all parts: what the environment says, and for the rest what belongs together on loopback."""
    given = load(environment, judge=PARTS)
    origins = [f"http://127.0.0.1:{given.page_port}", f"http://localhost:{given.page_port}"]
    if "PAGE_ORIGINS" in environment:
        origins += given.page_origins
    local: dict[str, Any] = {
        "data_dir": folder,
        "mlflow_tracking_uri": f"http://127.0.0.1:{given.mlflow_port}",
        "k_sink": f"http://127.0.0.1:{given.broker_port}",
        "ingest_url": f"http://127.0.0.1:{given.ingest_port}",
        "classify_url": f"http://127.0.0.1:{given.classify_port}",
        "page_origins": list(dict.fromkeys(origins)),
        "mlflow_webhook_secret": identity.webhook_secret,
    }
    if own_store:
        local |= {
            "s3_endpoint_url": f"http://127.0.0.1:{given.store_port}",
            "aws_access_key_id": identity.access_key,
            "aws_secret_access_key": identity.secret_key,
            "aws_session_token": "",
            "aws_profile": "",
            "s3_addressing_style": "path",  # nobody resolves names of buckets on loopback
            "aws_region": "us-east-1",  # the only one it knows
            "upload_access_key_id": UPLOADER,
            "upload_secret_access_key": identity.upload_secret_key,
            "view_access_key_id": VIEWER,
            "view_secret_access_key": identity.view_secret_key,
        }
        for subuser in subusers(identity):
            local[f"{subuser.name}_principal"] = subuser.principal
    if "MODEL_CACHE_DIR" not in environment:
        local["model_cache_dir"] = folder / "models"
    return load(environment, **local)


def subusers(identity: Identity) -> tuple[Subuser, Subuser]:
    """The two keys of the own store that sign addresses for strangers."""
    return (
        Subuser("upload", "write", UPLOADER, identity.upload_secret_key),
        Subuser("view", "read", VIEWER, identity.view_secret_key),
    )


def environment(settings: Settings) -> dict[str, str]:
    """Our environment with every setting written out, so that each part reads the very same values."""
    own = {setting.name: _text(getattr(settings, setting.name.lower())) for setting in SETTINGS}
    # A profile with an empty name is one that does not exist, to AWS's own tools.
    given = {name: value for name, value in own.items() if value or not name.startswith("AWS_")}
    return local_environment(os.environ) | given


def local_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables without those that would send a part past the store of the settings, or through a proxy to this machine.

    A shell's profile, session token or endpoint for AWS belongs to another account than the keys in the settings; only the
    certificates it trusts are kept. Without such keys, for a store that the shell names, they are what gives keys.
    """
    chained = bool(variables.get("S3_ENDPOINT_URL")) and not variables.get("AWS_SECRET_ACCESS_KEY")
    kept = {
        name: value
        for name, value in variables.items()
        if name == "AWS_CA_BUNDLE" or not name.startswith("AWS_") or (chained and value)
    }
    direct = (variables.get("no_proxy") or variables.get("NO_PROXY") or "").strip()
    if direct != "*":  # which means everything, but only by itself
        hosts = [host.strip() for host in direct.split(",") if host.strip()]
        direct = ",".join(dict.fromkeys([*hosts, *_LOOPBACK]))
    return kept | {"no_proxy": direct, "NO_PROXY": direct}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, list) else str(value)


def mlflow(settings: Settings, identity: Identity) -> Part:
    """The MLflow server: SQLite for runs and models, artifacts in the object store and served by it."""
    env = environment(settings) | {
        "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "AWS_DEFAULT_REGION": settings.aws_region,
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # older gateways know no optional checksums
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # or seven idle job consumers are started
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": identity.webhook_encryption_key,
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",  # ingest is on loopback
        "MLFLOW_WEBHOOK_CACHE_TTL": "0",  # a webhook made just now is called
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    env.pop("MLFLOW_TRACKING_URI")  # the server is not its own client
    argv = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(settings.mlflow_port)]
    argv += ["--backend-store-uri", f"sqlite:///{settings.data_dir / 'mlflow' / DATABASE}", "--workers", "1"]
    argv += ["--serve-artifacts", "--artifacts-destination", f"s3://{settings.models_bucket}/"]
    return Part("mlflow", argv, settings.mlflow_port, "MLFLOW_PORT", "/health", env, start_timeout_s=180)


def ingest(settings: Settings) -> Part:
    """The ingest function; it is asked inside every upload, so it always runs here."""
    env = environment(settings) | {"PORT": str(settings.ingest_port)}
    argv = [sys.executable, "-m", "functions.ingest"]
    return Part("ingest", argv, settings.ingest_port, "INGEST_PORT", "/health/readiness", env)


def page(settings: Settings) -> Part:
    """The server of the static page."""
    argv = [sys.executable, "-m", "cosmoformer.local.page", "--port", str(settings.page_port)]
    argv += ["--api", settings.ingest_url]
    argv += [word for origin in settings.store_origins for word in ("--store", origin)]
    argv += ["--max-bytes", str(settings.max_image_bytes)]
    return Part("page", argv, settings.page_port, "PAGE_PORT", "/", environment(settings))


def further_classify(settings: Settings, model: str, port: int) -> Part:
    """The activator of a further model: the same function, with settings of its own."""
    changes = {name.upper(): value for name, value in changes_for(model).items()}
    function = replace(_function(settings), name=f"classify-{model}", folder=settings.data_dir / f"classify-{model}")
    config = ActivatorConfig(port, replace(function, env={**function.env, **changes}))
    return _configured("activator", f"classify-{model}", config, settings, "/health/liveness", "SERVED_MODELS")


def classify(settings: Settings) -> Part:
    """The activator, which starts classify processes when requests come and ends them when none do."""
    config = ActivatorConfig(settings.classify_port, _function(settings))
    return _configured("activator", "classify", config, settings, "/health/liveness", "CLASSIFY_PORT")


def _function(settings: Settings) -> FunctionSpec:
    replicas = max_replicas(settings)
    at_once = predictions_at_once(settings)
    return FunctionSpec(
        name="classify",
        argv=(sys.executable, "-m", "functions.classify"),
        folder=settings.data_dir / "classify",
        env={"PREDICTIONS_AT_ONCE": str(at_once), "OMP_NUM_THREADS": str(settings.torch_threads or cpu_limit())},
        container_concurrency=concurrency(settings),
        max_replicas=replicas,
        idle_s=settings.idle_seconds,
        startup_deadline_s=STARTUP_DEADLINE_S,
    )


def broker(settings: Settings, console_url: str, further: Mapping[str, int]) -> Part:
    """The broker, with a trigger for each event that somebody acts on; ``further`` has the ports of further models."""
    config = BrokerConfig(settings.broker_port, settings.data_dir / "broker", triggers(settings, console_url, further))
    return _configured("broker", "broker", config, settings, "/health", "BROKER_PORT")


def triggers(settings: Settings, console_url: str, further: Mapping[str, int]) -> tuple[Trigger, ...]:
    """Which events go where; the cluster's Triggers say the same. Each model has its own, and so its own queue."""
    delivery = DeliverySpec(
        retry=settings.delivery_retries,
        backoff_delay_s=settings.delivery_backoff_seconds,
        timeout_s=settings.delivery_timeout_seconds,
        dead_letter_url=settings.ingest_url + dead_letters_path(),
    )
    briefly = DeliverySpec(retry=2)  # the console only shows; what it misses is in the bucket
    parallelism = concurrency(settings) * max_replicas(settings)
    created = ({"prefix": {"type": "com.amazonaws."}},)  # s3.ObjectCreated:*, and what newer Ceph itself sends
    places = [("classify", settings.classify_url, delivery)]
    for model, port in further.items():
        own = replace(delivery, dead_letter_url=settings.ingest_url + dead_letters_path(model))
        places.append((f"classify-{model}", f"http://127.0.0.1:{port}", own))
    of_models = (
        (
            Trigger(f"{name}-objects", url, filters=created, delivery=own, parallelism=parallelism),
            Trigger(f"{name}-pictures", url, {"type": cloudevents.IMAGE}, delivery=own),
            Trigger(f"{name}-alias", url, {"type": cloudevents.ALIAS_MOVED}, delivery=own, parallelism=1),
        )
        for name, url, own in places
    )
    return (
        *(trigger for one in of_models for trigger in one),
        Trigger("console-classified", console_url, {"type": cloudevents.CLASSIFIED}, delivery=briefly),
        Trigger("console-rejected", console_url, {"type": cloudevents.REJECTED}, delivery=briefly),
    )


def max_replicas(settings: Settings) -> int:
    """Most classify processes at once."""
    return int(settings.max_replicas) or min(math.ceil(cpu_limit() / _CPUS_A_REPLICA), _MOST_REPLICAS)


def predictions_at_once(settings: Settings) -> int:
    """Images that each classify process predicts at once: the CPUs are shared out among the processes."""
    threads = settings.torch_threads or cpu_limit()
    return int(settings.predictions_at_once) or max(1, cpu_limit() // max_replicas(settings) // threads)


def concurrency(settings: Settings) -> int:
    """Requests that one classify process gets at a time: while some images are predicted, as many others are fetched."""
    return 2 * predictions_at_once(settings)


def _configured(module: str, name: str, config: Any, settings: Settings, health: str, setting: str) -> Part:
    """A part that reads its configuration, kept beside its data, at start; ``setting`` names its port."""
    path = settings.data_dir / "run" / f"{name}-config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(config), default=str, indent=1))
    argv = [sys.executable, "-m", f"cosmoformer.local.knative.{module}", "--config", str(path)]
    return Part(name, argv, config.port, setting, health, environment(settings), stop_grace_s=25)
