"""Models side by side in one system: one drop, a result of each; one FITS file of many bands, a result of all that take it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import urllib3
from astropy.io import fits
from PIL import Image
from playwright.sync_api import Browser, expect

from cosmoformer.models.bundled import BUNDLED
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.served_models import settings_for
from cosmoformer.storage.results import ResultsBucket
from cosmoformer.votes.tree import GZ2
from tests.cosmoformer.tiny_artifact import bands_artifact, hue_artifact
from tests.e2e.browser import card, choose, opened
from tests.e2e.running_system import RunningSystem, wait_until

SHIPPED = "inclination"
SECOND = "hue"
RAW = "light"
TILTED = Path(str(BUNDLED)) / "samples" / "inclined_spiral.jpg"  # by 60 degrees


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system that serves the two models that ship, and two that nobody has registered yet."""
    options = {"SERVED_MODELS": ",".join((SHIPPED, SECOND, RAW)), "IDLE_SECONDS": "5"}
    system = RunningSystem(tmp_path_factory.mktemp("pair"), options)
    system.start()
    yield system
    system.stop()


def second_results(system: RunningSystem, model: str = SECOND) -> ResultsBucket:
    return ResultsBucket(system.store, settings=settings_for(system.settings, model))


def test_a_model_that_is_down_delays_no_other(pair: RunningSystem) -> None:
    """While the second model has no version at all, the samples get their results of the first."""
    wait_until(lambda: len(list(pair.results.all("samples/"))) == 8, 120, "results of the samples")
    assert not list(second_results(pair).all())


def test_both_models_that_ship_judge_what_is_dropped(pair: RunningSystem) -> None:
    """Nobody registered anything: one drop gives one CSV with class, votes, and the inclination with its uncertainty."""
    pair.command("drop", str(TILTED), "--prefix", "both/")
    wait_until(lambda: list(second_results(pair, SHIPPED).all("both/")), 120, "the inclination")
    wait_until(lambda: list(pair.results.all("both/")), 120, "the class")
    (row,) = csv.DictReader(io.StringIO(pair.command("results", "both/", "--csv").stdout))
    assert row["class"] == "spiral" and row[f"{SHIPPED}_class"] == ""
    for question in GZ2.questions:
        start = f"f_{question.name.replace('-', '_')}_"
        fractions = [float(value) for name, value in row.items() if name.startswith(start)]
        assert sum(fractions) == pytest.approx(1, abs=1e-3), question.name
    told, uncertainty = (float(row[f"{SHIPPED}_value_{name}"]) for name in ("inclination", "inclination_error"))
    assert abs(told - 60) < 2 * uncertainty < 30


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


def bands_file(folder: Path) -> Path:
    """The tilted spiral as a survey's file: float planes far beyond eight bits, one an extension, an error plane before them."""
    with Image.open(TILTED) as picture:
        light = np.sinh(np.asarray(picture, np.float32)[::-1] / 60.0)  # undoes about what displaying it did
    noise = np.random.default_rng(0).normal(0, 0.05, light.shape[:2]).astype(np.float32)
    units = [fits.ImageHDU(np.full(light.shape[:2], 0.05, np.float32), name="ERR")]
    units += [fits.ImageHDU(light[..., channel] + noise, name=band) for band, channel in (("g", 2), ("r", 1), ("i", 0))]
    path = folder / "bands.fits"
    fits.HDUList([fits.PrimaryHDU(), *units]).writeto(path)
    return path


def test_a_file_of_many_bands_goes_from_the_page_to_every_model(
    pair: RunningSystem, browser: Browser, tmp_path: Path
) -> None:
    """Those of pictures see g, r and i as colours, that of raw bands the planes as they are, and the card has what all say."""
    register(Registry(settings_for(pair.settings, RAW)), bands_artifact(), tags={}, alias="champion")
    path = bands_file(tmp_path)
    with opened(browser, f"http://127.0.0.1:{pair.settings.page_port}") as page:
        choose(page, path)
        found = card(page, path.name)
        expect(found.locator(".verdict")).to_have_text("Spiral", timeout=120_000)
        for words in (SHIPPED, f"{RAW}: "):
            expect(found.locator(".others")).to_contain_text(words, timeout=120_000)
    (raw,) = (result for result in second_results(pair, RAW).all() if result["image"]["key"].endswith(path.name))
    shown = pair.results.read(raw["image"]["key"])
    assert raw["image"]["conversions"] == ["bands_g_r_i"]
    with fits.open(path) as units:
        expected = {f"light_{band}": np.arcsinh(units[band].data.mean() / 100.0) for band in "gri"}
    assert raw["prediction"]["values"] == pytest.approx(expected, rel=0.02)
    assert shown and shown["prediction"] and shown["prediction"]["class"] == "spiral"
    assert "bands_i_r_g" in shown["image"]["conversions"]
