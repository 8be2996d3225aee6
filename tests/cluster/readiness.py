"""Waits for an installation to be ready, and gives up at once on a Knative Service that can never be."""

from __future__ import annotations

import time
from collections.abc import Callable

from cosmoformer.cluster.kubectl import Kubectl
from cosmoformer.errors import PermanentError
from tests.knative.rendering import Object

_SERVICES, _REVISION = "services.serving.knative.dev", "serving.knative.dev/revision"
#: So long a Service may look hopeless: Knative resolves digests, makes revisions and tries again in a few seconds.
PATIENCE_S = 45.0
#: `kubectl wait` is asked for so long at a time.
_STEP_S = 5
_STILL_WAITING = "timed out waiting for the condition"


def hopeless(service: Object, deployments: set[str]) -> str:
    """Why a Knative Service looks as if it could never become ready; empty while it may.

    Args:
        service: as the cluster has it.
        deployments: revisions that have a Deployment.
    """
    status = service.get("status", {})
    conditions = {entry["type"]: entry for entry in status.get("conditions", [])}
    ready = conditions.get("Ready", {})
    if ready.get("status") == "True":
        return ""
    if ready.get("status") == "False":
        return f"{ready.get('reason', '')}: {ready.get('message', '')}"
    revision = status.get("latestCreatedRevisionName")
    if not revision:
        return "Knative has made no revision"
    if revision not in deployments:  # it stays at RevisionMissing, which is also what it says of one that is starting
        return f"Knative has made no Deployment for the revision {revision}: what it makes is refused"
    return ""


class Waiting:
    """Waits for conditions of objects.

    Args:
        kubectl: of the installation's namespace.
        clock: seconds, steadily.
    """

    def __init__(self, kubectl: Kubectl, clock: Callable[[], float] = time.monotonic) -> None:
        self._kubectl, self._clock = kubectl, clock
        self._since: dict[tuple[str, str], float] = {}

    def until(self, what: str, condition: str, within_s: float) -> None:
        """Wait for a condition of an object, as `kubectl wait` takes them.

        Raises:
            PermanentError: it is not there in time, kubectl fails, or a Service can never become ready.
        """
        deadline = self._clock() + within_s
        while True:
            waiting = ("wait", *what.split(), f"--for={condition}", f"--timeout={_STEP_S}s")
            try:
                self._kubectl.run(*waiting, timeout_s=_STEP_S + 30)
                return
            except PermanentError as error:
                if _STILL_WAITING not in str(error) or self._clock() > deadline:
                    raise
            self.give_up_on_hopeless()

    def give_up_on_hopeless(self) -> None:
        """Look at every Knative Service.

        Raises:
            PermanentError: one has looked hopeless, for the same reason, for longer than :data:`PATIENCE_S`.
        """
        services = self._kubectl.get(_SERVICES)["items"]
        labels = (entry["metadata"].get("labels", {}) for entry in self._kubectl.get("deployments")["items"])
        deployments = {found[_REVISION] for found in labels if _REVISION in found}
        now = self._clock()
        found = {(entry["metadata"]["name"], hopeless(entry, deployments)) for entry in services}
        self._since = {key: self._since.get(key, now) for key in found if key[1]}
        for (name, why), since in sorted(self._since.items()):
            if now - since > PATIENCE_S:
                raise PermanentError(f"{name} can never become ready: {why}")
