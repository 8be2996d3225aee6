"""One running system for all whole-system tests, the galaxies they drop, and the page in a browser."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.browser import chromium
from tests.conftest import ObjectStore
from tests.e2e.browser import opened
from tests.e2e.page_stage import Stage, running_stage
from tests.e2e.running_system import RunningSystem

SHARED = Path(__file__).parents[3] / "shared" / "data" / "originals"
SAMPLES = Path(__file__).parents[2] / "cosmoformer" / "bundled" / "samples"
COUNT = 103

# What a page shows at last counts, not how soon: the machine may be slow.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """``cosmoformer up``, asleep again soon after each burst."""
    running = RunningSystem(
        tmp_path_factory.mktemp("system"),
        {"IDLE_SECONDS": "4", "MODEL_RECHECK_SECONDS": "2", "STORE_TIMEOUT_SECONDS": "3", "SWEEP_EVERY_SECONDS": "0"},
    )
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def galaxies() -> list[tuple[str, bytes]]:
    """103 different galaxies by file name: full-size survey images where they are at hand, rendered ones elsewhere."""
    files = sorted((SHARED / "unlabelled").glob("*.jpg"))
    if len(files) == COUNT:
        return [(file.name, file.read_bytes()) for file in files]
    return [_turned(index) for index in range(COUNT)]


def _turned(index: int) -> tuple[str, bytes]:
    samples = sorted(SAMPLES.glob("*.jpg"))
    stream = io.BytesIO()
    with Image.open(samples[index % len(samples)]) as image:
        image.rotate(7 * index).save(stream, "JPEG", quality=90)
    return f"rendered-{index:03}.jpg", stream.getvalue()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def running(object_store: ObjectStore) -> Iterator[Stage]:
    """Page, ingest and store, with the tests in the classifier's place."""
    with running_stage(object_store, max_image_bytes=200_000) as stage:
        yield stage


@pytest.fixture
def stage(running: Stage) -> Stage:
    """The same, as if empty."""
    running.begin()
    return running


@pytest.fixture
def page(browser: Browser, stage: Stage) -> Iterator[Page]:
    """The stage's page."""
    with opened(browser, stage.page_url) as page:
        yield page
