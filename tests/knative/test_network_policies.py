"""Who may reach whom: store, DNS, registry, broker, functions and the world, by the rendered NetworkPolicies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import pytest

from tests.knative.objects import of_kind, pod_templates
from tests.knative.reach import End, reaches, selects
from tests.knative.rendering import KNATIVE, Object, combination, combinations, parse

_ALL = max(combinations(), key=lambda names: ("ceph-source" in names, len(names)))
_FILE = KNATIVE / "components/network-policies/policies.yaml"


@cache
def _policies() -> tuple[Object, ...]:
    return tuple(of_kind(parse(combination(_ALL)), "NetworkPolicy"))


def _elsewhere(namespace: str, **labels: str) -> End:
    return End({}, {"kubernetes.io/metadata.name": namespace} | labels)


@cache
def _ends() -> dict[str, End]:
    """Our pods by name, with the labels that they get, and everybody else."""
    pods = {
        pod.template["metadata"]["labels"]["app.kubernetes.io/name"]: pod
        for pod in pod_templates(parse(combination(_ALL)))
    }
    ours = {name: End(pod.template["metadata"]["labels"], {}, ours=True) for name, pod in pods.items()}
    return ours | {
        "adapter": End({"knative-eventing-source-name": "ceph-images"}, {}, ours=True),
        "another of ours": End({}, {}, ours=True),
        "activator": _elsewhere("knative-serving"),
        "gateway": _elsewhere("knative-serving-ingress"),
        "kourier": _elsewhere("kourier-system"),
        "broker": _elsewhere("knative-eventing"),
        "store": _elsewhere("openshift-storage"),
        "OpenShift's DNS": _elsewhere("openshift-dns"),
        "CoreDNS": _elsewhere("kube-system"),
        "router": _elsewhere("openshift-ingress", **{"network.openshift.io/policy-group": "ingress"}),
        "Prometheus": _elsewhere("openshift-user-workload-monitoring"),
        "login": _elsewhere("openshift-authentication"),
        "stranger": _elsewhere("default"),
        "outside": End({}, None),
    }


OURS = (
    "classify",
    "ingest",
    "web",
    "mlflow",
    "console",
    "registry-setup",
    "page-access",
    "training",
    "adapter",
    "another of ours",
)
#: Whose business is what: source, target, ports.
ALLOWED: list[tuple[str, str, tuple[int, ...]]] = [
    # The store: RGW's pods and NooBaa's listen at these ports behind their Services; one outside is HTTPS.
    ("classify", "store", (8080, 443, 6443)),
    ("ingest", "store", (8080, 443, 6443)),
    ("page-access", "store", (8080, 443, 6443)),
    ("console", "store", (8080, 443, 6443)),
    ("mlflow", "store", (8080, 443, 6443)),
    *((name, "outside", (443,)) for name in ("classify", "ingest", "console", "mlflow", "page-access", "training")),
    # Names: OpenShift's pods answer at 5353, CoreDNS at 53.
    *((name, "OpenShift's DNS", (5353,)) for name in OURS),
    *((name, "CoreDNS", (53,)) for name in OURS),
    # The registry.
    *((name, "mlflow", (5000,)) for name in ("classify", "ingest", "registry-setup", "console", "training")),
    ("router", "mlflow", (8443,)),
    ("mlflow", "login", (6443,)),
    ("mlflow", "outside", (6443, 5432)),
    # Requests come and go through Knative.
    *(
        (source, name, (8012,))
        for source in ("activator", "gateway", "kourier")
        for name in ("classify", "ingest", "web")
    ),
    ("activator", "classify", (9090,)),
    ("ingest", "broker", (8080,)),
    ("console", "broker", (8080,)),
    *((name, gateway, (8081,)) for name in ("mlflow", "console", "adapter") for gateway in ("gateway", "kourier")),
    ("store", "adapter", (8888,)),
    *(("Prometheus", name, (8080, 9091)) for name in ("classify", "ingest")),
]
REFUSED: list[tuple[str, str, tuple[int, ...]]] = [
    *(("stranger", name, (8012, 8080, 5000, 8443, 8888)) for name in OURS),
    *(("outside", name, (8012, 8080, 5000, 8443, 8888)) for name in OURS),
    *(("another of ours", name, (8012, 5000)) for name in ("classify", "ingest", "web", "mlflow")),
    # The page holds no secret and needs nothing; training needs no images of others.
    *(("web", name, (5000, 443, 8080, 80)) for name in ("mlflow", "store", "outside", "broker")),
    ("training", "store", (8080,)),
    # Past Knative nobody asks a function, and nobody but it asks the sidecar.
    *((name, "classify", (8012, 8080)) for name in ("ingest", "web", "mlflow", "broker", "router", "store")),
    ("Prometheus", "mlflow", (5000, 8443)),
    ("router", "mlflow", (5000,)),
    ("router", "web", (8012,)),
    # In the clear nothing leaves the cluster.
    *((name, "outside", (80, 8080, 7480)) for name in ("classify", "ingest", "mlflow", "training", "console")),
    *((name, "stranger", (53, 80, 8080)) for name in ("classify", "ingest", "mlflow", "web")),
]


def _found(
    policies: Sequence[Object], rows: list[tuple[str, str, tuple[int, ...]]]
) -> dict[tuple[str, str, int], bool]:
    ends = _ends()
    return {
        (source, target, port): reaches(policies, ends[source], ends[target], port)
        for source, target, ports in rows
        for port in ports
    }


def test_what_is_needed_is_let_through() -> None:
    """Each part reaches what it works with."""
    assert [row for row, through in _found(_policies(), ALLOWED).items() if not through] == []


def test_what_is_nobodys_business_is_not() -> None:
    """Nothing else gets through."""
    assert [row for row, through in _found(_policies(), REFUSED).items() if through] == []


def test_names_are_resolved_over_both_protocols() -> None:
    """DNS is asked by UDP, and by TCP where an answer is long."""
    ends = _ends()
    for protocol in ("UDP", "TCP"):
        assert reaches(_policies(), ends["classify"], ends["OpenShift's DNS"], 5353, protocol)
    assert not reaches(_policies(), ends["classify"], ends["CoreDNS"], 123, "UDP")


@pytest.mark.parametrize("name", re.findall(r"^  name: (\S+)$", _FILE.read_text(encoding="utf-8"), re.MULTILINE))
def test_every_policy_is_needed(name: str) -> None:
    """Without any one of them something is let through that should not be, or the reverse."""
    others = [policy for policy in _policies() if policy["metadata"]["name"] != name]
    assert len(others) == len(_policies()) - 1
    changed = _found(others, ALLOWED + REFUSED).items() - _found(_policies(), ALLOWED + REFUSED).items()
    assert changed


def test_every_pod_of_the_manifests_has_rows() -> None:
    """A part that is in no row would be unchecked."""
    assert {name for name, end in _ends().items() if end.ours} == set(OURS)
    assert set(OURS) <= {source for source, _, _ in ALLOWED}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_selectors(selector: Object, selected: bool) -> None:
    """Selectors select as Kubernetes has it: nothing asked for is everything, and all conditions have to hold."""
    assert selects(selector, {"a": "1"}) is selected


def test_without_policies_everything_is_open() -> None:
    """A pod that no policy is about may do everything."""
    assert reaches([], _ends()["stranger"], _ends()["mlflow"], 5000)
