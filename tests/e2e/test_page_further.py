"""Models side by side on the upload page: one card has what each of them says."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cosmoformer.models.registry import ModelVersion
from cosmoformer.served_models import settings_for
from cosmoformer.storage.facts import ImageFacts
from cosmoformer.storage.results import ResultsBucket, estimated
from cosmoformer.storage.store import ObjectInfo
from tests.conftest import ObjectStore
from tests.e2e.browser import card, choose, opened
from tests.e2e.galaxies import copies
from tests.e2e.page_stage import Stage, origin, running_stage
from tests.e2e.test_page_views import downloaded

SECOND = "inclination"
INCLINATION = ModelVersion(SECOND, 7, "run", "source", "b" * 64)
VALUES = {"inclination": 54.211, "inclination_error": 3.14}


@pytest.fixture(scope="module")
def pair(object_store: ObjectStore) -> Iterator[Stage]:
    """A stage whose ingest function knows a second model."""
    with running_stage(object_store, served_models=SECOND) as stage:
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
    expect(found.locator(".others")).to_have_text("inclination: inclination 54.21 ± 3.1 deg")
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
