"""Two models side by side in one system: one drop, a result of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.served_models import settings_for
from cosmoformer.storage.results import ResultsBucket
from tests.cosmoformer.tiny_artifact import hue_artifact
from tests.e2e.running_system import RunningSystem, wait_until

SECOND = "hue"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system that serves the bundled model and a second one, which nobody has registered yet."""
    system = RunningSystem(tmp_path_factory.mktemp("pair"), {"SERVED_MODELS": SECOND, "IDLE_SECONDS": "5"})
    system.start()
    yield system
    system.stop()


def second_results(system: RunningSystem) -> ResultsBucket:
    return ResultsBucket(system.store, settings=settings_for(system.settings, SECOND))


def test_a_model_that_is_down_delays_no_other(pair: RunningSystem) -> None:
    """While the second model has no version at all, the samples get their results of the first."""
    wait_until(lambda: len(list(pair.results.all("samples/"))) == 8, 120, "results of the samples")
    assert not list(second_results(pair).all())


def test_each_image_gets_a_result_of_each_model(pair: RunningSystem, galaxies: list[tuple[str, bytes]]) -> None:
    """After the second is promoted, what is dropped is judged by both, and what lay there before at the next sweep."""
    registry = Registry(settings_for(pair.settings, SECOND))
    register(registry, hue_artifact(), tags={}, alias="champion")
    name, content = galaxies[0]
    key = f"pair/{name}"
    pair.store.write(pair.settings.images_bucket, key, content, "image/jpeg")
    second = second_results(pair)
    wait_until(lambda: pair.results.read(key) and second.read(key), 120, "a result of each model")
    first_result, second_result = pair.results.read(key), second.read(key)
    assert first_result and second_result
    assert (first_result["model"]["name"], second_result["model"]["name"]) == ("cosmoformer", SECOND)
    assert "class" in first_result["prediction"] and "values" in second_result["prediction"]
    answer = urllib3.request("POST", f"{pair.settings.ingest_url}/sweep", json={"model": SECOND}).json()
    assert answer["announced"] + answer["with_result"] + answer["dead_lettered"] == answer["images"]
    wait_until(
        lambda: len(list(second.all("samples/"))) + answer["dead_lettered"] >= 8, 120, "the samples by the second"
    )


def test_the_page_can_read_both(pair: RunningSystem) -> None:
    """The addresses that an upload gets lead to both results, with the key that only shows."""
    picture = (Path("cosmoformer/bundled/samples/two_armed_spiral.jpg")).read_bytes()
    file = {"name": "spiral.jpg", "type": "image/jpeg", "size": len(picture)}
    answer = urllib3.request("POST", f"{pair.settings.ingest_url}/uploads", json={"files": [file]}).json()
    (upload,) = answer["uploads"]
    put = urllib3.request("PUT", upload["put"]["url"], body=picture, headers=upload["put"]["headers"])
    assert put.status == 200
    for place in (upload["result"], upload["further"][SECOND]):
        wait_until(lambda url=place["url"]: urllib3.request("GET", url).status == 200, 60, place["key"])


def test_a_table_has_a_row_an_image_with_what_both_say(pair: RunningSystem) -> None:
    """`cosmoformer results --csv` joins them, the second model's numbers under its name."""
    done = pair.command("results", "pair/", "--csv")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert row["class"] and row["model_name"] == "cosmoformer"
    assert row[f"{SECOND}_model_version"] == "1"
    assert all(float(value) for name, value in row.items() if name.startswith(f"{SECOND}_value_"))
