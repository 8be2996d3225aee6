"""One installation in a namespace of its own: made, looked at, and removed by kubectl."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from cosmoformer.cluster.kubectl import Kubectl
from cosmoformer.errors import PermanentError
from tests.cluster import kustomization
from tests.cluster.gateway import Gateway, PortForward
from tests.cluster.options import Options
from tests.cluster.readiness import Waiting
from tests.e2e.running_system import wait_until
from tests.knative.rendering import Object, kubectl

SERVICES = ("classify", "ingest", "web")
#: In the order in which one needs the other; classify is ready once there is a champion.
READY = (
    ("deployment/mlflow", "condition=Available"),
    ("brokers.eventing.knative.dev/cosmoformer", "condition=Ready"),
    ("job/registry-setup", "condition=Complete"),
    *((f"services.serving.knative.dev/{name}", "condition=Ready") for name in SERVICES),
    ("sinkbindings.sources.knative.dev --all", "condition=Ready"),
    ("triggers.eventing.knative.dev --all", "condition=Ready"),
    ("pingsources.sources.knative.dev/sweep", "condition=Ready"),
)
_SETUP_S = 900  # images are pulled
#: Above the longest grace period of a pod, which is the time-out of its requests.
REMOVAL_S = 600
_OF_CLUSTER = ("get", "--raw")


class Cluster:
    """An installation.

    Args:
        options: where, and of what.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.kubectl = Kubectl(options.name, kubectl())
        self._forwards: list[PortForward] = []

    def install(self) -> None:
        """Make namespace and Secrets, and apply the manifests; fields that the API does not know are refused."""
        webhook, key = secrets.token_hex(16), base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        made = [kustomization.namespace(self.options), *kustomization.secrets(self.options, webhook, key)]
        for document in made:
            self.kubectl.run("apply", "--filename", "-", stdin=json.dumps(document))
        with tempfile.TemporaryDirectory() as folder:
            kustomization.write(self.options, Path(folder))
            self.kubectl.run("apply", "--validate=strict", "--kustomize", folder)

    def dry_run(self) -> str:
        """What the cluster refuses of the manifests when it is asked before: more than it says of what is applied."""
        with tempfile.TemporaryDirectory() as folder:
            kustomization.write(self.options, Path(folder))
            try:
                self.kubectl.run("apply", "--dry-run=server", "--kustomize", folder)
            except PermanentError as error:
                return str(error)
        return "a dry run finds nothing wrong"

    def wait_until_ready(self) -> None:
        """Wait for everything to be ready.

        Raises:
            AssertionError: something is not, or, within a minute, a Service can never be; the message shows what the cluster
                says of it, and what a dry run on it does.
        """
        waiting = Waiting(self.kubectl)
        for what, condition in READY:
            try:
                waiting.until(what, condition, _SETUP_S)
            except PermanentError as error:
                raise AssertionError(f"{error}\n{self.dry_run()}\n{self.describe()}") from None

    def pods(self, service: str) -> list[Object]:
        """Pods of a Knative Service, those that are about to end included."""
        selector = f"serving.knative.dev/service={service}"
        items: list[Object] = self.kubectl.get("pods", "--selector", selector)["items"]
        return items

    def wait_for_zero(self, service: str) -> None:
        """Wait until a Knative Service has no pod at all."""
        self.wait(lambda: not self.pods(service), f"{service} at zero pods")

    def wait(self, holds: Any, what: str, within_s: float | None = None) -> Any:
        """The first true value of a condition; what the cluster says when there is none in time."""
        try:
            return wait_until(holds, within_s or self.options.patience_s, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe()}") from None

    def describe(self) -> str:
        """Services, pods and the last events, for the message of a failed test."""
        said = []
        for arguments in (
            ("get", "services.serving.knative.dev,deployments,jobs,pods,brokers,triggers", "--output", "wide"),
            ("get", "revisions.serving.knative.dev", "--output", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", "--selector", "app.kubernetes.io/part-of=cosmoformer", "--all-containers", "--tail=5", "--prefix"),
        ):
            try:
                said.append(self.kubectl.run(*arguments)[-6000:])
            except PermanentError as error:
                said.append(str(error))
        return "\n".join(said)

    def console(self, *arguments: str, check: bool = True) -> str:
        """What a `cosmoformer` command prints inside the cluster, typed as the runbook has it; ``check`` its exit status."""
        self.kubectl.run("scale", "deployment/console", "--replicas=1")
        self.kubectl.run("rollout", "status", "deployment/console", "--timeout=300s", timeout_s=330)
        start = [kubectl(), "--namespace", self.options.name, "exec", "deployment/console", "--"]
        argv = [*start, "python", "-m", "cosmoformer", *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def readiness(self, pod: str) -> str:
        """What classify's readiness says in one pod, past gateway and sidecar; empty when the pod does not answer."""
        path = f"/api/v1/namespaces/{self.options.name}/pods/{pod}:8080/proxy/health/readiness"
        try:
            return self.kubectl.run(*_OF_CLUSTER, path)
        except PermanentError:
            return ""

    def schedule_sweep(self, schedule: str) -> None:
        """Change when the PingSource asks for a sweep."""

        def change(source: Object) -> Object:
            return source | {"spec": source["spec"] | {"schedule": schedule}}

        self.kubectl.edit("pingsources.sources.knative.dev", "sweep", change)

    def gateway(self) -> Gateway:
        """Requests to the Knative Services."""
        return Gateway(self.options, self.kubectl, self._forward)

    def mlflow_url(self) -> str:
        """Where this machine reaches MLflow."""
        return self._forward(self.options.name, "mlflow", 5000).url

    def _forward(self, namespace: str, service: str, port: int) -> PortForward:
        self._forwards.append(PortForward([kubectl()], namespace, service, port))
        return self._forwards[-1]

    def cluster_scoped(self) -> set[str]:
        """Kind and name of every object outside namespaces that names ours anywhere, but the namespace itself."""
        listing = ("api-resources", "--namespaced=false", "--verbs=list", "--output", "name")
        kinds = [kind for kind in self.kubectl.run(*listing).split() if kind != "namespaces"]
        found = set()
        for kind in kinds:
            try:
                items = self.kubectl.get(kind)["items"]
            except PermanentError:  # an aggregated API that is away, or nothing for this account
                continue
            found |= mentioning(items, self.options.name)
        return found

    def remove(self) -> None:
        """Delete the namespace and wait until it is gone, its pods too, which finish what they are asked."""
        self.close()
        removal = ("delete", "namespace", self.options.name, "--ignore-not-found", f"--timeout={REMOVAL_S}s")
        self.kubectl.run(*removal, timeout_s=REMOVAL_S + 30)

    def close(self) -> None:
        """End the port-forwards."""
        for forward in self._forwards:
            forward.close()
        self._forwards.clear()


def mentioning(items: list[Object], name: str) -> set[str]:
    """Kind and name of the objects in which a name occurs."""
    return {f"{item.get('kind', '')}/{item['metadata']['name']}" for item in items if name in json.dumps(item)}
