"""Fixtures for every test that needs a real object store or a real model registry."""

from __future__ import annotations

import logging
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cosmoformer.local.ceph.layout import Subuser
from cosmoformer.local.ceph.node import CephLayout, CephNode, install_hint, missing_programs
from cosmoformer.local.process import free_port
from cosmoformer.settings import Settings, load
from cosmoformer.storage.store import connect
from tests.mlflow_server import MlflowServer, running_mlflow

# Tests run two at a time, and start processes: with a thread for every core in each, small sums take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Names another store to test against; its keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
OTHER_STORE = "COSMOFORMER_TEST_S3_ENDPOINT_URL"
_SUBUSERS = (
    Subuser("upload", "write", "test-upload", "test-upload-secret"),
    Subuser("view", "read", "test-view", "test-view-secret"),
)


#: Fixtures behind which a server or a browser is started, and folders of tests that start them by themselves.
_SERVERS = {"object_store", "mlflow_server", "browser", "system", "cluster", "stage", "page", "secured", "python"}
_SERVER_FOLDERS = ("e2e", "benchmarks", "cluster", "images")
#: Tests that train a model, start processes of their own, or render every manifest.
_SLOW = (
    "cosmoformer/images/test_decoding.py",
    "cosmoformer/local/",
    "cosmoformer/test_connections.py",
    "knative/test_runbook",
    "knative/test_scripts.py",
    "training/evaluation/test_pictures.py",
    "training/models/test_timm.py",
    "training/loop/test_distributed.py",
    "training/loop/test_record.py",
    "training/models/test_models.py",
    "training/test_",
)


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start: shells have it ignored by what they run in the background, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a server and what is slow, for `make test-fast`."""
    for item in items:
        path = item.path.relative_to(Path(__file__).parent)
        if path.parts[0] in _SERVER_FOLDERS or _SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)
        if path.as_posix().startswith(_SLOW):
            item.add_marker(pytest.mark.slow)


@dataclass(frozen=True)
class ObjectStore:
    """A running object store; ``node`` is None when it is not ours."""

    endpoint_url: str
    access_key: str
    secret_key: str
    node: CephNode | None

    def settings(self, **overrides: Any) -> Settings:
        """Default settings that point to this store, with the keys for strangers that it has."""
        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        for subuser in self.node.layout.subusers if self.node else ():
            keys |= {
                f"{subuser.name}_access_key_id": subuser.access_key,
                f"{subuser.name}_secret_access_key": subuser.secret_key,
                f"{subuser.name}_principal": subuser.principal,
            }
        return load({}, s3_endpoint_url=self.endpoint_url, **(keys | overrides))


@pytest.fixture(autouse=True)
def own_log_handlers() -> Iterator[None]:
    """What a test makes of the process's logging goes with it: a handler left behind would write into another test's output."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A Ceph node in memory for the whole run, or the store that COSMOFORMER_TEST_S3_ENDPOINT_URL names."""
    if OTHER_STORE in os.environ:
        keys = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        yield ObjectStore(os.environ[OTHER_STORE], *keys, node=None)
        return
    require_ceph()
    layout = CephLayout(
        tmp_path_factory.mktemp("ceph"), free_port(), "test-access", "test-secret", "memstore", subusers=_SUBUSERS
    )
    node = CephNode(layout)
    node.start()
    yield ObjectStore(layout.endpoint_url, layout.access_key, layout.secret_key, node)
    node.stop()


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """An MLflow server for the whole run; start-up takes some ten seconds, so only tests that ask for it wait."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def bucket(object_store: ObjectStore) -> Iterator[Callable[[], str]]:
    """Makes a bucket with a name of its own at each call; a store that is not ours gets rid of them afterwards."""
    client = connect(object_store.settings())
    names: list[str] = []

    def make() -> str:
        names.append(f"test-{uuid.uuid4().hex[:12]}")
        client.create_bucket(Bucket=names[-1])
        return names[-1]

    yield make
    for name in names if object_store.node is None else ():
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            for entry in page.get("Contents", []):
                client.delete_object(Bucket=name, Key=entry["Key"])
        client.delete_bucket(Bucket=name)


def require_ceph() -> None:
    """Fail, saying how to mend it, when Ceph is not installed: a test that is skipped proves nothing."""
    if missing := missing_programs():
        pytest.fail(f"{install_hint(missing)} (for tests: {OTHER_STORE} instead of S3_ENDPOINT_URL)")
