"""The tables of probes: what Knative makes of one, and what is refused of it."""

from __future__ import annotations

import pytest

from tests.knative import probes
from tests.knative.probes import DEFAULTS, LIVENESS, PORTS, PROBES, READINESS, STARTUP, in_deployment, with_defaults
from tests.knative.rendering import Object

_CONTAINER: Object = {"ports": [{"containerPort": 8080}]}
_ASK: Object = {"httpGet": {"path": "/"}}


@pytest.mark.parametrize(
    ("kind", "given", "becomes"),
    [
        (READINESS, {}, {"tcpSocket": {}, "successThreshold": 1}),
        (READINESS, _ASK, {**_ASK, "successThreshold": 1}),
        (
            READINESS,
            {**_ASK, "periodSeconds": 5},
            {**_ASK, "periodSeconds": 5, "successThreshold": 1, "failureThreshold": 3, "timeoutSeconds": 1},
        ),
        (LIVENESS, {**_ASK, "periodSeconds": 5}, {**_ASK, "periodSeconds": 5}),
        (STARTUP, _ASK, _ASK),
        (STARTUP, {"grpc": {"port": 8080}}, {"grpc": {"port": 8080, "service": ""}}),
    ],
)
def test_defaults(kind: str, given: Object, becomes: Object) -> None:
    """A readiness probe is completed; of the others only gRPC's service is."""
    assert with_defaults(kind, given) == becomes


def test_ports() -> None:
    """The container's port is put into readiness and liveness probes; a startup probe keeps what it has, even nothing."""
    made = {kind: in_deployment(kind, _ASK, _CONTAINER)["httpGet"].get("port") for kind in PROBES}
    assert made == {READINESS: 8080, LIVENESS: 8080, STARTUP: None}


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        ({STARTUP: _ASK}, "startupProbe: the port must be between 1 and 65535"),
        ({STARTUP: {"httpGet": {"path": "/", "port": 8080}}}, ""),
        ({STARTUP: {"tcpSocket": {}}}, "startupProbe: the port must be between 1 and 65535"),
        ({STARTUP: {"exec": {"command": ["true"]}}}, ""),
        ({STARTUP: {"httpGet": {"port": 8080}, "successThreshold": 2}}, "startupProbe: successThreshold must be 1"),
        ({LIVENESS: _ASK}, ""),
        ({LIVENESS: {"grpc": {}}}, "livenessProbe: the port must be between 1 and 65535"),
        ({LIVENESS: {}}, "livenessProbe: there must be exactly one way"),
        ({LIVENESS: {"httpGet": {"port": "metrics"}}}, "livenessProbe: a port by name must be the container's"),
        ({LIVENESS: {**_ASK, "terminationGracePeriodSeconds": 1}}, "livenessProbe: a probe has no fields but"),
        ({READINESS: {}}, ""),
        ({READINESS: {**_ASK, "timeoutSeconds": 1}}, "readinessProbe: without a period"),
        ({READINESS: {**_ASK, "successThreshold": -1}}, "readinessProbe: successThreshold must be at least 1"),
        ({READINESS: {**_ASK, "initialDelaySeconds": -1}}, "readinessProbe: initialDelaySeconds must be at least 0"),
    ],
)
def test_what_is_refused(probe: Object, says: str) -> None:
    """Each refusal is found, and a good probe has none."""
    found = list(probes.probe_problems(_CONTAINER | probe))
    assert any(problem.startswith(says) for problem in found) if says else found == []


def test_every_row_has_a_source() -> None:
    """Whoever doubts a row finds in it where it is from."""
    refusals = (*probes.REFUSED_BY_KNATIVE, *probes.REFUSED_BY_KUBERNETES, *probes.UNWANTED)
    sources = (
        [row.source for row in DEFAULTS] + [row.source for row in refusals] + [row.source for row in PORTS.values()]
    )
    assert all(source.partition(":")[0].endswith((".go", ".md of knative/specs")) for source in sources)
    assert set(PORTS) == set(PROBES)
