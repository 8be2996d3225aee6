"""The whole system on a real Knative, in the order of a first day: images, failures, a new model, the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cosmoformer.local.bootstrap import remove_notification
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings import load
from cosmoformer.storage.results import Result
from tests.cluster import dropping, kustomization
from tests.cluster.cluster import SERVICES, Cluster
from tests.cluster.dropping import Dropped, Drops
from tests.cluster.gateway import Gateway
from tests.knative.rendering import kubectl

pytestmark = pytest.mark.timeout(1800)

SAMPLES = sorted(
    (Path(str(resources.files("cosmoformer"))) / "bundled" / "samples").glob("*.jpg"), key=lambda path: path.name
)
RECHECK_S = load({}).model_recheck_seconds
#: Beside the interval: one request to MLflow, the artifact's download and its self-check on a quarter of a CPU.
SWAP_S = 15.0


def _drop(drops: Drops, count: int = 1) -> list[Dropped]:
    return [
        drops.upload(f"{index}-{SAMPLES[index % len(SAMPLES)].name}", SAMPLES[index % len(SAMPLES)].read_bytes())
        for index in range(count)
    ]


def _result(cluster: Cluster, dropped: Dropped) -> Result:
    found: Result = cluster.wait(dropped.result, f"a result of {dropped.key}")
    return found


def test_from_zero_to_a_result_and_back(cluster: Cluster, drops: Drops) -> None:
    """Nothing runs; an image is dropped, pods start, its result stands at its address; nothing runs again."""
    assert {service: len(cluster.pods(service)) for service in SERVICES} == dict.fromkeys(SERVICES, 0)
    begun = time.monotonic()
    (dropped,) = _drop(drops)
    cluster.wait(lambda: cluster.pods("classify"), "a pod of classify")
    result = _result(cluster, dropped)
    print(f"from zero to a result: {time.monotonic() - begun:.1f} s")
    assert result["status"] == "classified" and result["model"]["version"] == 1
    assert result["image"]["key"] == dropped.key
    for service in SERVICES:
        cluster.wait_for_zero(service)


def test_the_page_is_served(cluster: Cluster, gateway: Gateway) -> None:
    """The page comes from zero too, and lets itself talk to the store where browsers reach it."""
    answer = gateway.request("web", "GET", "/")
    assert answer.status == 200 and b"<html" in answer.data
    store = urlsplit(cluster.options.store_public_url)
    assert f"{store.scheme}://{store.netloc}" in answer.headers["Content-Security-Policy"]


def test_the_doctor_finds_every_connection(cluster: Cluster) -> None:
    """Inside the cluster store, registry, broker and ingest answer."""
    # Its exit status is 1 when anything is wrong, and presigned URLs may have an address that pods cannot reach.
    findings = json.loads(cluster.console("doctor", "--json", check=False))
    states = {finding["check"]: finding for finding in findings}
    needed = (
        "settings",
        "store",
        "images bucket",
        "results bucket",
        "registry",
        "champion",
        "artifact",
        "broker",
        "ingest",
    )
    assert [states[check] for check in needed if states[check]["state"] == "wrong"] == []


def test_status_says_that_the_broker_answers(cluster: Cluster) -> None:
    """Inside the cluster Knative's broker is well though it shows no queue, and classify is not woken."""
    # Its exit status is 1 when ingest takes longer to wake than it waits.
    parts = json.loads(cluster.console("status", "--json", check=False))
    states = {name: facts["state"] for name, facts in parts.items() if name != "ingest"}
    assert states == {"store": "ok", "registry": "ok", "broker": "ok", "classify": "unknown"}, parts


def test_dead_letter_and_replay(cluster: Cluster, drops: Drops) -> None:
    """An event about an object that is gone becomes a dead letter; replayed when the object is back, it has a result."""
    key = "uploads/gone/m51.jpg"
    drops.tell(key)
    cluster.wait(lambda: key in cluster.console("replay", "--list"), "a dead letter")
    assert drops.results.read(key) is None
    drops.put_silently(key, SAMPLES[0].read_bytes())
    assert "1 replayed" in cluster.console("replay", key)
    cluster.wait(lambda: drops.results.read(key), "a result after the replay")
    assert key not in cluster.console("replay", "--list")


def test_the_sweep_finds_what_nobody_announced(cluster: Cluster, drops: Drops) -> None:
    """An image without a notification has no result until the PingSource asks for a sweep."""
    key = "uploads/silent/m51.jpg"
    if cluster.options.notification_url:
        remove_notification(drops.settings, cluster.options.name)
    drops.put_silently(key, SAMPLES[1].read_bytes())
    time.sleep(15)
    assert drops.results.read(key) is None
    cluster.schedule_sweep(kustomization.EVERY_MINUTE)
    try:
        cluster.wait(lambda: drops.results.read(key), "a result after the sweep")
    finally:
        cluster.schedule_sweep(kustomization.NEVER)
        if cluster.options.notification_url:
            dropping.notify(drops.settings, cluster.options.name, cluster.options.notification_url)


@pytest.fixture(scope="module")
def registry(cluster: Cluster) -> Iterator[Registry]:
    """The cluster's MLflow, with a second version of the bundled model."""
    found = Registry(load({}, mlflow_tracking_uri=cluster.mlflow_url()))
    content = (resources.files("cosmoformer") / "bundled" / "model.pt").read_bytes()
    register(found, content, tags={"made_by": "test"})
    yield found


def _versions(cluster: Cluster, names: set[str]) -> dict[str, str]:
    """What the readiness of classify's pods says, of those that were there already and still serve."""
    still = [pod["metadata"]["name"] for pod in cluster.pods("classify") if "deletionTimestamp" not in pod["metadata"]]
    return {name: cluster.readiness(name).strip() for name in still if name in names}


@contextmanager
def _kept_awake(drops: Drops) -> Iterator[None]:
    """Drops an image every two seconds, ten minutes at most, so that pods have no reason to go to zero."""
    ended = threading.Event()

    def drop() -> None:
        for _ in range(300):
            if ended.wait(2):
                return
            _drop(drops)

    thread = threading.Thread(target=drop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _move(cluster: Cluster, drops: Drops, version: int, *command: str) -> None:
    """Move the champion while pods run; each of them serves the version in time, without a restart."""
    [_result(cluster, dropped) for dropped in _drop(drops, 4)]
    with _kept_awake(drops):
        names = {pod["metadata"]["name"] for pod in cluster.pods("classify")}
        print(cluster.console(*command))
        moved, wanted = time.monotonic(), f"version {version}"
        while True:
            said, took = _versions(cluster, names), time.monotonic() - moved
            if said and all(wanted in text for text in said.values()):
                break
            assert took < RECHECK_S + SWAP_S, f"after {took:.0f} s: {said}\n{cluster.describe()}"
            time.sleep(1)
        print(f"{len(said)} running pods serve {wanted} after {took:.1f} s")
        restarts = [
            status["restartCount"]
            for pod in cluster.pods("classify")
            if pod["metadata"]["name"] in said
            for status in pod["status"]["containerStatuses"]
        ]
    assert restarts and not any(restarts)
    (dropped,) = _drop(drops)
    assert _result(cluster, dropped)["model"]["version"] == version


def test_promotion_reaches_running_pods(cluster: Cluster, drops: Drops, registry: Registry) -> None:
    """The alias moves, MLflow's signed webhook arrives, and every running pod serves the new version within its interval."""
    _move(cluster, drops, 2, "promote", "2", "--force", "a test")
    selector = ("--selector", "serving.knative.dev/service=ingest", "--container", "ingest", "--tail=-1")
    cluster.wait(lambda: "alias moved" in cluster.kubectl.run("logs", *selector), "MLflow's webhook at ingest", 60)


def test_rollback_is_the_same_command(cluster: Cluster, drops: Drops, registry: Registry) -> None:
    """--rollback brings the version before back, as quickly; a pod that starts from zero serves it too."""
    _move(cluster, drops, 1, "promote", "--rollback")
    cluster.wait_for_zero("classify")
    (dropped,) = _drop(drops)
    assert _result(cluster, dropped)["model"]["version"] == 1


def test_an_unsigned_webhook_is_refused(gateway: Gateway) -> None:
    """Whoever does not know the secret moves nothing."""
    headers = {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": "1",
        "X-MLflow-Timestamp": str(int(time.time())),
        "X-MLflow-Signature": "v1,AAAA",
    }
    body = b'{"entity": "model_version_alias", "action": "created", "data": {}}'
    assert gateway.request("ingest", "POST", "/hooks/mlflow", body, headers).status == 401


def _canary(cluster: Cluster, registry: Registry, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cosmoformer", "canary", *arguments, "--namespace", cluster.options.name],
        env=os.environ
        | {"MLFLOW_TRACKING_URI": registry.settings.mlflow_tracking_uri}
        | {"PATH": f"{Path(kubectl()).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    print(done.stdout)
    assert done.returncode == 0, f"{done.stderr}\n{cluster.describe()}"


def _judged_by(cluster: Cluster, drops: Drops, count: int) -> set[int]:
    return {_result(cluster, dropped)["model"]["version"] for dropped in _drop(drops, count)}


def test_canary(cluster: Cluster, drops: Drops, registry: Registry) -> None:
    """A canary judges its share of the events, none after it was aborted, and everything once it is promoted."""
    _canary(cluster, registry, "start", "2", "--percent", "50")
    assert _judged_by(cluster, drops, 20) == {1, 2}  # one in half a million runs gets twenty of a kind
    _canary(cluster, registry, "abort")
    assert _judged_by(cluster, drops, 6) == {1}
    _canary(cluster, registry, "start", "2", "--percent", "10")
    _canary(cluster, registry, "promote", "--force", "a test")
    assert _judged_by(cluster, drops, 6) == {2}
    cluster.wait_for_zero("classify")


def test_removal_leaves_nothing(cluster: Cluster, drops: Drops) -> None:
    """With the namespace everything is gone, and outside of it nothing ever named it."""
    if cluster.options.keep:
        pytest.skip("KEEP is set: the namespace stays, to be looked at")
    cluster.remove()
    found = cluster.wait(lambda: not cluster.cluster_scoped(), "nothing of ours outside namespaces")
    assert found
    with pytest.raises(Exception, match="NotFound"):
        cluster.kubectl.get("namespace", cluster.options.name)
