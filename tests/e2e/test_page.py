"""The upload page in a real browser, across the origins of page, API and store."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Route, ViewportSize, expect

from benchmarks.browser import drop
from cosmoformer.storage.domain import Domain
from cosmoformer.storage.results import ResultsBucket
from tests.e2e.browser import COUNT_SENDING, card, choose, opened
from tests.e2e.galaxies import SAMPLES, copies
from tests.e2e.page_stage import SPIRAL, Stage
from tests.e2e.running_system import RunningSystem

WIDE: ViewportSize = {"width": 1180, "height": 1640}
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
HOSTILE = [
    "<img src=x onerror=alert(1)>.jpg",
    "\"'><script>alert(1)<.jpg",
    "مجرة 星系 ñ.jpg",
    "=1+1|calc.jpg",
    "a%2F..%00 #?&.jpg",
]


@dataclass(frozen=True)
class PageSystem:
    """The page of a whole running system, and the results that images dropped on it get."""

    page_url: str
    results: ResultsBucket


@pytest.fixture
def page_system(system: RunningSystem) -> PageSystem:
    """The whole system, as ``cosmoformer up`` runs it."""
    return PageSystem(f"http://127.0.0.1:{system.settings.page_port}", system.results)


def test_whole_system(browser: Browser, page_system: PageSystem, tmp_path: Path) -> None:
    """Galaxies dropped on the page of the whole system come back with the classes that stand in the results bucket."""
    (tmp_path / "broken.jpg").write_bytes(SAMPLES[0].read_bytes()[:1000])
    with opened(browser, page_system.page_url) as page:
        choose(page, *SAMPLES, tmp_path / "broken.jpg")
        expected = f"{len(SAMPLES)} of {len(SAMPLES) + 1} classified, 1 not classified, in"
        expect(page.locator("#status")).to_contain_text(expected, timeout=90_000)
        expect(card(page, "broken.jpg").locator(".badge")).to_have_text("Rejected")
        shown = {name: card(page, name).get_attribute("data-class") for name in (path.name for path in SAMPLES)}
    uploads = list(page_system.results.all("uploads/"))
    stored = {Path(result["image"]["key"]).name: result["prediction"] for result in uploads}
    assert shown == {path.name: stored[path.name]["class"] for path in SAMPLES}
    assert stored["broken.jpg"] is None


def test_screenshots(browser: Browser, page_system: PageSystem, tmp_path: Path) -> None:
    """Pictures of the page in both colour schemes, wide and narrow, go to test-artifacts/; docs/page.png is one of them."""
    ARTIFACTS.mkdir(exist_ok=True)
    with opened(browser, page_system.page_url, color_scheme="dark", viewport=WIDE) as page:
        choose(page, *copies(tmp_path, "wake.jpg"))
        expect(page.locator("#status")).to_contain_text("1 of 1 classified", timeout=90_000)
        page.get_by_role("button", name="Start over").click()
        choose(page, *SAMPLES)
        expect(page.locator("#status")).to_contain_text(f"{len(SAMPLES)} of {len(SAMPLES)} classified", timeout=90_000)
        expect(page.locator(".card img")).to_have_count(len(SAMPLES))
        save(page, "page-dark")
        save_votes(page, "dark")
        save_dialogs(page, "dark")
        link = page.url
    with opened(browser, link, color_scheme="light", viewport=WIDE) as page:
        expect(page.locator(".card img")).to_have_count(len(SAMPLES))
        save(page, "page-light")
        save_votes(page, "light")
        save_dialogs(page, "light")
    for scheme in ("dark", "light"):
        with opened(browser, link, color_scheme=scheme, viewport={"width": 360, "height": 1600}) as page:
            expect(page.locator(".card img").first).to_be_visible()
            save(page, f"page-{scheme}-phone")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360


def save_votes(page: Page, scheme: str) -> None:
    """A picture of a card that is opened to its votes, among those that an answer was chosen by."""
    page.get_by_label("Votes", exact=True).select_option(label="smooth or featured: features or disk")
    opener = page.locator(".card:visible .way > summary").first
    opener.click()
    save(page, f"page-{scheme}-votes")
    opener.click()
    page.get_by_role("button", name="Show all").click()


def save_dialogs(page: Page, scheme: str) -> None:
    """Pictures of the comparison and of the large view."""
    for box in page.locator(".pick input").all()[:4]:
        box.check()
    page.get_by_role("button", name="Compare", exact=True).click()
    save(page, f"page-{scheme}-comparison")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 1180, "height": 860})
    page.locator(".open").last.click()
    expect(page.locator("#large-picture img")).to_be_visible()
    save(page, f"page-{scheme}-large")
    see_explanation(page, scheme)


def see_explanation(page: Page, scheme: str) -> None:
    """What the model looked at comes in the place of the picture, and goes again."""
    looked = page.locator("#large-picture img[alt^='Where the model looked']")
    button = page.get_by_role("button", name="What did the model look at?")
    button.click()
    expect(looked).to_be_visible(timeout=90_000)
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#large-explained")).to_contain_text("Orange is what spoke for")
    save(page, f"page-{scheme}-explained")
    page.get_by_role("button", name="More like this").click()  # which sorts, or says why not
    page.wait_for_function(
        "() => !document.querySelector('#large').open || document.querySelector('#large-alike-said').textContent"
    )
    if page.locator("#large").is_hidden():
        page.locator(".open").last.click()
        button.click()
        expect(looked).to_be_visible(timeout=90_000)
    button.click()
    expect(looked).to_have_count(0)
    expect(page.locator("#large-picture img")).to_be_visible()
    expect(page.locator("#large-explained")).to_have_text("")


def save(page: Page, name: str) -> None:
    """A picture of what the window shows."""
    page.screenshot(path=ARTIFACTS / f"{name}.png")


def test_classified(page: Page, stage: Stage, tmp_path: Path) -> None:
    """An image goes into the bucket byte for byte, and its card shows class, probabilities, model and time."""
    (file,) = copies(tmp_path, "m51.jpg")
    choose(page, file)
    (image,) = stage.stored(1)
    _, content = stage.store.read_image(image.key)
    assert content == file.read_bytes()
    stage.classify(image)
    shown = card(page, "m51.jpg")
    expect(shown.locator(".verdict")).to_have_text("Spiral")
    expect(shown.locator(".words")).to_have_text("A disk that we see from above, with spiral arms.")
    expect(shown.locator(".bars div")).to_have_text(["Round2 %", "Oval3 %", "Cigar<1 %", "Edge-on3 %", "Spiral92 %"])
    expect(shown.locator(".facts")).to_have_text(re.compile(r"^cosmoformer v3 · after \d+(\.\d+)?\ss$"))
    expect(shown.locator(".badge")).to_be_hidden()


def test_unsure(page: Page, stage: Stage, tmp_path: Path) -> None:
    """A result whose confidence is below the limit is marked, and says so in words."""
    choose(page, *copies(tmp_path, "m51.jpg"))
    stage.classify(stage.stored(1)[0], SPIRAL | {"spiral": 0.5, "edge_on": 0.447})
    expect(page.locator(".card .badge")).to_have_text("Unsure")
    expect(page.locator(".card .words")).to_contain_text("no shape reached 70\u00a0%")


def test_no_galaxy(page: Page, stage: Stage, tmp_path: Path) -> None:
    """What looks like no galaxy is marked so, in words too, and has a filter of its own; its class is still told."""
    choose(page, *copies(tmp_path, "cat.jpg", "m51.jpg"))
    for image in stage.stored(2):
        score = 0.03 if image.key.endswith("cat.jpg") else 0.98
        stage.classify(image, domain=Domain(score, 0.5))
    cat = card(page, "cat.jpg")
    expect(cat.locator(".badge")).to_have_text("No galaxy?")
    expect(cat.locator(".verdict")).to_have_text("Spiral")
    expect(cat.locator(".words")).to_contain_text("Probably not a galaxy")
    expect(cat.locator(".open")).to_have_attribute("aria-label", re.compile("probably not a galaxy"))
    expect(card(page, "m51.jpg").locator(".badge")).to_be_hidden()
    page.locator('#counts [data-group="no-galaxy"]').click()
    expect(page.locator(".card:visible")).to_have_count(1)
    cat.locator(".open").click()
    expect(page.locator("#large-badge")).to_have_text("No galaxy?")
    expect(page.locator("#large-facts")).to_contain_text("3.0\u00a0%")


def test_unknown_class(page: Page, stage: Stage, tmp_path: Path) -> None:
    """A class that the page has no words for is shown by its name."""
    choose(page, *copies(tmp_path, "m51.jpg"))
    stage.classify(stage.stored(1)[0], {"spiral": 0.1, "ring_<b>galaxy": 0.9})
    expect(page.locator(".card .verdict")).to_have_text("ring <b>galaxy")


def test_rejected(page: Page, stage: Stage, tmp_path: Path) -> None:
    """A file that the classifier rejects shows the reason and counts as not classified."""
    choose(page, *copies(tmp_path, "broken.jpg"))
    stage.reject(stage.stored(1)[0], "The JPEG file is <b>damaged</b>.")
    expect(page.locator(".card .words")).to_have_text("The JPEG file is <b>damaged</b>.")
    expect(page.locator("#status")).to_contain_text("0 of 1 classified, 1 not classified")


def test_never_sent(page: Page, stage: Stage, tmp_path: Path) -> None:
    """What is empty, too large or no picture is rejected with its reason and never sent."""
    files = {"empty.png": b"", "large.jpg": b"x" * 200_001, "notes.txt": b"text"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    choose(page, *(tmp_path / name for name in files))
    expect(card(page, "empty.png").locator(".words")).to_contain_text("The file is empty.")
    expect(card(page, "large.jpg").locator(".words")).to_contain_text("The file is larger than 195 KiB.")
    expect(card(page, "notes.txt").locator(".words")).to_contain_text("not a picture")
    expect(page.locator("#status")).to_contain_text("3 not classified")
    assert stage.images() == []


def test_hostile_names(page: Page, stage: Stage, tmp_path: Path) -> None:
    """File names full of markup, quotes and scripts are shown as they are and become keys unchanged."""
    choose(page, *copies(tmp_path, *HOSTILE))
    images = stage.stored(len(HOSTILE))
    assert {image.key.split("/", 2)[2] for image in images} == set(HOSTILE)
    for image in images:
        stage.classify(image)
    expect(page.locator(".card .verdict")).to_have_text(["Spiral"] * len(HOSTILE))
    assert sorted(page.locator(".card bdi").all_text_contents()) == sorted(HOSTILE)


def test_reordered_name(page: Page, tmp_path: Path) -> None:
    """A character that would turn the rest of a name round is shown as a replacement character."""
    choose(page, *copies(tmp_path, "m51\u202egpj.exe.jpg"))
    expect(page.locator(".card bdi")).to_have_text("m51\ufffdgpj.exe.jpg")


def test_waking(page: Page, stage: Stage, tmp_path: Path) -> None:
    """When the first answer takes long, the page says that the classifier is waking, until the answer comes."""
    choose(page, *copies(tmp_path, "m51.jpg"))
    (image,) = stage.stored(1)
    expect(page.locator("#waking")).to_have_text(re.compile("Waking the classifier"))
    stage.classify(image)
    expect(page.locator("#waking")).to_be_empty(timeout=20_000)  # the next look at the store may be five seconds away
    expect(page.locator("#status")).to_contain_text("1 of 1 classified")


def test_drop(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Files and folders dropped anywhere on the page are uploaded, folders by their pictures."""
    folder = tmp_path / "survey"
    (folder / "field").mkdir(parents=True)
    (folder / "notes.txt").write_text("text")
    files = copies(tmp_path, "loose.jpg")
    copies(folder / "field", "deep.jpg")
    drop(page, *files, folder)
    keys = [image.key.split("/", 2)[2] for image in stage.stored(2)]
    assert sorted(keys) == ["loose.jpg", "survey/field/deep.jpg"]
    expect(page.locator("#notice")).to_have_text("1 file that is no picture was left out: survey/notes.txt.")


def test_drop_of_many_others(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Of many files that are no pictures the first are named and all are counted."""
    folder = tmp_path / "survey"
    folder.mkdir()
    copies(folder, "m51.jpg")
    for number in range(8):
        (folder / f"{number}.txt").write_text("text")
    drop(page, folder)
    stage.stored(1)
    names = ", ".join(f"survey/{number}.txt" for number in range(5))
    expect(page.locator("#notice")).to_have_text(f"8 files that are no pictures were left out: {names} and 3 more.")


def test_folder(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Of a folder the pictures are taken, by their paths; what else lies there is left out and counted."""
    folder = tmp_path / "survey"
    (folder / "field").mkdir(parents=True)
    copies(folder, "same.jpg"), copies(folder / "field", "same.jpg")
    (folder / "notes.txt").write_text("text")
    page.set_input_files("#choose-folder", folder)
    keys = [image.key.split("/", 2)[2] for image in stage.stored(2)]
    assert sorted(keys) == ["survey/field/same.jpg", "survey/same.jpg"]
    expect(page.locator("#notice")).to_have_text("1 file that is no picture was left out: survey/notes.txt.")


def test_many(page: Page, stage: Stage, tmp_path: Path) -> None:
    """More than a hundred files are asked for in portions of one batch, and four at most are sent at a time."""
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if request.method == "POST" else None)
    page.evaluate(COUNT_SENDING)
    choose(page, *copies(tmp_path, *(f"{number:03}.jpg" for number in range(103))))
    expect(page.locator("#status")).to_contain_text("103 being classified", timeout=60_000)
    assert len(asked) == 2
    assert page.evaluate("window.mostSending") == 4
    assert len({image.key.split("/")[1] for image in stage.stored(103)}) == 1


def test_retry(page: Page, stage: Stage, tmp_path: Path) -> None:
    """An upload whose connection breaks is tried again by itself."""
    page.route("**/*X-Amz-Signature*", lambda route: route.abort("connectionreset"), times=2)
    choose(page, *copies(tmp_path, "m51.jpg"))
    expect(page.locator("#status")).to_contain_text("1 being classified")
    assert len(stage.images()) == 1


def test_refused(page: Page, stage: Stage, tmp_path: Path) -> None:
    """When the API refuses, the card shows its words, and its button asks anew."""

    def refuse(route: Route) -> None:
        allow = {"Access-Control-Allow-Origin": stage.page_url}
        route.fulfill(status=413, json={"detail": "too much", "mend": "Send less"}, headers=allow)

    page.route("**/uploads", refuse, times=1)
    choose(page, *copies(tmp_path, "m51.jpg"))
    expect(page.locator(".card .words")).to_have_text("too much. Send less")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#status")).to_contain_text("1 being classified")


def test_counts(page: Page, stage: Stage, tmp_path: Path) -> None:
    """The page counts files by class, and a count shows only its cards."""
    choose(page, *copies(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
    first, *others = stage.stored(3)
    stage.reject(first, "damaged")
    for image in others:
        stage.classify(image)
    expect(page.locator(".count")).to_have_text(["All 3", "Spiral 2", "Not classified 1"])
    page.get_by_role("button", name="Spiral 2").click()
    expect(page.locator(".card:visible")).to_have_count(2)
    page.get_by_role("button", name="All 3").click()
    expect(page.locator(".card:visible")).to_have_count(3)


def test_csv(page: Page, stage: Stage, tmp_path: Path) -> None:
    """The CSV file has one line a file and one column a class, and no cell that a spreadsheet would run."""
    (tmp_path / "empty.png").touch()
    choose(page, *copies(tmp_path, "=1+1.jpg", 'a, "b".jpg'), tmp_path / "empty.png")
    for image in stage.stored(2):
        stage.classify(image)
    expect(page.locator("#status")).to_contain_text("2 of 3 classified")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    with Path(download.value.path()).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["'=1+1.jpg", 'a, "b".jpg', "empty.png"]
    assert [row["class"] for row in rows] == ["spiral", "spiral", ""]
    assert {name: float(rows[0][f"p_{name}"]) for name in SPIRAL} == SPIRAL
    assert rows[2]["reason"].startswith("The file is empty.")


def test_start_over(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Starting over forgets every file and stops asking for results; later files are taken as usual."""
    choose(page, *copies(tmp_path, "first.jpg"))
    stage.stored(1)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("#results")).to_be_hidden()
    choose(page, *copies(tmp_path, "second.jpg"))
    stage.stored(2)
    expect(page.locator(".card bdi")).to_have_text(["second.jpg"])


@pytest.mark.parametrize(("control", "tabs"), [("choose-files", 1), ("choose-folder", 2)])
def test_keyboard(page: Page, control: str, tabs: int) -> None:
    """Both ways to choose are reached by the tab key, visibly, and opened by the space key."""
    page.on("filechooser", lambda chooser: None)  # the browser is told to report choosers before one is opened
    for _ in range(tabs):
        page.keyboard.press("Tab")
    expect(page.locator(f"#{control}")).to_be_focused()
    expect(page.locator(f"label[for={control}]")).to_have_css("outline-style", "solid")
    with page.expect_file_chooser():
        page.keyboard.press("Space")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_width(browser: Browser, stage: Stage, tmp_path: Path, width: int) -> None:
    """Nothing is wider than the window, from the narrowest phones on, whatever the names and reasons."""
    with opened(browser, stage.page_url, viewport={"width": width, "height": 700}) as page:
        choose(page, *copies(tmp_path, f"{'m' * 120}.jpg", "b.jpg"))
        first, second = stage.stored(2)
        stage.classify(first)
        stage.reject(second, "damaged" * 40)
        expect(page.locator("#status")).to_contain_text("1 of 2 classified")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        sticking_out = page.evaluate(
            """() => {
                const box = document.querySelector(".overview").getBoundingClientRect();
                return [...document.querySelectorAll(".overview :is(input, select, button:not(.count))")]
                    .filter((each) => each.offsetWidth > 1 && each.getBoundingClientRect().right > box.right - 8)
                    .map(({id, textContent}) => id || textContent);
            }"""
        )
        assert sticking_out == []
