"""Waiting for readiness, on what Knative says of Services, with the real kubectl."""

from __future__ import annotations

from typing import Any

import pytest

from cosmoformer.errors import PermanentError
from tests.cluster.cluster import Cluster
from tests.cluster.options import Options
from tests.cluster.readiness import PATIENCE_S, Waiting, hopeless
from tests.knative.api_server import ApiServer
from tests.knative.rendering import Object

_STARTING = {"type": "Ready", "status": "Unknown", "reason": "RevisionMissing"}
_FAILED = {"type": "Ready", "status": "False", "reason": "RevisionFailed", "message": "Unable to fetch image"}


def _service(condition: Object, revision: str = "classify-00001") -> Object:
    return {"status": {"conditions": [condition], "latestCreatedRevisionName": revision}}


@pytest.mark.parametrize(
    ("service", "deployments", "says"),
    [
        (_service({"type": "Ready", "status": "True"}), set(), ""),
        (_service(_STARTING), {"classify-00001"}, ""),
        (_service(_STARTING), {"ingest-00001"}, "no Deployment for the revision classify-00001"),
        (_service(_STARTING, ""), set(), "no revision"),
        ({}, set(), "no revision"),
        (_service(_FAILED), {"classify-00001"}, "RevisionFailed: Unable to fetch image"),
    ],
)
def test_what_looks_hopeless(service: Object, deployments: set[str], says: str) -> None:
    """A Service that failed, or whose revision has no Deployment, does; one whose pods start does not."""
    found = hopeless(service, deployments)
    assert says in found if says else found == ""


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _waiting(given: Options, clock: _Clock) -> Waiting:
    return Waiting(Cluster(given).kubectl, clock)


def _write(api: ApiServer, given: Options, name: str, kind: str, **body: Any) -> None:
    version, plural = ("serving.knative.dev/v1", "services") if kind == "Service" else ("apps/v1", "deployments")
    path = f"/apis/{version}/namespaces/{given.name}/{plural}/{name}"
    labels = body.pop("labels", {})
    spec = {"template": {"spec": {}}}
    api.write(
        path,
        {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec} | body,
        new=True,
    )
    if kind == "Service":
        api.objects[path]["status"] = {"conditions": [_STARTING], "latestCreatedRevisionName": f"{name}-00001"}


def test_a_service_without_a_deployment_is_given_up_in_a_minute(given: Options, api: ApiServer) -> None:
    """A revision whose Deployment is refused stays at RevisionMissing: it is named after a while, and not before."""
    clock = _Clock()
    _write(api, given, "classify", "Service")
    _write(api, given, "ingest", "Service")
    _write(api, given, "d", "Deployment", labels={"serving.knative.dev/revision": "ingest-00001"})
    waiting = _waiting(given, clock)
    for clock.now in (0.0, PATIENCE_S - 1):
        waiting.give_up_on_hopeless()
    clock.now = PATIENCE_S + 1
    assert clock.now < 60
    with pytest.raises(PermanentError, match="classify can never become ready: Knative has made no Deployment"):
        waiting.give_up_on_hopeless()


def test_what_recovers_is_waited_for(given: Options, api: ApiServer) -> None:
    """The time counts anew once a Service looked well in between, or fails for another reason."""
    clock = _Clock()
    _write(api, given, "classify", "Service")
    waiting = _waiting(given, clock)
    waiting.give_up_on_hopeless()
    _write(api, given, "d", "Deployment", labels={"serving.knative.dev/revision": "classify-00001"})
    clock.now = PATIENCE_S + 1
    waiting.give_up_on_hopeless()
    api.remove(f"/apis/apps/v1/namespaces/{given.name}/deployments/d")
    clock.now += 1
    waiting.give_up_on_hopeless()
    clock.now += PATIENCE_S + 1
    with pytest.raises(PermanentError, match="classify"):
        waiting.give_up_on_hopeless()
