"""Models side by side on the upload page: one card has what each of them says."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cosmoformer.models.registry import ModelVersion
from cosmoformer.served_models import settings_for
from cosmoformer.storage.facts import ImageFacts
from cosmoformer.storage.results import ResultsBucket, estimated
from cosmoformer.storage.store import ObjectInfo
from tests.conftest import ObjectStore
from tests.e2e.bare_page import api_of, awaited_status, bare_page
from tests.e2e.browser import card, choose, opened
from tests.e2e.galaxies import copies
from tests.e2e.page_stage import Stage, origin, running_stage
from tests.e2e.test_page_duplicates import PATIENCE
from tests.e2e.test_page_uploads import EXPIRY_S, state_of
from tests.e2e.test_page_views import downloaded

SECOND = "inclination"
INCLINATION = ModelVersion(SECOND, 7, "run", "source", "b" * 64)
SAID = "inclination: inclination 54.21 ± 3.1 deg"
VALUES = {"inclination": 54.211, "inclination_error": 3.14}


@pytest.fixture(scope="module")
def pair(object_store: ObjectStore) -> Iterator[Stage]:
    """A stage whose ingest function knows a second model."""
    with running_stage(object_store, served_models=SECOND) as stage:
        yield stage


@pytest.fixture(scope="module")
def hasty_pair(object_store: ObjectStore) -> Iterator[Stage]:
    """The same, but addresses of results expire so soon that pages have to renew them."""
    with running_stage(object_store, served_models=SECOND, result_expiry_seconds=EXPIRY_S) as stage:
        yield stage


@pytest.fixture
def shown(browser: Browser, pair: Stage) -> Iterator[Page]:
    """The page of that stage."""
    pair.begin()
    with opened(browser, pair.page_url) as page:
        yield page


def measure(stage: Stage, image: ObjectInfo) -> None:
    """Leave the second model's result."""
    settings = stage.store.settings
    facts = ImageFacts(settings.images_bucket, image.key, image.etag, image.size, None)
    units = dict.fromkeys(VALUES, "deg")
    result = estimated(facts, VALUES, "inclination", INCLINATION, origin(), units=units)
    ResultsBucket(stage.store, settings=settings_for(settings, SECOND)).write(result)


def test_a_card_has_what_every_model_says(shown: Page, pair: Stage, tmp_path: Path) -> None:
    """The first model's class is not held up by the second, whose numbers follow when they come: card, table, JSON and link."""
    choose(shown, *copies(tmp_path, "m51.jpg"))
    (image,) = pair.stored(1)
    pair.classify(image)
    found = card(shown, "m51.jpg")
    expect(found.locator(".verdict")).to_have_text("Spiral")
    expect(found.locator(".others")).to_be_hidden()
    measure(pair, image)
    expect(found.locator(".others")).to_have_text(SAID)
    found.get_by_role("button", name="Large view").click()
    expect(shown.locator("#large-facts")).to_contain_text("inclination v7")
    shown.keyboard.press("Escape")
    (row,) = csv.DictReader(io.StringIO(downloaded(shown, "CSV").decode()))
    assert (row["class"], row["inclination_model_version"]) == ("spiral", "7")
    assert (float(row["inclination_value_inclination"]), row["inclination_class"]) == (54.211, "")
    (galaxy,) = json.loads(downloaded(shown, "JSON"))["galaxies"]
    assert galaxy["others"][SECOND]["prediction"]["values"] == VALUES
    shown.reload()
    expect(card(shown, "m51.jpg").locator(".others")).to_contain_text("54.21 ± 3.1 deg")


@pytest.fixture
def half(shown: Page, pair: Stage, tmp_path: Path) -> ObjectInfo:
    """On the page two images that the second model has judged; the first model has judged only m51.jpg, not this one, m81.jpg."""
    choose(shown, *copies(tmp_path, "m51.jpg", "m81.jpg"))
    judged, other = sorted(pair.stored(2), key=lambda image: image.key)
    pair.classify(judged)
    for image in (judged, other):
        measure(pair, image)
    for name in ("m51.jpg", "m81.jpg"):
        expect(card(shown, name).locator(".others")).to_have_text(SAID)
    return other


def test_a_reopened_batch_waits_for_the_first_model(shown: Page, pair: Stage, half: ObjectInfo) -> None:
    """What only a further model has judged is not lost: the card has its word, says what is awaited, and then shows the class."""
    shown.reload()
    state_of(shown, "m51.jpg", "classified")
    state_of(shown, "m81.jpg", "classifying")
    found = card(shown, "m81.jpg")
    expect(found.locator(".others")).to_have_text(SAID)
    expect(found.locator(".words")).to_contain_text("the first one has not yet")
    expect(shown.locator("#status")).to_have_text("1 of 2 classified: 1 being classified.")
    rows = {row["file"]: row for row in csv.DictReader(io.StringIO(downloaded(shown, "CSV").decode()))}
    assert (rows["m81.jpg"]["state"], rows["m81.jpg"]["class"]) == ("classifying", "")
    assert float(rows["m81.jpg"]["inclination_value_inclination"]) == 54.211
    pair.classify(half)
    expect(found.locator(".verdict")).to_have_text("Spiral")
    expect(found.locator(".others")).to_have_text(SAID)
    expect(shown.locator("#status")).to_have_text("2 of 2 classified.")


def test_a_reopened_batch_can_be_waited_for_again(shown: Page, pair: Stage, half: ObjectInfo) -> None:
    """A first model that does not judge for ten minutes is late there as well, and can be waited for on."""
    shown.clock.install()
    shown.reload()
    state_of(shown, "m81.jpg", "classifying")
    shown.clock.fast_forward(PATIENCE)
    state_of(shown, "m81.jpg", "late")
    shown.get_by_role("button", name="Keep waiting: m81.jpg").click()
    state_of(shown, "m81.jpg", "classifying")
    pair.classify(half)
    expect(card(shown, "m81.jpg").locator(".verdict")).to_have_text("Spiral")
    assert len(pair.images()) == 2


def test_a_reopened_batch_waits_for_further_models(shown: Page, pair: Stage, tmp_path: Path) -> None:
    """What the first model has judged just now, a further one may still judge: its numbers follow there as well."""
    choose(shown, *copies(tmp_path, "m51.jpg"))
    (image,) = pair.stored(1)
    pair.classify(image)
    state_of(shown, "m51.jpg", "classified")
    shown.reload()
    state_of(shown, "m51.jpg", "classified")
    expect(card(shown, "m51.jpg").locator(".others")).to_be_hidden()
    measure(pair, image)
    expect(card(shown, "m51.jpg").locator(".others")).to_have_text(SAID)


def test_a_reopened_batch_asks_once_for_what_is_long_overdue(shown: Page, pair: Stage, tmp_path: Path) -> None:
    """What a further model has not judged long after the first is not asked for again: it may never have been served."""
    choose(shown, *copies(tmp_path, "m51.jpg"))
    (image,) = pair.stored(1)
    pair.classify(image)
    state_of(shown, "m51.jpg", "classified")
    shown.clock.install(time=datetime.now(UTC) + timedelta(minutes=20))
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.reload()
    state_of(shown, "m51.jpg", "classified")
    shown.clock.run_for(30_000)
    shown.evaluate("fetch('config.json').then((answer) => answer.json())")
    assert len([url for url in asked if f"/by-model/{SECOND}/" in url]) == 1


@pytest.mark.parametrize("name", ["m51.jpg", "/".join(["n" * 100] * 9) + "/long.jpg"])
def test_addresses_of_a_reopened_batch_are_renewed(browser: Browser, hasty_pair: Stage, name: str) -> None:
    """A result that comes after its address has expired is found by a page that cannot upload, also where a long key was cut."""
    with bare_page(browser, hasty_pair.page_url) as bare:
        api = api_of(bare)
        key = bare.evaluate(
            """async ([api, name]) => {
                const {address, Batch} = await import("/js/addresses.js");
                const item = {name, type: "image/jpeg", file: {size: 7}};
                await address([item], {api, batch: new Batch()}, new AbortController().signal);
                window.show = item.address.show;
                return item.address.key;
            }""",
            [api, name],
        )
        hasty_pair.begin()
        hasty_pair.store.write(hasty_pair.store.settings.images_bucket, key, b"picture", "image/jpeg")
        (image,) = hasty_pair.stored(1)
        measure(hasty_pair, image)
        state = bare.evaluate(
            """async (api) => {
                const {reopened} = await import("/js/batchlink.js");
                for await (const item of reopened(api, window.show, new AbortController().signal)) window.item = item;
                return window.item.state;
            }""",
            api,
        )
        assert state == "classifying"
        time.sleep(EXPIRY_S + 0.5)
        hasty_pair.classify(image)
        assert awaited_status(bare) == "classified"
