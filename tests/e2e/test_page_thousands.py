"""The page for thousands: cards that are drawn when seen, the dense grid, what is left, what it keeps and what it saves."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from cosmoformer.storage.results import ResultsBucket, classified
from cosmoformer.storage.store import ObjectInfo
from tests.e2e.browser import card, choose, opened
from tests.e2e.galaxies import copies
from tests.e2e.page_stage import MODEL, SPIRAL, Stage, origin

MANY = 700
ROUND = {"round_smooth": 0.81, "in_between_smooth": 0.1, "cigar_smooth": 0.01, "edge_on": 0.05, "spiral": 0.03}


def tiny(folder: Path, count: int) -> list[Path]:
    """Different files that begin as pictures do."""
    files = [folder / f"{number:05}.jpg" for number in range(count)]
    for number, path in enumerate(files):
        path.write_bytes(b"\xff\xd8\xff\xe0" + number.to_bytes(4, "big") * 3)
    return files


def named(stage: Stage, count: int) -> dict[str, ObjectInfo]:
    return {image.key.rpartition("/")[2]: image for image in stage.stored(count)}


def order(page: Page) -> list[str]:
    return page.locator(".card bdi").all_text_contents()


def test_of_many_only_those_in_sight_are_drawn(page: Page, stage: Stage, tmp_path: Path) -> None:
    """All are counted and uploaded; wherever one scrolls to, by wheel or keyboard, the cards of that place are there."""
    choose(page, *tiny(tmp_path, MANY))
    expect(page.locator("#status")).to_contain_text(f"0 of {MANY} classified")
    expect(page.locator("#status")).to_contain_text(f"{MANY} being classified", timeout=90_000)
    assert len(stage.images()) == MANY
    assert 0 < page.locator(".card").count() < 120
    expect(page.locator(".card").first).to_have_attribute("aria-setsize", str(MANY))
    expect(page.locator(".card").first).to_have_attribute("aria-posinset", "1")
    page.locator(".card .open").first.focus()
    page.keyboard.press("End")
    expect(card(page, f"{MANY - 1:05}.jpg").locator(".open")).to_be_focused()
    assert page.locator(".card").count() < 120
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    middle = [f"{number:05}.jpg" for number in range(MANY // 3, 2 * MANY // 3)]
    expect(page.get_by_text(middle[len(middle) // 2], exact=True)).to_be_attached()
    page.fill("#search", "00699")
    expect(page.locator(".card")).to_have_count(1)


def test_names_are_in_the_order_in_which_people_count(page: Page, stage: Stage, tmp_path: Path) -> None:
    """By name, 2 comes before 10, whatever the letters' case."""
    choose(page, *copies(tmp_path, "b10.jpg", "B2.jpg", "a1.jpg"))
    stage.stored(3)
    page.select_option("#sort", "name")
    expect(page.locator(".card bdi")).to_have_text(["a1.jpg", "B2.jpg", "b10.jpg"])


def test_the_grid_shows_pictures_alone(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Small pictures take the place of cards, more of them a row; each still opens, and tells its name and class."""
    choose(page, *copies(tmp_path, "a.jpg", "b.jpg"))
    for image in stage.stored(2):
        stage.classify(image)
    expect(page.locator("#status")).to_contain_text("2 of 2 classified")
    wide = page.locator(".card").first.bounding_box()
    page.get_by_role("button", name="Grid").click()
    expect(page.locator(".card .verdict").first).to_be_hidden()
    small = page.locator(".card").first.bounding_box()
    assert wide and small and small["width"] < wide["width"] / 2
    assert small["height"] == pytest.approx(small["width"], abs=1)
    page.get_by_role("button", name="a.jpg: Spiral, 92\u00a0%. Large view").click()
    expect(page.locator("#large-name")).to_have_text("a.jpg")


def test_any_probability_sorts(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Every class that the model tells can be sorted by; what was not classified comes last, either way round."""
    choose(page, *copies(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
    images = named(stage, 3)
    stage.classify(images["a.jpg"], SPIRAL)
    stage.classify(images["b.jpg"], ROUND)
    stage.reject(images["c.jpg"], "It is damaged.")
    expect(page.locator("#status")).to_contain_text("2 of 3 classified, 1 not")
    page.select_option("#sort", label="Round and smooth")
    expect(page.locator(".card bdi")).to_have_text(["b.jpg", "a.jpg", "c.jpg"])
    page.select_option("#sort", label="Spiral")
    expect(page.locator(".card bdi")).to_have_text(["a.jpg", "b.jpg", "c.jpg"])
    page.get_by_role("button", name="Reverse the order").click()
    expect(page.locator(".card bdi")).to_have_text(["b.jpg", "a.jpg", "c.jpg"])


def test_samples_are_one_click(page: Page, stage: Stage) -> None:
    """Who has no image at hand tries the page with a galaxy of each class."""
    page.get_by_role("button", name="try it with sample galaxies").click()
    assert set(named(stage, 5)) == {
        f"{name}.webp" for name in ("spiral", "edge_on", "cigar_smooth", "in_between_smooth", "round_smooth")
    }


def test_earlier_batches_are_offered(page: Page, stage: Stage, tmp_path: Path) -> None:
    """The empty page has a link to what this browser uploaded before, until it is told to forget."""
    expect(page.locator("#earlier")).to_be_hidden()
    choose(page, *copies(tmp_path, "m51.jpg"))
    for image in stage.stored(1):
        stage.classify(image)
    expect(page.locator("#status")).to_contain_text("1 of 1 classified")
    page.get_by_role("button", name="Start over").click()
    page.locator("#earlier a").click()
    expect(page.locator(".card bdi")).to_have_text(["m51.jpg"])
    page.get_by_role("button", name="Start over").click()
    page.get_by_role("button", name="Forget these").click()
    expect(page.locator("#earlier")).to_be_hidden()
    page.reload()
    expect(page.locator("#choose-files")).to_be_enabled()
    expect(page.locator("#earlier")).to_be_hidden()


def test_the_time_left_is_estimated(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Once some answers have come, the page says how long the others will take at that speed."""
    choose(page, *tiny(tmp_path, 200))
    expect(page.locator("#status")).to_contain_text("200 being classified", timeout=60_000)
    for image in stage.images()[:10]:
        stage.classify(image)
    expect(page.locator("#status")).to_contain_text("10 of 200 classified", timeout=60_000)
    expect(page.locator("#status")).to_contain_text(" left.")


def test_the_end_is_told(browser: Browser, stage: Stage, tmp_path: Path) -> None:
    """The tab's title counts and then is marked; where it is allowed and nobody looks, a notification says how many are done."""
    with opened(browser, stage.page_url, permissions=["notifications"]) as page:
        page.evaluate(
            """() => {
                window.told = [];
                const Real = window.Notification;
                window.Notification = class extends Real {
                    constructor(words, options) { super(words, options); window.told.push(words); }
                };
                Object.defineProperty(document, "hidden", { get: () => true });
            }"""
        )
        choose(page, *copies(tmp_path, "a.jpg", "b.jpg"))
        images = stage.stored(2)
        stage.classify(images[0])
        expect(page).to_have_title(re.compile(r"^\(1/2\) "))
        stage.classify(images[1])
        expect(page).to_have_title(re.compile("^✓ "))
        assert page.evaluate("window.told") == ["2 galaxies are done"]


def test_images_of_a_class_are_one_download(page: Page, stage: Stage, tmp_path: Path) -> None:
    """The archive has the files that are shown, byte by byte under their names; those of a batch opened again as well."""
    files = copies(tmp_path, "a.jpg", "ü ö.jpg", "b.jpg")
    choose(page, *files)
    for name, image in named(stage, 3).items():
        stage.classify(image, ROUND if name == "b.jpg" else SPIRAL)
    expect(page.locator("#status")).to_contain_text("3 of 3 classified")
    page.locator('.count[data-group="class:spiral"]').click()
    expect(page.locator(".card")).to_have_count(2)
    expected = {path.name: path.read_bytes() for path in files if path.name != "b.jpg"}
    assert archive(page) == expected
    page.reload()
    expect(page.locator(".card")).to_have_count(3)
    assert archive(page) == expected | {"b.jpg": files[2].read_bytes()}


def archive(page: Page) -> dict[str, bytes]:
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download images").click()
    assert saved.value.suggested_filename == "galaxies.zip"
    with zipfile.ZipFile(saved.value.path()) as found:
        assert found.testzip() is None
        return {name: found.read(name) for name in found.namelist()}


def test_a_contact_sheet_is_saved(page: Page, stage: Stage, tmp_path: Path) -> None:
    """It is one picture of all that is shown, a row of six, each with its words below."""
    choose(page, *copies(tmp_path, *(f"{number}.jpg" for number in range(7))))
    for image in stage.stored(7):
        stage.classify(image)
    expect(page.locator("#status")).to_contain_text("7 of 7 classified")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Contact sheet").click()
    assert saved.value.suggested_filename == "galaxies.jpg"
    with Image.open(saved.value.path()) as sheet:
        assert sheet.size == (12 + 6 * 212, 12 + 2 * 256)
        pixels = np.asarray(sheet.convert("L")).astype(float)
    assert pixels[12:212, 12:212].std() > 3  # a galaxy
    assert pixels[212:256, 12:212].min() < 80  # words on white
    assert pixels[270:, 300:].min() > 240  # no eighth


def test_a_known_scale_has_a_bar(page: Page, stage: Stage, tmp_path: Path) -> None:
    """In the large view a bar of a round number of seconds of arc is as long as it is in the picture; else there is none."""
    choose(page, *copies(tmp_path, "known.jpg", "unknown.jpg"))
    images, settings = named(stage, 2), stage.store.settings
    for name, image in images.items():
        with Image.open(tmp_path / name) as picture:
            width, height = picture.size
        facts = replace(stage._facts(image), width=width, height=height)
        result = classified(facts, SPIRAL, "clean5", MODEL, origin(), 0.7)
        scale = {"object": {"pixel_scale": 0.4, "told": ["pixel_scale"]}} if name == "known.jpg" else {}
        ResultsBucket(stage.store, settings=settings).write(result | scale)
    expect(page.locator("#status")).to_contain_text("2 of 2 classified")
    card(page, "known.jpg").locator(".open").click()
    bar, drawn = page.locator("#large-picture .scale"), page.locator("#large-picture img")
    arcsec = int((bar.text_content() or "").removesuffix("″"))
    frame, length = drawn.bounding_box(), bar.bounding_box()
    assert frame and length
    shown = min(frame["width"] / width, frame["height"] / height)
    assert length["width"] == pytest.approx(arcsec / 0.4 * shown, rel=0.02)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#large-name")).to_have_text("unknown.jpg")
    expect(drawn).to_be_visible()
    expect(bar).to_have_count(0)


def test_print_shows_the_galaxies_alone(page: Page, stage: Stage, tmp_path: Path) -> None:
    """On paper there are cards and nothing to click on."""
    choose(page, *copies(tmp_path, "a.jpg"))
    for image in stage.stored(1):
        stage.classify(image)
    expect(page.locator("#status")).to_contain_text("1 of 1 classified")
    page.emulate_media(media="print")
    expect(page.locator(".card .verdict")).to_be_visible()
    for hidden in (".overview", ".intake", ".card .pick", "footer"):
        expect(page.locator(hidden).first).to_be_hidden()
