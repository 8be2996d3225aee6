"""What `make test-cluster` is made of, on the real pieces that need no cluster: kubectl, an object gateway, ingest."""

from __future__ import annotations

import re
import subprocess
import threading
from pathlib import Path

import pytest

from cosmoformer.errors import PermanentError
from tests.cluster import kustomization, options
from tests.cluster.cluster import READY, REMOVAL_S, SERVICES, Cluster, mentioning
from tests.cluster.conftest import GIVEN
from tests.cluster.gateway import PortForward, forwarded_port
from tests.cluster.options import Image, Options
from tests.knative.api_server import ApiServer
from tests.knative.checks import CHECKS, OF_CONTRACTS
from tests.knative.objects import SETTINGS_MAPS, knative_services, named, of_kind, settings
from tests.knative.references import SECRETS
from tests.knative.rendering import KNATIVE, build, parse

ROOT = KNATIVE.parent


def test_what_is_not_told_is_named() -> None:
    """Missing variables are all named at once, and where they are explained."""
    with pytest.raises(
        options.OptionsMissing, match=r"S3_ENDPOINT_URL, AWS_SECRET_ACCESS_KEY.*knative/runbook/testing.md"
    ):
        options.read({"AWS_ACCESS_KEY_ID": "key"})


def test_images_by_prefix_or_each_by_itself() -> None:
    """The prefix and tag of `make images`, or those of the manifests; any image by a reference of its own."""
    assert options.read(GIVEN).images["web"] == Image("registry.example.com/galaxies/web", tag="0.1.0")
    listed = "classify=r:5000/c@sha256:12, ingest=r:5000/i:1,web=r:5000/w:1@sha256:34"
    assert options.read(GIVEN | {"IMAGE_REFERENCES": listed}).images == {
        "classify": Image("r:5000/c", digest="sha256:12"),
        "ingest": Image("r:5000/i", tag="1"),
        "web": Image("r:5000/w", digest="sha256:34"),
        "mlflow": Image("registry.example.com/galaxies/mlflow", tag="0.1.0"),
    }
    assert options.read(GIVEN | {"IMAGE_PREFIX": "", "IMAGE_TAG": "9"}).images["web"].tag == "9"
    with pytest.raises(options.OptionsMissing, match="classify, ingest, web, mlflow, not 'classifier'"):
        options.read(GIVEN | {"IMAGE_REFERENCES": "classifier=r:5000/c:1"})
    with pytest.raises(options.OptionsMissing, match="neither a tag nor a digest"):
        options.read(GIVEN | {"IMAGE_REFERENCES": "classify=r:5000/c"})


def test_each_run_has_names_of_its_own() -> None:
    """Namespace and buckets are new each time; the outside address is the inside one unless it is told."""
    first, second = options.read(GIVEN), options.read(GIVEN | {"NOTIFICATION_URL": "http://ingest.{namespace}.svc"})
    assert first.name != second.name
    assert not set(first.buckets.values()) & set(second.buckets.values())
    assert second.notification_url == f"http://ingest.{second.name}.svc"
    assert first.store_public_url == GIVEN["S3_ENDPOINT_URL"]
    assert all(re.fullmatch(r"[a-z0-9-]{3,63}", name) for name in first.buckets.values())


def test_every_variable_is_explained() -> None:
    """The table of the runbook has a row for each variable that is read, and none for another."""
    source = (ROOT / "tests/cluster/options.py").read_text(encoding="utf-8")
    known = set(re.findall(r'environment(?:\.get\(|\[)"(\w+)"', source))
    text = (KNATIVE / "runbook/testing.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == known | {"KUBECONFIG"}


def test_make_turns_the_tests_on() -> None:
    """`make test-cluster` runs them, and nothing else does."""
    shown = subprocess.run(["make", "--dry-run", "test-cluster"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{options.SWITCH}=1" in shown.stdout and "pytest tests/cluster" in shown.stdout


def test_kustomization_renders(given: Options, tmp_path: Path) -> None:
    """Images, store and buckets are the given ones, the order is that of overlays/dev, and every check passes."""
    kustomization.write(given, tmp_path)
    documents = parse(build(tmp_path))
    found = {name: check(documents) for name, check in CHECKS.items() if name not in ("images", OF_CONTRACTS)}
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert settings(documents)["S3_ENDPOINT_URL"] == given.store_url
    assert {name: settings(documents)[name] for name in given.buckets} == given.buckets
    for service in knative_services(documents):
        (entry,) = service["spec"]["template"]["spec"]["containers"]
        assert entry["image"] == f"registry.example.com/galaxies/{service['metadata']['name']}:0.1.0"
        names = [named(documents, "ConfigMap", name)["metadata"]["name"] for name in SETTINGS_MAPS]
        assert [source["configMapRef"]["name"] for source in entry["envFrom"]] == names
    assert of_kind(documents, "PingSource")[0]["spec"]["schedule"] == kustomization.NEVER
    kinds = [document["kind"] for document in documents]
    assert kinds.index("SinkBinding") < kinds.index("Service") < kinds.index("Trigger") < kinds.index("Job")


def test_kustomization_takes_digests(tmp_path: Path) -> None:
    """An image by digest is rendered with it, and with no tag."""
    listed = ",".join(f"{name}=r:5000/{name}@sha256:{'0' * 64}" for name in options.IMAGES)
    kustomization.write(options.read(GIVEN | {"IMAGE_REFERENCES": listed}), tmp_path)
    assert (
        build(tmp_path).count(f"image: r:5000/classify@sha256:{'0' * 64}\n") == 3
    )  # the Service, the console, the Job


def test_install_and_remove(given: Options, api: ApiServer) -> None:
    """kubectl makes the namespace, the Secrets with every key that the manifests name, and what they refer to first."""
    cluster = Cluster(given)
    cluster.install()
    namespace = api.named("namespaces", given.name)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name in ("cosmoformer-store", "cosmoformer-models", "cosmoformer-webhook"):
        assert set(api.named("secrets", name)["stringData"]) == SECRETS[name]
    made = api.created
    assert made[0] == f"Namespace/{given.name}"
    assert max(made.index(f"Secret/{name}") for name in ("cosmoformer-store", "cosmoformer-webhook")) < made.index(
        "Service/classify"
    )
    assert (
        made.index("SinkBinding/ingest-broker") < made.index("Service/ingest") < made.index("Trigger/classify-objects")
    )
    assert all(f"/namespaces/{given.name}" in path for path in api.objects)
    cluster.schedule_sweep(kustomization.EVERY_MINUTE)
    sweep = api.named("pingsources", "sweep")
    assert sweep["spec"]["schedule"] == kustomization.EVERY_MINUTE and sweep["spec"]["sink"]["uri"] == "/sweep"
    cluster.remove()
    assert api.objects == {}
    with pytest.raises(PermanentError, match="NotFound"):
        cluster.kubectl.get("namespace", given.name)


def test_what_is_waited_for_exists(given: Options, tmp_path: Path) -> None:
    """Every object whose readiness is waited for is one of the manifests."""
    kustomization.write(given, tmp_path)
    documents = parse(build(tmp_path))
    there = {f"{d['kind'].lower()}/{d['metadata']['name']}" for d in documents}
    for what, _ in READY:
        plural, _, name = what.partition("/")
        kind = plural.partition(".")[0].partition(" ")[0].removesuffix("s")
        assert f"{kind}/{name}" in there if name else any(other.startswith(f"{kind}/") for other in there)


def _pod(api: ApiServer, namespace: str, name: str, service: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    labels = {"serving.knative.dev/service": service}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels}}
    assert api.write(path, body, new=True)[0] == 201
    return path


def test_pods_are_counted_by_service(given: Options, api: ApiServer) -> None:
    """Only the Service's own pods count, and zero is waited for; when it does not come, the cluster is described."""
    cluster = Cluster(given)
    path = _pod(api, given.name, "classify-00001-a", "classify")
    _pod(api, given.name, "ingest-00001-a", "ingest")
    _pod(api, "elsewhere", "classify-00001-b", "classify")
    assert [pod["metadata"]["name"] for pod in cluster.pods("classify")] == ["classify-00001-a"]
    with pytest.raises(AssertionError, match=r"not within 1 s: nothing(.|\n)*classify-00001-a"):
        cluster.wait(lambda: not cluster.pods("classify"), "nothing", 1)
    threading.Timer(0.5, api.remove, (path,)).start()
    cluster.wait_for_zero("classify")


def test_what_is_left_is_found() -> None:
    """An object outside namespaces counts when it names the namespace anywhere, as a volume's claim does."""
    volume = {"kind": "PersistentVolume", "metadata": {"name": "pv-1"}, "spec": {"claimRef": {"namespace": "ours"}}}
    other = {"kind": "PersistentVolume", "metadata": {"name": "pv-2"}, "spec": {"claimRef": {"namespace": "theirs"}}}
    assert mentioning([volume, other], "ours") == {"PersistentVolume/pv-1"}


def test_port_forward_tells_its_port() -> None:
    """The port is read from kubectl's words; one that ends at once says why."""
    assert forwarded_port("Forwarding from 127.0.0.1:43567 -> 5000\n") == 43567
    assert forwarded_port("Forwarding from [::1]:43567 -> 5000\n") is None
    with pytest.raises(AssertionError, match="refused"):
        _ = PortForward(["sh", "-c", "echo refused; exit 1"], "n", "s", 80).url


def test_removal_waits_longer_than_any_pod(given: Options, tmp_path: Path) -> None:
    """A pod that is asked ends when its request does at the latest; the removal is given more, and the test more still."""
    kustomization.write(given, tmp_path)
    longest = max(s["spec"]["template"]["spec"]["timeoutSeconds"] for s in knative_services(parse(build(tmp_path))))
    assert longest + 60 <= REMOVAL_S < 1800


def test_services_are_those_of_the_manifests(given: Options, tmp_path: Path) -> None:
    """Every Knative Service is among those that have to go to zero."""
    kustomization.write(given, tmp_path)
    assert {service["metadata"]["name"] for service in knative_services(parse(build(tmp_path)))} == set(SERVICES)
