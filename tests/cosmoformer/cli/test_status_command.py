"""``cosmoformer status`` of real parts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.served_models import settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage.served import ServedMemory, of_version
from cosmoformer.storage.store import Store
from tests.cosmoformer.cli.conftest import Cli, kept_letters, served
from tests.cosmoformer.sample_results import classified_result, put_results


@pytest.fixture(autouse=True)
def champion(settings: Settings) -> None:
    """The registry has a version to serve."""
    register(Registry(settings), b"a model", tags={}, alias="champion")


def status(result: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_status_counts_and_says_what_answers(system: Cli, store: Store) -> None:
    """Images, results and dead letters are counted; a part that is away is failed, and the exit status 1."""
    for key in ("a.png", "b.png"):
        store.write(store.settings.images_bucket, key, b"x", "image/png")
    put_results(store, classified_result("a.png"))
    kept_letters(store)
    result = system("status", "--json", CLASSIFY_URL="http://127.0.0.1:9")
    found = status(result)
    states = {part: facts["state"] for part, facts in found.items()}
    assert states == {"store": "ok", "registry": "ok", "broker": "ok", "ingest": "ok", "classify": "failed"}
    assert (found["store"]["images"], found["store"]["results"], found["store"]["dead_letters"]) == (2, 1, 2)
    assert found["registry"]["aliases"] == {"champion": 1}
    assert [trigger["name"] for trigger in found["broker"]["triggers"]] == ["t"]
    assert result.exit_code == 1 and result.stderr.startswith("error: classify did not answer")


def test_status_of_a_cluster_needs_no_queue_and_wakes_no_function(system: Cli, store: Store) -> None:
    """Addresses elsewhere than on this machine may stay silent, and the classify function is not asked at all."""
    elsewhere = {"K_SINK": "http://broker.invalid/ns/default", "CLASSIFY_URL": "http://classify.invalid"}
    result = system("status", "--json", **elsewhere)
    assert result.exit_code == 0
    assert [status(result)[part]["state"] for part in ("broker", "classify")] == ["unknown", "unknown"]


def _knative_broker(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """A broker's ingress of Knative: events by POST, and 405 to anything else, whatever the path."""
    taken = environ["REQUEST_METHOD"] == "POST"
    start_response("202 Accepted" if taken else "405 Method Not Allowed", [("Allow", "POST, OPTIONS")])
    return []


def test_status_knows_a_broker_of_knative(system: Cli) -> None:
    """A broker that takes nothing but events has answered: it is well, and there is no queue to show."""
    with served(_knative_broker) as url:
        result = system("status", "--json", K_SINK=f"{url}/ns/cosmoformer", CLASSIFY_URL="http://classify.invalid")
        shown = system("status", K_SINK=f"{url}/ns/cosmoformer", CLASSIFY_URL="http://classify.invalid").stdout
    assert result.exit_code == 0
    assert (status(result)["broker"]["state"], status(result)["broker"]["triggers"]) == ("ok", None)
    assert "show no queue" in " ".join(shown.split())


def test_status_without_a_champion_is_a_failure(system: Cli, settings: Settings) -> None:
    """A registry that answers but has no version to serve is no working system."""
    result = system("status", "--json", MODEL_ALIAS="nobody")
    assert result.exit_code == 1
    assert status(result)["registry"]["state"] == "failed"


@pytest.mark.parametrize("aliases", [[], ["challenger"]])
def test_a_further_model_without_a_champion_is_a_failure(
    system: Cli, settings: Settings, store: Store, aliases: list[str]
) -> None:
    """Nobody judges by it: whichever model of SERVED_MODELS lacks a version to serve is named, and the exit status 1."""
    second = f"{settings.model_name}-hue"
    own = Registry(settings_for(settings, second))
    for alias in aliases:
        register(own, b"a model", tags={}, alias=alias)
    away = {"SERVED_MODELS": f"{settings.model_name},{second}", "CLASSIFY_URL": "http://classify.invalid"}
    result = system("status", "--json", **away)
    states = {part: facts["state"] for part, facts in status(result).items()}
    assert (states["registry"], states[f"registry of {second}"]) == ("ok", "failed")
    assert (result.exit_code, f"error: registry of {second} did not answer" in result.stderr) == (1, True)


def test_results_of_further_models_are_counted(system: Cli, settings: Settings, store: Store) -> None:
    """Beside the first one's, with the version that each has."""
    second = f"{settings.model_name}-hue"
    register(Registry(settings_for(settings, second)), b"a model", tags={}, alias="champion")
    put_results(store, classified_result("a.png"))
    put_results(Store(settings_for(settings, second)), classified_result("a.png"), classified_result("b.png"))
    away = {"SERVED_MODELS": second, "CLASSIFY_URL": "http://classify.invalid"}
    result = system("status", "--json", **away)
    assert result.exit_code == 0, result.output
    assert (status(result)["store"]["results"], status(result)["store"]["further"]) == (1, {second: 2})
    assert status(result)[f"registry of {second}"]["model"] == second
    shown = " ".join(system("status", **away, COLUMNS="300").stdout.split())
    assert f"1 results, 2 of {second}, 0 dead letters" in shown and f"{second}: champion → 1" in shown


def test_status_is_a_table_for_people(system: Cli) -> None:
    """One line a part."""
    result = system("status", CLASSIFY_URL="http://classify.invalid")
    rows = [line.split()[:2] for line in result.stdout.splitlines()[1:]]
    assert rows == [["store", "ok"], ["registry", "ok"], ["broker", "ok"], ["ingest", "ok"], ["classify", "unknown"]]


def test_which_version_is_served_and_why_it_is_not_the_champion(system: Cli, settings: Settings, store: Store) -> None:
    """Where another version stands in, status and doctor name both and the reason; also where the champion is gone."""
    registry = Registry(settings)
    memory, first = ServedMemory(store), registry.resolve("champion")
    memory.remember(of_version(first))
    words = status(system("status", "--json"))["registry"]
    assert words["champion"] == words["served"]["version"] == first.version
    assert "served last" not in system("status").stdout
    register(registry, b"another model", tags={}, alias="champion")
    memory.remember(of_version(first, why="its self-check failed"))
    assert f"served last is version {first.version}, since its self-check failed" in system("status").stdout
    findings = {finding["check"]: finding for finding in json.loads(system("doctor", "--json").stdout)}
    assert findings["served"]["state"] == "doubtful" and "its self-check failed" in findings["served"]["came"]
    result = system("status", "--json", MODEL_ALIAS="nobody")
    assert f"served last is version {first.version}" in status(result)["registry"]["problem"]
