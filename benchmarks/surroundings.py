"""What the classify function needs around it: a store, and an MLflow server that has the model; both real, on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cosmoformer.local import bootstrap, parts
from cosmoformer.local.ceph.node import CephLayout, CephNode
from cosmoformer.local.identity import load_or_make
from cosmoformer.local.process import free_port
from cosmoformer.local.supervisor import Supervisor
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings
from cosmoformer.storage.store import Store

_PORTS = ("STORE_PORT", "PAGE_PORT", "INGEST_PORT", "BROKER_PORT", "CLASSIFY_PORT", "MLFLOW_PORT")


def free_ports() -> dict[str, str]:
    """Settings that keep a local system away from every other one."""
    ports: set[int] = set()
    while len(ports) < len(_PORTS):  # none of them is taken yet, so that the same may be offered twice
        ports.add(free_port())
    return dict(zip(_PORTS, map(str, ports), strict=True))


def outside() -> dict[str, str]:
    """The environment without what points to a store or registry of the user's."""
    own = ("AWS_", "S3_", "MLFLOW_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


@contextmanager
def given_or_new(given: Settings | None, folder: Path, model: Path) -> Iterator[Settings]:
    """Those that are there already, or else :func:`surroundings`."""
    if given is not None:
        yield given
        return
    with surroundings(folder, model) as made:
        yield made


@contextmanager
def store_alone(folder: Path) -> Iterator[Settings]:
    """A store in memory with its buckets, and settings that point to it."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = load_or_make(folder / "identity.json")
    settings = parts.local_settings(outside() | free_ports(), folder, identity, own_store=True)
    node = CephNode(
        CephLayout(folder / "ceph", settings.store_port, identity.access_key, identity.secret_key, "memstore")
    )
    try:
        node.start()
        bootstrap.make_buckets(Store(settings))
        yield settings
    finally:
        node.stop()


@contextmanager
def surroundings(folder: Path, model: Path) -> Iterator[Settings]:
    """A store in memory with its buckets, and an MLflow server whose champion is ``model``; settings that point to both.

    Args:
        folder: where their data and logs go.
        model: file of an artifact.
    """
    folder.mkdir(parents=True, exist_ok=True)
    identity = load_or_make(folder / "identity.json")
    settings = parts.local_settings(outside() | free_ports(), folder, identity, own_store=True)
    layout = CephLayout(folder / "ceph", settings.store_port, identity.access_key, identity.secret_key, "memstore")
    node, supervisor = CephNode(layout), Supervisor(folder, print)
    try:
        bootstrap.prepare_database(folder / "mlflow")
        supervisor.launch(parts.mlflow(settings, identity))
        node.start()
        bootstrap.make_buckets(Store(settings))
        supervisor.wait_ready("mlflow")
        register(Registry(settings), model.read_bytes(), tags={}, alias=settings.model_alias)
        yield settings
    finally:
        supervisor.stop()
        node.stop()
