"""The command line in this process, told where everything is by environment variables alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from cosmoformer.cli import main
from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.events.dead_letters import DeadLetters
from cosmoformer.models.registry import Registry
from cosmoformer.settings import SETTINGS, Settings, load
from cosmoformer.storage.store import Store
from functions.ingest.app import create_app
from tests.cosmoformer.local.knative.running_broker import Client, running_broker, trigger
from tests.cosmoformer.local.subscriber import Subscriber, wait_until


class Cli:
    """Runs commands; ``cli("results", "--csv")`` gives exit code and output."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    def at(self, settings: Settings) -> Cli:
        """The same with the variables that these settings stand for."""
        return Cli(environment_of(settings) | self.environment)

    def __call__(self, *arguments: object, **variables: str) -> Result:
        unset: dict[str, str | None] = {setting.name: None for setting in SETTINGS}
        return CliRunner().invoke(
            main,
            [str(argument) for argument in arguments],
            env=unset | self.environment | variables,
            catch_exceptions=False,
            prog_name="cosmoformer",
        )


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables, other than defaults, that would be read as these settings."""
    defaults = vars(load({}))
    changed = {name: value for name, value in vars(settings).items() if value != defaults[name]}
    return {name.upper(): ",".join(value) if isinstance(value, list) else str(value) for name, value in changed.items()}


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line with an empty folder as DATA_DIR."""
    return Cli({"DATA_DIR": str(tmp_path / "data")})


@contextmanager
def served(application: Any) -> Iterator[str]:
    """A WSGI application on a free port; gives its address."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    """Takes what the broker delivers."""
    with Subscriber() as taking:
        yield taking


@pytest.fixture
def broker(tmp_path: Path, subscriber: Subscriber) -> Iterator[Client]:
    """A broker with one trigger, whose subscriber also gets the dead letters."""
    with running_broker(tmp_path / "broker", trigger(subscriber.url, subscriber.url)) as client:
        yield client


@pytest.fixture
def settings(store: Store, broker: Client, registry: Registry) -> Settings:
    """Settings of a system with a store, a broker and a registry of its own."""
    own = {
        "k_sink": broker.url,
        "mlflow_tracking_uri": registry.settings.mlflow_tracking_uri,
        "model_name": registry.settings.model_name,
        "sweep_at_start_seconds": 0.0,
    }
    return Settings(**(vars(store.settings) | own))


@pytest.fixture
def system(cli: Cli, settings: Settings) -> Iterator[Cli]:
    """The command line at a system whose ingest function runs."""
    with served(create_app(settings)) as url:
        wait_until(lambda: urllib3.request("GET", f"{url}/health/readiness").status == 200)
        yield cli.at(Settings(**(vars(settings) | {"ingest_url": url})))


def kept_letters(store: Store) -> list[str]:
    """Two dead letters, about two images."""
    return [DeadLetters(store).keep(_given_up(key)) for key in ("a.png", "b.png")]


def _given_up(key: str) -> Event:
    """An event about an image, as a broker hands it to its dead-letter sink."""
    answer = json.dumps({"detail": "the bucket\nis another"})
    kind = f"{cloudevents.OBJECT_CREATED}Put"
    return cloudevents.new(
        type=kind, source="s", id=key, subject=key, data={}, knativeerrorcode="403", knativeerrordata=answer
    )
