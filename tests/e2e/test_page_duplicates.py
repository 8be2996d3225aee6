"""Pictures that were dropped twice: told by their content, sent once, and never parted from what the first of them gets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.browser import card, choose
from tests.e2e.galaxies import SAMPLES, copies
from tests.e2e.page_stage import Stage
from tests.e2e.test_page_uploads import names_of, state_of

PATIENCE = "10:01"  # just longer than the page waits for a result
WITHOUT_SUBTLE = "Object.defineProperty(crypto, 'subtle', {value: undefined})"
"""What pages find that came over plain HTTP from another machine."""


def pair(folder: Path) -> list[Path]:
    """One picture under two names."""
    (first,) = copies(folder, "m51.jpg")
    (folder / "copy.jpg").write_bytes(first.read_bytes())
    return [first, folder / "copy.jpg"]


@pytest.fixture
def late(page: Page, stage: Stage, tmp_path: Path) -> Iterator[Page]:
    """The page with one picture dropped twice, on which no answer has come in ten minutes."""
    page.clock.install()
    choose(page, *pair(tmp_path))
    stage.stored(1)
    state_of(page, "copy.jpg", "twin")
    state_of(page, "m51.jpg", "classifying")
    page.clock.fast_forward(PATIENCE)
    for name in ("m51.jpg", "copy.jpg"):
        state_of(page, name, "late")
    yield page


def test_duplicate(page: Page, stage: Stage, tmp_path: Path) -> None:
    """A file that was dropped before is marked, not sent twice, shows the same result, and can be sent all the same."""
    (first,) = copies(tmp_path, "m51.jpg")
    (tmp_path / "copy.jpg").write_bytes(first.read_bytes())
    choose(page, first, tmp_path / "copy.jpg")
    (image,) = stage.stored(1)
    expect(card(page, "copy.jpg").locator(".advice")).to_have_text(
        "The same picture as m51.jpg: it was not sent twice."
    )
    stage.classify(image)
    expect(card(page, "copy.jpg").locator(".verdict")).to_have_text("Spiral")
    expect(card(page, "copy.jpg").locator(".badge")).to_have_text("Duplicate")
    assert len(stage.images()) == 1
    page.get_by_role("button", name="Send it all the same").click()
    stage.stored(2)
    expect(card(page, "copy.jpg")).to_have_attribute("data-state", "classifying")


def test_over_plain_http_the_content_decides(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Without the browser's digests, files of one name, size and time in two folders are two; the same content is still one."""
    content = {"obj1/g.jpg": 0, "obj2/g.jpg": 1, "obj3/g.jpg": 0}
    for name, sample in content.items():
        path = tmp_path / "survey" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(SAMPLES[sample].read_bytes().ljust(100_000, b"\0"))
        os.utime(path, (1_700_000_000, 1_700_000_000))
    page.evaluate(WITHOUT_SUBTLE)
    page.set_input_files("#choose-folder", tmp_path / "survey")
    stage.stored(2)
    state_of(page, "survey/obj3/g.jpg", "twin")
    assert names_of(stage) == ["survey/obj1/g.jpg", "survey/obj2/g.jpg"]


@pytest.mark.parametrize("asked", ["m51.jpg", "copy.jpg"])
def test_both_are_waited_for_again(late: Page, stage: Stage, asked: str) -> None:
    """On either of two late duplicates, "Keep waiting" waits for the one result of both, and sends nothing."""
    late.get_by_role("button", name=f"Keep waiting: {asked}").click()
    state_of(late, "m51.jpg", "classifying")
    state_of(late, "copy.jpg", "twin")
    (image,) = stage.images()
    stage.classify(image)
    for name in ("m51.jpg", "copy.jpg"):
        expect(card(late, name).locator(".verdict")).to_have_text("Spiral")
    assert len(stage.images()) == 1


def test_all_late_are_waited_for_again(late: Page, stage: Stage) -> None:
    """However often all late duplicates are tried again, their one result is waited for, and nothing is sent."""
    late.get_by_role("button", name="Try all again").click()
    state_of(late, "copy.jpg", "twin")
    late.clock.fast_forward(PATIENCE)
    state_of(late, "copy.jpg", "late")
    late.get_by_role("button", name="Try all again").click()
    state_of(late, "copy.jpg", "twin")
    (image,) = stage.images()
    stage.classify(image)
    state_of(late, "copy.jpg", "classified")
    assert len(stage.images()) == 1


def test_a_duplicate_can_be_sent_all_the_same(late: Page, stage: Stage) -> None:
    """A duplicate that was sent by itself no longer goes with the first: it waits for its own result."""
    late.get_by_role("button", name="Keep waiting: m51.jpg").click()
    late.get_by_role("button", name="Send it all the same: copy.jpg").click()
    stage.stored(2)
    state_of(late, "copy.jpg", "classifying")
    stage.classify(next(image for image in stage.images() if image.key.endswith("/m51.jpg")))
    state_of(late, "m51.jpg", "classified")
    state_of(late, "copy.jpg", "classifying")


@contextmanager
def refused(page: Page, stage: Stage, name: str) -> Iterator[None]:
    """The store refuses to take the file of this name."""

    def refuse(route: Route) -> None:
        if route.request.method == "PUT":
            route.fulfill(status=400, headers={"Access-Control-Allow-Origin": stage.page_url})
        else:
            route.continue_()

    pattern = re.compile(rf"/{re.escape(name)}\?.*X-Amz-Signature")
    page.route(pattern, refuse)
    yield
    page.unroute(pattern)


def test_failed_duplicates_are_sent_once(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Of two duplicates whose upload failed, "Try all again" sends one."""
    with refused(page, stage, "m51.jpg"):
        choose(page, *pair(tmp_path))
        for name in ("m51.jpg", "copy.jpg"):
            state_of(page, name, "failed")
    page.get_by_role("button", name="Try all again").click()
    (image,) = stage.stored(1)
    state_of(page, "copy.jpg", "twin")
    stage.classify(image)
    state_of(page, "copy.jpg", "classified")
    assert names_of(stage) == ["m51.jpg"]


def test_a_duplicate_can_be_sent_where_the_first_cannot(page: Page, stage: Stage, tmp_path: Path) -> None:
    """A failed duplicate that is tried again alone is sent itself: the first of its kind may be a file that is gone."""
    with refused(page, stage, "m51.jpg"):
        choose(page, *pair(tmp_path))
        state_of(page, "copy.jpg", "failed")
        page.get_by_role("button", name="Try again: copy.jpg").click()
        (image,) = stage.stored(1)
        stage.classify(image)
        state_of(page, "copy.jpg", "classified")
        state_of(page, "m51.jpg", "failed")
    assert names_of(stage) == ["copy.jpg"]
