"""One installation for all tests of a real cluster, made before the first, removed after the last; an API for tests of parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cosmoformer.local.bootstrap import remove_notification
from tests.cluster import dropping, options
from tests.cluster.cluster import SERVICES, Cluster
from tests.cluster.dropping import Drops
from tests.cluster.gateway import Gateway
from tests.cluster.options import Options
from tests.knative.api_server import ApiServer


@pytest.fixture(scope="session")
def cluster_options() -> Options:
    """What `make test-cluster` was told."""
    if options.SWITCH not in os.environ:
        pytest.skip("needs a cluster with Knative: `make test-cluster` (knative/runbook/testing.md)")
    try:
        return options.read(os.environ)
    except options.OptionsMissing as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def cluster(cluster_options: Options) -> Iterator[Cluster]:
    """overlays/dev in a fresh namespace, on buckets of its own, everything ready and then asleep."""
    made, settings = Cluster(cluster_options), cluster_options.settings()
    dropping.make_buckets(settings)
    try:
        made.install()
        made.wait_until_ready()
        for service in SERVICES:  # each revision is started once, to see that it can be
            made.wait_for_zero(service)
        yield made
    finally:
        made.close()
        if not cluster_options.keep:
            made.remove()
            dropping.remove_buckets(settings)


@pytest.fixture(scope="session")
def gateway(cluster: Cluster) -> Gateway:
    """Requests to the Knative Services."""
    return cluster.gateway()


@pytest.fixture(scope="session")
def drops(cluster: Cluster, gateway: Gateway) -> Iterator[Drops]:
    """Drops images; the store announces them where it can reach ingest."""
    known, settings = cluster.options, cluster.options.settings()
    if known.notification_url:
        dropping.notify(settings, known.name, known.notification_url)
    yield Drops(settings, partial(gateway.request, "ingest"), announce=not known.notification_url)
    if known.notification_url and not known.keep:
        remove_notification(settings, known.name)


GIVEN = {
    "IMAGE_PREFIX": "registry.example.com/galaxies",
    "IMAGE_TAG": "0.1.0",
    "S3_ENDPOINT_URL": "http://store.example.com:7480",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


@pytest.fixture
def given() -> Options:
    """Options of some cluster."""
    return options.read(GIVEN)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API that kubectl finds."""
    with ApiServer() as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        monkeypatch.setenv("KUBECACHEDIR", str(tmp_path / "cache"))
        yield server
