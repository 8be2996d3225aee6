"""``cosmoformer canary``, by the real kubectl and at a real MLflow server: who gets which share of the traffic, and when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosmoformer.cluster import canary
from cosmoformer.cluster.canary import CanaryRelease
from cosmoformer.cluster.kubectl import Kubectl
from cosmoformer.cluster.progress import progress_deadline_s
from cosmoformer.errors import PermanentError, TransientError
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.held_out import held_out
from tests.cosmoformer.tiny_artifact import tiny_artifact
from tests.knative.api_server import ApiServer
from tests.knative.checks import CHECKS
from tests.knative.objects import knative_service
from tests.knative.rendering import Object, kubectl, overlay, parse

CLASSIFY = "/apis/serving.knative.dev/v1/namespaces/trial/services/classify"


def _problems(service: Object) -> list[str]:
    """What Knative's webhook refuses, and what its CRD would."""
    found = CHECKS["Knative Services"]([service])
    try:
        return found + CHECKS["schemas of Knative and OpenShift"]([service])
    except pytest.skip.Exception:  # no contracts beside this checkout
        return found


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """A cluster with the Service classify of overlays/dev, which kubectl finds."""
    monkeypatch.setattr(canary, "_POLL_S", 0.05)
    with ApiServer(patience=1) as api:
        api.write(CLASSIFY, knative_service(parse(overlay("dev")), "classify"), new=True)
        api.check = _problems
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        monkeypatch.setenv("KUBECACHEDIR", str(tmp_path / "cache"))
        monkeypatch.setenv("PATH", f"{Path(kubectl()).parent}:{os.environ['PATH']}")
        yield api


@pytest.fixture
def models(cli: Cli, registry: Registry) -> Cli:
    """The command line at a registry with a champion and a better version 2."""
    register(registry, tiny_artifact(), tags=held_out(800), alias="champion")
    register(registry, tiny_artifact(run="candidate"), tags=held_out(850))
    return cli.at(registry.settings)


def _shares(cluster: ApiServer) -> list[dict[str, int]]:
    """Traffic by the alias that a revision serves, after each write to the Service; what came twice running is told once."""
    seen: list[dict[str, int]] = []
    for traffic in cluster.history:
        share = {_alias(cluster.revisions[entry["revisionName"]]): entry["percent"] for entry in traffic}
        if seen[-1:] != [share]:
            seen.append(share)
    return seen


def _alias(template: Object) -> str:
    variables = {entry["name"]: entry.get("value") for entry in template["spec"]["containers"][0]["env"]}
    assert variables.get("MODEL_ALIAS") == variables.get("MODEL_FALLBACK_ALIAS")  # it serves its version, or nothing
    return str(variables.get("MODEL_ALIAS", "champion"))


def test_a_share_and_no_more(models: Cli, registry: Registry, cluster: ApiServer) -> None:
    """The new version gets its share only once its revision is ready, and the share can be changed."""
    result = models("canary", "start", 2, "--percent", 10)
    assert result.exit_code == 0, result.output
    assert registry.aliases() == {"champion": 1, "canary-2": 2}
    assert _shares(cluster) == [{"champion": 100}, {"champion": 90, "canary-2": 10}]
    assert models("canary", "start", 2, "--percent", 50).exit_code == 0
    assert _shares(cluster)[2:] == [{"champion": 50, "canary-2": 50}]
    assert len(cluster.revisions) == 2
    shown = models("canary", "status")
    assert shown.stdout.splitlines() == [
        "version 2: 50 % at classify-00002; http://canary-classify.trial.svc.cluster.local",
        "champion: 50 % at classify-00001",
    ]


def test_promote_makes_it_the_champion(models: Cli, registry: Registry, cluster: ApiServer) -> None:
    """The gate opens, the alias moves, and the Service is what it was before: its latest revision follows the champion."""
    before = cluster.named("services", "classify")["spec"]["template"]
    models("canary", "start", 2)
    result = models("canary", "promote")
    assert result.exit_code == 0, result.output
    assert registry.aliases() == {"champion": 2, "previous": 1, "canary-2": 2}
    assert _shares(cluster)[2:] == [{"champion": 100}]
    service = cluster.named("services", "classify")
    assert service["spec"]["template"] == before
    assert service["spec"]["traffic"] == [canary.TO_LATEST]


def test_a_canary_that_the_gate_refuses_stays_one(models: Cli, registry: Registry, cluster: ApiServer) -> None:
    """Without evidence nothing changes; with a reason the version becomes champion."""
    register(registry, tiny_artifact(run="third"), tags={})
    models("canary", "start", 3, "--percent", 5)
    result = models("canary", "promote")
    assert result.exit_code == 1 and "--force" in result.stderr
    assert _shares(cluster)[-1] == {"champion": 95, "canary-3": 5}
    assert models("canary", "promote", "--force", "looked at by hand").exit_code == 0
    assert registry.aliases()["champion"] == 3
    assert _shares(cluster)[-1] == {"champion": 100}


def test_abort_never_gives_it_more(models: Cli, registry: Registry, cluster: ApiServer) -> None:
    """All traffic goes back at once; at no time do all images go to the version that is given up."""
    models("canary", "start", 2)
    assert models("canary", "abort").exit_code == 0
    assert _shares(cluster)[2:] == [{"champion": 100}]
    assert registry.aliases()["champion"] == 1
    assert models("canary", "start", 2).exit_code == 0  # and again
    assert _shares(cluster)[3:] == [{"champion": 90, "canary-2": 10}]


def test_a_revision_that_does_not_become_ready_gets_nothing(
    models: Cli, registry: Registry, cluster: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is told with Knative's own words, the traffic stays, and abort cleans up."""
    monkeypatch.setattr(canary, "_FAILED_S", 0.5)
    cluster.refuses_revisions = True
    result = models("canary", "start", 2)
    assert result.exit_code == 1
    assert "its model was refused" in result.stderr and "cosmoformer canary abort" in result.stderr
    assert _shares(cluster) == [{"champion": 100}]
    cluster.refuses_revisions = False
    assert models("canary", "abort").exit_code == 0
    assert _shares(cluster) == [{"champion": 100}]


def test_one_at_a_time(models: Cli, registry: Registry, cluster: ApiServer) -> None:
    """A second version has to wait, before its alias is set; without a canary there is nothing to end."""
    for step in ("status", "promote", "abort"):
        result = models("canary", step)
        assert result.exit_code == 1 and "no canary is running" in result.stderr
    models("canary", "start", 2)
    register(registry, tiny_artifact(run="third"), tags={})
    result = models("canary", "start", 3)
    assert result.exit_code == 1 and "version 2 is being tried already" in result.stderr
    assert "canary-3" not in registry.aliases()


def test_what_others_change_meanwhile_is_kept(cluster: ApiServer) -> None:
    """A change between reading and writing is not overwritten: the step is made again on top of it."""

    def label() -> None:
        service = cluster.objects[CLASSIFY]
        changed = service | {"metadata": service["metadata"] | {"labels": {"changed": "meanwhile"}}}
        assert cluster.write(CLASSIFY, changed, new=False)[0] == 200

    cluster.meanwhile = label
    Kubectl("trial").edit(canary.KIND, canary.NAME, lambda service: canary.pinned_to_version(service, 2))
    service = cluster.named("services", "classify")
    assert service["metadata"]["labels"] == {"changed": "meanwhile"}
    assert canary.read(service).version == 2


def test_manifests_can_be_applied_after_a_canary(
    models: Cli, registry: Registry, cluster: ApiServer, tmp_path: Path
) -> None:
    """`kubectl apply` before, during and after a canary is accepted, and after it the Service is that of the manifests."""
    manifest = tmp_path / "classify.json"
    manifest.write_text(json.dumps(knative_service(parse(overlay("dev")), "classify")))
    apply = ("apply", "--filename", str(manifest))
    Kubectl("trial").run(*apply)
    before = cluster.named("services", "classify")["spec"]["template"]
    assert models("canary", "start", 2).exit_code == 0
    assert models("canary", "promote").exit_code == 0
    Kubectl("trial").run(*apply)
    assert models("canary", "start", 1).exit_code == 0
    Kubectl("trial").run(*apply)
    assert cluster.named("services", "classify")["spec"]["template"] == before
    assert models("canary", "abort").exit_code == 0
    Kubectl("trial").run(*apply)
    service = cluster.named("services", "classify")
    assert service["spec"]["template"] == before and service["spec"]["traffic"] == [canary.TO_LATEST]


def test_a_service_that_a_replacement_spoilt_is_mended(models: Cli, cluster: ApiServer, tmp_path: Path) -> None:
    """What `kubectl replace` wrote into the annotation of the last apply is refused by the cluster until abort takes it out."""
    manifest = tmp_path / "classify.json"
    manifest.write_text(json.dumps(knative_service(parse(overlay("dev")), "classify")))
    kubectl = Kubectl("trial")
    kubectl.run("apply", "--filename", str(manifest))
    kubectl.run("replace", "--filename", "-", stdin=json.dumps(kubectl.get(canary.KIND, canary.NAME)))
    with pytest.raises(PermanentError, match="must be specified for an update"):
        kubectl.run("apply", "--filename", str(manifest))
    result = models("canary", "abort")
    assert "mended: manifests can be applied" in result.stdout
    assert "no canary is running" in result.stderr
    kubectl.run("apply", "--filename", str(manifest))


def test_a_pod_that_waits_for_a_node_is_waited_for(cluster: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that adds nodes takes minutes: what is waited for is told, and the canary goes on when there is room."""
    monkeypatch.setattr(canary, "_FAILED_S", 0.2)
    cluster.refuses_revisions = True
    cluster.trouble = ("Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")
    waiting = "waiting: its pod waits for a node with room: 0/3 nodes are available: 3 Insufficient cpu."
    node = threading.Timer(1.5, cluster.let_revisions_start)  # over the next time that the canary looks
    said: list[str] = []

    def report(message: str) -> None:
        said.append(message)
        if message == waiting:  # not before: until then, kubectl takes as long as the machine lets it
            node.start()

    CanaryRelease(Kubectl("trial"), report).start(2, 30)
    node.join()
    assert said.count(waiting) == 1
    assert _shares(cluster)[-1] == {"champion": 70, "canary-2": 30}


def test_waiting_ends_with_the_progress_deadline(cluster: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Knative gives up then; so does the canary, says what it waited for, and abort goes back."""
    monkeypatch.setattr(canary, "_GRACE_S", 0.5)
    service = cluster.objects[CLASSIFY]
    service["spec"]["template"]["metadata"]["annotations"]["serving.knative.dev/progress-deadline"] = "1s"
    cluster.refuses_revisions = True
    cluster.trouble = ("Unschedulable", "0/3 nodes are available")
    with pytest.raises(TransientError, match=r"not ready after 2 s: its pod waits for a node.*0/3 nodes"):
        CanaryRelease(Kubectl("trial"), print).start(2, 30)
    cluster.let_revisions_start()
    CanaryRelease(Kubectl("trial"), print).end()
    assert _shares(cluster)[-1] == {"champion": 100}


@pytest.mark.parametrize(("text", "seconds"), [("600s", 600), ("10m", 600), ("1m30s", 90), (None, 600)])
def test_the_deadline_is_the_service_s_own(text: str | None, seconds: float) -> None:
    """As its annotation says, or Knative's default."""
    annotations = {} if text is None else {"serving.knative.dev/progress-deadline": text}
    assert progress_deadline_s({"spec": {"template": {"metadata": {"annotations": annotations}}}}) == seconds


def test_ctrl_c_says_what_goes_on_and_what_goes_back(models: Cli, cluster: ApiServer, registry: Registry) -> None:
    """The Service is sound when a waiting canary is interrupted; the two commands that help are named, and work."""
    cluster.refuses_revisions = True
    cluster.trouble = ("Unschedulable", "0/3 nodes are available")
    argv = [sys.executable, "-m", "cosmoformer", "canary", "start", "2"]
    with subprocess.Popen(
        argv, env=os.environ | models.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None and started.stderr is not None
        assert any("waiting: its pod waits for a node" in line for line in started.stdout)
        started.send_signal(signal.SIGINT)
        assert started.wait(30) == 130
        said = started.stderr.read()
    assert "`cosmoformer canary start 2 --percent 10` goes on; `cosmoformer canary abort` goes back" in said
    assert "Traceback" not in said
    cluster.let_revisions_start()
    assert models("canary", "start", 2).exit_code == 0
    assert models("canary", "abort").exit_code == 0
    assert _shares(cluster)[-1] == {"champion": 100}


def test_an_interrupted_start_goes_on(cluster: ApiServer) -> None:
    """Ended at any write, the same command completes it."""
    said: list[str] = []
    for _ in range(2):
        Kubectl("trial").edit(
            canary.KIND, canary.NAME, lambda s: canary.with_traffic(s, canary.to_stable("classify-00001"))
        )
        Kubectl("trial").edit(canary.KIND, canary.NAME, lambda s: canary.pinned_to_version(s, 2))
    CanaryRelease(Kubectl("trial"), said.append).start(2, 30)
    assert _shares(cluster)[-1] == {"champion": 70, "canary-2": 30}
    assert len(cluster.revisions) == 2


def test_a_service_with_an_alias_of_its_own_is_left_alone(cluster: ApiServer) -> None:
    """Somebody else's MODEL_ALIAS would be lost: the command refuses, and says where it belongs."""
    cluster.objects[CLASSIFY]["spec"]["template"]["spec"]["containers"][0]["env"].append(
        {"name": "MODEL_ALIAS", "value": "night-shift"}
    )
    with pytest.raises(PermanentError, match="ConfigMap"):
        CanaryRelease(Kubectl("trial"), print).start(2, 10)


def test_without_kubectl(models: Cli, tmp_path: Path) -> None:
    """What is missing is named."""
    result = models("canary", "status", PATH=str(tmp_path))
    assert result.exit_code == 1 and "neither kubectl nor oc" in result.stderr


def test_a_cluster_that_does_not_answer(models: Cli, cluster: ApiServer) -> None:
    """The message is kubectl's own, in one line."""
    result = models("canary", "status", "--namespace", "nowhere")
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert "NotFound" in line
