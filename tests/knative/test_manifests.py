"""The overlays and every combination of components render, and pass every check."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cosmoformer.served_models import changes_for, further_models
from cosmoformer.settings import load
from tests.knative.checks import CHECKS, OF_CONTRACTS
from tests.knative.objects import knative_services, label, named, of_kind, pod_templates, quantity
from tests.knative.objects import settings as settings_of
from tests.knative.references import image_name_problems
from tests.knative.rendering import (
    COMPONENTS,
    KNATIVE,
    OVERLAYS,
    Object,
    build,
    combination,
    combinations,
    overlay,
    parse,
)

_PLAIN_GROUPS = {"serving.knative.dev", "eventing.knative.dev", "sources.knative.dev", "apps", "batch", ""}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_passes(name: str, check: str) -> None:
    """An overlay renders, and a check finds nothing wrong with it."""
    assert CHECKS[check](parse(overlay(name))) == []


_by_components = pytest.mark.parametrize("components", combinations(), ids=lambda names: "+".join(names) or "base")


@_by_components
def test_combination_passes(components: tuple[str, ...]) -> None:
    """Base renders with these components, and no check finds anything wrong with it."""
    documents = parse(combination(components))
    found = {name: check(documents) for name, check in CHECKS.items() if name != OF_CONTRACTS}
    assert {name: problems for name, problems in found.items() if problems} == {}


@_by_components
def test_combination_fits_the_operators(components: tuple[str, ...]) -> None:
    """Objects of Knative and OpenShift have the fields that the operators' CRDs declare, and no others."""
    assert CHECKS[OF_CONTRACTS](parse(combination(components))) == []


def test_further_models_have_the_settings_of_one_machine() -> None:
    """Each Service that the component stamps has the places of its model, and ingest knows all of their names."""
    documents = parse(combination(("served-models",)))
    served = further_models(load({}, served_models=settings_of(documents)["SERVED_MODELS"]))
    stamped = {
        service["metadata"]["name"].removeprefix("classify-"): {
            variable["name"].lower(): variable.get("value")
            for variable in service["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        for service in knative_services(documents)
        if service["metadata"]["name"].startswith("classify-")
    }
    assert set(stamped) == set(served)
    for name, environment in stamped.items():
        assert changes_for(name).items() <= environment.items()


def test_every_component_is_combined() -> None:
    """A component that nothing here renders would be unchecked."""
    folders = {folder.name for folder in (KNATIVE / "components").iterdir() if folder.is_dir()}
    assert folders == {*COMPONENTS, "images"}


def test_readme_lists_every_overlay_and_component() -> None:
    """The README's tables have a row for each folder, and none for another."""
    text = (KNATIVE / "README.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith(("| `overlays/", "| `components/"))}
    folders = {
        f"{kind}/{f.name}" for kind in ("overlays", "components") for f in (KNATIVE / kind).iterdir() if f.is_dir()
    }
    assert rows == folders


def test_images_are_named_in_one_place() -> None:
    """Only components/images knows a registry."""
    assert image_name_problems(KNATIVE) == []


def test_an_image_with_a_registry_elsewhere_is_found(tmp_path: Path) -> None:
    """A second place that names an image is reported."""
    (tmp_path / "extra.yaml").write_text("      - image: quay.io/somebody/classify:1\n")
    assert image_name_problems(tmp_path) == ["extra.yaml: quay.io/somebody/classify:1"]


def test_dev_needs_no_operator() -> None:
    """The overlay for a trial has kinds of Kubernetes and Knative only, an in-memory broker and no namespace."""
    documents = parse(overlay("dev"))
    assert {document["apiVersion"].rpartition("/")[0] for document in documents} <= _PLAIN_GROUPS
    (broker,) = of_kind(documents, "Broker")
    assert broker["metadata"]["annotations"] == {"eventing.knative.dev/broker.class": "MTChannelBasedBroker"}
    assert [label(document) for document in documents if "namespace" in document["metadata"]] == []


def test_openshift_stays_in_its_namespace() -> None:
    """Everything is in the namespace, which binds sinks, but the one Route that has to stand beside the gateway."""
    documents = parse(overlay("openshift"))
    (namespace,) = of_kind(documents, "Namespace")
    name = namespace["metadata"]["name"]
    assert namespace["metadata"]["labels"]["bindings.knative.dev/include"] == "true"
    outside = [
        label(document)
        for document in documents
        if document is not namespace and document["metadata"]["namespace"] != name
    ]
    assert outside == ["Route cosmoformer-uploads"]


def test_hosts_are_named_once() -> None:
    """The overlay's hosts reach the settings, the Route and the domains; no example is left."""
    text = overlay("openshift")
    documents = parse(text)
    settings = settings_of(documents)
    uploads = named(documents, "Route", "cosmoformer-uploads")["spec"]
    domains = {domain["metadata"]["name"] for domain in of_kind(documents, "DomainMapping")}
    assert settings["INGEST_URL"] == f"https://{uploads['host']}"
    assert {uploads["host"], settings["PAGE_ORIGINS"].removeprefix("https://")} == domains
    assert uploads["path"] == "/uploads"
    assert "galaxies.example.com" not in text


def test_ingest_is_not_open_to_the_world() -> None:
    """On OpenShift only uploads-route leads to ingest, and nothing from outside to classify."""
    services = {
        service["metadata"]["name"]: service["metadata"] for service in knative_services(parse(overlay("openshift")))
    }
    assert services["ingest"]["annotations"]["serving.knative.openshift.io/disableRoute"] == "true"
    assert services["classify"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"


def test_mlflow_takes_its_claimed_bucket() -> None:
    """MLflow's container, not its login sidecar, gets the bucket and keys of the claim."""
    pods = {pod.name: pod for pod in pod_templates(parse(overlay("openshift")))}
    containers = {entry["name"]: entry for entry in pods["Deployment mlflow"].containers}
    variables = {variable["name"]: variable for variable in containers["mlflow"]["env"]}
    assert variables["MODELS_BUCKET"]["valueFrom"]["configMapKeyRef"]["name"] == "cosmoformer-models"
    assert "MODELS_BUCKET" not in {variable["name"] for variable in containers["oauth-proxy"]["env"]}


def test_mlflow_is_not_its_own_client() -> None:
    """A server that is told of a tracking server asks itself; and it answers to the names that it is called by."""
    from mlflow.server.security_utils import is_allowed_host_header

    mlflow = named(parse(overlay("dev")), "Deployment", "mlflow")
    entry = mlflow["spec"]["template"]["spec"]["containers"][0]
    variables = {variable["name"]: variable.get("value") for variable in entry["env"]}
    assert "envFrom" not in entry and "MLFLOW_TRACKING_URI" not in variables
    allowed = variables["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    hosts = ("mlflow:5000", "mlflow.trial.svc.cluster.local:5000", "localhost:5000", "mlflow.example.com:5000")
    assert [is_allowed_host_header(allowed, host) for host in hosts] == [True, True, True, False]


def test_memory_of_classify_holds_its_pictures() -> None:
    """The limit holds what was measured with the model loaded, and two files of the largest size with their pixels twice."""
    documents = parse(overlay("openshift"))
    known = load(settings_of(documents))
    loaded, pixels = 350 * 2**20, 3 * known.max_image_pixels
    needed = loaded + 2 * known.max_image_bytes + 2 * 2 * pixels
    (service,) = [service for service in knative_services(documents) if service["metadata"]["name"] == "classify"]
    assert needed < quantity(service["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"])


def test_notification_and_settings_have_the_same_prefix() -> None:
    """The bucket announces exactly the keys that are images."""
    documents = parse(overlay("openshift"))
    (rule,) = of_kind(documents, "CephBucketNotification")[0]["spec"]["filter"]["keyFilters"]
    settings = settings_of(documents)
    assert rule == {"name": "prefix", "value": settings["IMAGES_PREFIX"]}
    topic = of_kind(documents, "CephBucketTopic")[0]["spec"]
    assert topic["persistent"] is True and topic["endpoint"]["http"]["sendCloudEvents"] is True


def _with_setting(overlay_name: str, config_map: str, literal: str, folder: Path) -> list[Object]:
    """An overlay under a kustomization that changes one setting."""
    (folder / "kustomization.yaml").write_text(
        json.dumps(
            {
                "resources": [os.path.relpath(KNATIVE / "overlays" / overlay_name, folder.resolve())],
                "configMapGenerator": [{"name": config_map, "behavior": "merge", "literals": [literal]}],
            }
        )
    )
    return parse(build(folder))


@pytest.mark.parametrize("name", OVERLAYS)
def test_mlflow_is_restarted_by_its_own_settings_only(name: str, tmp_path: Path) -> None:
    """A changed setting of the functions leaves MLflow's pod as it is; one of those that it reads does not."""
    before = parse(overlay(name))
    pods = {pod.name: pod.template for pod in pod_templates(before)}
    for config_map, literal in (
        ("cosmoformer-settings", "UNSURE_BELOW=0.7"),
        ("cosmoformer-storage", "AWS_REGION=eu-west-1"),
    ):
        after = _with_setting(name, config_map, literal, tmp_path)
        changed = {pod.name for pod in pod_templates(after) if pod.template != pods[pod.name]}
        assert {"Service classify", "Service ingest"} <= changed
        assert ("Deployment mlflow" in changed) is (config_map == "cosmoformer-storage")


def test_a_trial_says_that_its_registry_is_lost() -> None:
    """MLflow without a volume is marked as such, on the object and in the pages."""
    mlflow = named(parse(overlay("dev")), "Deployment", "mlflow")
    volumes = {volume["name"]: volume for volume in mlflow["spec"]["template"]["spec"]["volumes"]}
    assert "emptyDir" in volumes["data"] and "lost" in mlflow["metadata"]["annotations"]["cosmoformer.io/registry"]
    assert "registry is lost" in (KNATIVE / "README.md").read_text(encoding="utf-8")
    assert "registry is empty afterwards" in (KNATIVE / "runbook/upkeep.md").read_text(encoding="utf-8")
