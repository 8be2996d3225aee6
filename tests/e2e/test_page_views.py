"""What the upload page shows of its results: filters, comparison, large view, downloads, links, and that all can use it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import votable
from astropy.units import Unit
from lxml import etree  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect

from cosmoformer.storage.results import ResultsBucket
from cosmoformer.storage.store import ObjectInfo
from cosmoformer.storage.tables import columns, flatten
from tests.cosmoformer.sample_results import VOTES
from tests.e2e.browser import card, choose, opened
from tests.e2e.galaxies import copies
from tests.e2e.page_stage import SPIRAL, Stage

ROUND = {"round_smooth": 0.81, "in_between_smooth": 0.1, "cigar_smooth": 0.01, "edge_on": 0.05, "spiral": 0.03}
EDGE_ON = {"round_smooth": 0.01, "in_between_smooth": 0.1, "cigar_smooth": 0.25, "edge_on": 0.6, "spiral": 0.04}
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
SCRIPT = "<img src=x onerror=alert(1)>"


def name_of(image: ObjectInfo) -> str:
    return image.key.split("/", 2)[2]


def judged(page: Page, stage: Stage, folder: Path, judgements: dict[str, dict[str, float] | str]) -> None:
    """Uploads files, and gives each the probabilities, or the reason of the rejection, that stand beside its name."""
    choose(page, *copies(folder, *judgements))
    for image in stage.stored(len(judgements)):
        judgement = judgements[name_of(image)]
        if isinstance(judgement, str):
            stage.reject(image, judgement)
        else:
            stage.classify(image, judgement)
    expect(page.locator("#status")).to_contain_text(", in ")


def shown(page: Page) -> Locator:
    """The names on the cards that are shown, in their order."""
    return page.locator(".card:not([hidden]) bdi")


@pytest.fixture
def four(page: Page, stage: Stage, tmp_path: Path) -> Page:
    """The page with four results."""
    judged(
        page, stage, tmp_path, {"m10.jpg": SPIRAL, "m9.jpg": EDGE_ON, "ngc1.jpg": ROUND, "bad.jpg": "It is damaged."}
    )
    return page


def test_filters(four: Page) -> None:
    """Class, confidence and name choose the cards together; what is hidden is counted and comes back by one button."""
    four.get_by_label("Name").fill("M")
    expect(shown(four)).to_have_text(["m10.jpg", "m9.jpg"])
    expect(four.locator("#shown")).to_have_text("Showing 2 of 4.")
    four.get_by_label("Confidence").fill("65")
    expect(four.locator("#least-said")).to_have_text("65\u00a0% or more")
    expect(shown(four)).to_have_text(["m10.jpg"])
    four.get_by_role("button", name="Edge-on 1").click()
    expect(four.locator(".card:visible")).to_have_count(0)
    four.get_by_role("button", name="Show all").click()
    expect(four.locator(".card:visible")).to_have_count(4)
    expect(four.get_by_label("Name")).to_have_value("")


def test_sorting(four: Page) -> None:
    """Cards are sorted, names by their numbers, and turned round; what has no class stays behind the others."""
    orders = {
        "dropped": ["m10.jpg", "m9.jpg", "ngc1.jpg", "bad.jpg"],
        "name": ["bad.jpg", "m9.jpg", "m10.jpg", "ngc1.jpg"],
        "confidence": ["m10.jpg", "ngc1.jpg", "m9.jpg", "bad.jpg"],
        "class": ["ngc1.jpg", "m9.jpg", "m10.jpg", "bad.jpg"],
    }
    for sort, expected in orders.items():
        four.get_by_label("Sort by").select_option(sort)
        expect(four.locator(".card bdi")).to_have_text(expected)
        four.get_by_role("button", name="Reverse the order").click()
        last = ["bad.jpg"] if sort in ("confidence", "class") else []
        turned = [name for name in reversed(expected) if name not in last] + last
        expect(four.locator(".card bdi")).to_have_text(turned)
        four.get_by_role("button", name="Reverse the order").click()


def test_comparison(four: Page) -> None:
    """Several galaxies stand side by side, a column each, with every probability; the choice can be taken back."""
    for name in ("m10.jpg", "ngc1.jpg", "bad.jpg"):
        four.get_by_role("checkbox", name=f"Compare {name}").check()
        if name == "m10.jpg":
            expect(four.get_by_role("button", name="Compare", exact=True)).to_be_disabled()
    expect(four.locator("#chosen")).to_have_text("3 chosen.")
    four.get_by_role("button", name="Compare", exact=True).click()
    table = four.get_by_role("table")
    expect(table.locator("thead bdi")).to_have_text(["m10.jpg", "ngc1.jpg", "bad.jpg"])
    expect(table.get_by_role("row", name="Shape")).to_contain_text("Spiral")
    cells = table.get_by_role("row").filter(has=four.get_by_role("rowheader", name="Edge-on")).get_by_role("cell")
    expect(cells).to_have_text(["3\u00a0%", "5\u00a0%", "–"])
    four.keyboard.press("Escape")
    four.get_by_role("button", name="Clear the choice").click()
    expect(four.locator(".pick input:checked")).to_have_count(0)
    expect(four.locator("#selection")).to_be_hidden()


def test_large_view(four: Page) -> None:
    """The large view shows the whole picture and all that is known; arrow keys walk through the cards that are shown."""
    four.get_by_label("Sort by").select_option("name")
    four.get_by_role("button", name="m9.jpg: Edge-on disk").click()
    large = four.get_by_role("dialog")
    expect(large.get_by_role("heading", name="m9.jpg")).to_be_visible()
    expect(large.locator("#large-picture img")).to_have_js_property("naturalWidth", 424)
    expect(large.locator("#large-bars div")).to_contain_text(
        ["Round1.0", "Oval10.0", "Cigar25.0", "Edge-on60.0", "Spiral4.0"]
    )
    expect(large.locator("#large-badge")).to_have_text("Unsure")
    expect(large.locator("#large-facts")).to_contain_text("cosmoformer v3")
    four.keyboard.press("ArrowRight")
    expect(large.locator("#place")).to_have_text("3 of 4")
    expect(large.locator("#large-said")).to_have_text("3 of 4. m10.jpg: Spiral, 92\u00a0%")
    four.keyboard.press("End")
    four.keyboard.press("ArrowRight")
    expect(large.locator("#place")).to_have_text("4 of 4")
    four.keyboard.press("Home")
    expect(large.locator("#large-words")).to_have_text("It is damaged.")
    four.keyboard.press("Escape")
    expect(card(four, "bad.jpg").locator(".open")).to_be_focused()


VALUES = {"smooth": 0.25, "disk_or_feature": 0.70001, "star": 1e-5, "arms": 2.0, "angle": -77.123, "ring": 0.0}


@pytest.fixture
def mixed(page: Page, stage: Stage, tmp_path: Path) -> Page:
    """The page with a class and votes, the values of a task that is no classification, and a rejected file."""
    choose(page, *copies(tmp_path, "m51.jpg", "m31.jpg", "bad.jpg"))
    for image in stage.stored(3):
        if name_of(image) == "m31.jpg":
            stage.estimate(image, VALUES)
        elif name_of(image) == "m51.jpg":
            stage.classify(image, votes=VOTES, values={"pitch": 21.5}, units={"pitch": "deg"})
        else:
            stage.reject(image, "It is damaged.")
    expect(page.locator("#status")).to_contain_text("2 of 3 classified, 1 not classified, in ")
    return page


def test_values(mixed: Page) -> None:
    """Values are shown as a list of numbers, the first few on the card and all in the large view, without class or doubt."""
    shown_card = card(mixed, "m31.jpg")
    expect(shown_card.locator(".verdict")).to_have_text("vote fractions")
    expect(shown_card.locator(".bars div")).to_have_text(
        ["smooth0.25", "disk or feature0.7", "star0.00001", "arms2", "angle-77.12", "…1 more"]
    )
    expect(shown_card.locator(".badge")).to_be_hidden()
    expect(shown_card.locator(".open")).to_have_accessible_name(
        "m31.jpg: vote fractions: smooth 0.25, disk or feature 0.7, star 0.00001, and 3 more. Large view"
    )
    shown_card.locator(".open").click()
    expect(mixed.locator("#large-bars div")).to_have_count(6)
    expect(mixed.locator("#large-bars div").last).to_have_text("ring0")
    mixed.keyboard.press("Escape")
    mixed.evaluate(AXE)
    assert violations(mixed) == []
    assert "undefined" not in mixed.content() and "NaN" not in mixed.content()


def test_values_among_classes(mixed: Page) -> None:
    """Filters of classes and confidence pass values over, sorting leaves them behind, and a comparison shows both kinds."""
    for group, names in (("Spiral 1", ["m51.jpg"]), ("Measured 1", ["m31.jpg"]), ("Not classified 1", ["bad.jpg"])):
        mixed.get_by_role("button", name=group).click()
        expect(shown(mixed)).to_have_text(names)
    mixed.get_by_role("button", name="Show all").click()
    mixed.get_by_label("Confidence").fill("5")
    expect(shown(mixed)).to_have_text(["m51.jpg"])
    mixed.get_by_role("button", name="Show all").click()
    for sort in ("class", "confidence"):
        mixed.get_by_label("Sort by").select_option(sort)
        expect(shown(mixed)).to_have_text(["m51.jpg", "m31.jpg", "bad.jpg"])
    for box in mixed.locator(".pick input").all():
        box.check()
    mixed.get_by_role("button", name="Compare", exact=True).click()
    for heading, cells in {
        "Shape": ["Spiral", "vote fractions", "Not classified"],
        "Edge-on": ["3\u00a0%", "–", "–"],
        "angle": ["–", "-77.12", "–"],
    }.items():
        row = mixed.get_by_role("row").filter(has=mixed.get_by_role("rowheader", name=heading, exact=True))
        expect(row.get_by_role("cell")).to_have_text(cells)


def test_values_are_downloaded(mixed: Page, stage: Stage) -> None:
    """The table has the columns of the command line also for values and votes, each number as it stands in the store."""
    results = list(ResultsBucket(stage.store).all())
    stored = {result["image"]["key"]: result for result in results}
    rows = list(csv.DictReader(downloaded(mixed, "CSV").decode().splitlines()))
    described = columns([stored[row["key"]] for row in rows])
    assert list(rows[0])[1:-3] == [column.name for column in described]
    (row,) = (row for row in rows if row["file"] == "m31.jpg")
    assert {name: float(row[f"value_{name}"]) for name in VALUES} == VALUES
    assert (row["task"], row["class"], row["p_spiral"]) == ("vote_fractions", "", "")
    (voted,) = (row for row in rows if row["file"] == "m51.jpg")
    assert (voted["class"], voted["f_disk_edge_on_no"], voted["asked_disk_edge_on"]) == ("spiral", "0.75", "88")


def test_votes_and_units_are_described_in_the_votable(mixed: Page, stage: Stage) -> None:
    """The page's VOTable describes votes as the command line's does, and has the units of values."""
    fields = {
        field.name: field for field in votable.parse(BytesIO(downloaded(mixed, "VOTable"))).get_first_table().fields
    }
    described = [
        column for column in columns(ResultsBucket(stage.store).all()) if "votes" in column.path or column.unit
    ]
    assert len(described) > 8
    for column in described:
        field = fields[column.name]
        assert (field.description, field.ucd or "", Unit(field.unit or "")) == (
            column.description, column.ucd, Unit(column.unit),
        )  # fmt: skip


def downloaded(page: Page, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download {name}").click()
    return Path(download.value.path()).read_bytes()


def test_votable(page: Page, stage: Stage, tmp_path: Path) -> None:
    """The VOTable is valid by the schema of the IVOA, has the columns of the command line and the values of the store."""
    hostile = "a&b<c>\"'\u00b5 ]]> .jpg"
    judged(page, stage, tmp_path, {hostile: ROUND, "bad.jpg": "It\x07 is <damaged>.", "m51.jpg": SPIRAL})
    content = downloaded(page, "VOTable")
    for version in ("1.4", "1.5"):
        schema = etree.XMLSchema(
            etree.fromstring((files("astropy.io.votable") / f"data/VOTable.v{version}.xsd").read_bytes())
        )
        schema.assertValid(etree.fromstring(content.replace(b'version="1.4"', f'version="{version}"'.encode())))
    table = votable.parse(BytesIO(content), verify="exception").get_first_table()
    stored = {result["image"]["key"]: result for result in ResultsBucket(stage.store).all()}
    rows = table.to_table()
    assert list(rows["file"]) == [hostile, "bad.jpg", "m51.jpg"]
    assert list(rows["state"]) == ["classified", "rejected", "classified"]
    described = columns([stored[key] for key in rows["key"]])
    fields = {field.name: field for field in table.fields}
    own = ["state", "reason", "answer_seconds"]
    assert list(fields) == ["file", *(column.name for column in described), *own]
    for column in described:
        field = fields[column.name]
        assert (Unit(field.unit or ""), field.ucd or "") == (Unit(column.unit), column.ucd)
        assert field.description == column.description
    for row in rows:
        for name, value in flatten(stored[row["key"]], described).items():
            if value is None:
                assert row[name] is np.ma.masked or row[name] == "", name
            else:
                assert row[name] == (value.replace("\x07", "\\x07") if isinstance(value, str) else value), name


def test_json(four: Page, stage: Stage) -> None:
    """The JSON has every file in the order it was dropped in, with its result as it stands in the store."""
    galaxies = json.loads(downloaded(four, "JSON"))["galaxies"]
    stored = {result["image"]["key"]: result for result in ResultsBucket(stage.store).all()}
    assert [each["file"] for each in galaxies] == ["m10.jpg", "m9.jpg", "ngc1.jpg", "bad.jpg"]
    assert [each["result"] for each in galaxies] == [stored[each["key"]] for each in galaxies]
    assert all(each["answer_seconds"] > 0 for each in galaxies)


def test_link(browser: Browser, four: Page) -> None:
    """The link, copied and opened elsewhere, shows the same results with their pictures, as files of the store."""
    four.context.grant_permissions(["clipboard-read", "clipboard-write"])
    four.get_by_role("button", name="Copy link").click()
    expect(four.locator("#copied")).to_have_text("Copied")
    link = four.evaluate("navigator.clipboard.readText()")
    assert link == four.get_by_label("Link to these results").input_value() == four.url
    with opened(browser, link) as again:
        expect(again.locator("#status")).to_have_text("3 of 4 classified, 1 not classified.")
        expect(again.locator(".card bdi")).to_have_text(["bad.jpg", "m10.jpg", "m9.jpg", "ngc1.jpg"])
        for name in ("m10.jpg", "m9.jpg"):
            expect(card(again, name).locator(".bars div")).to_have_text(
                card(four, name).locator(".bars div").all_text_contents()
            )
        expect(card(again, "m10.jpg").locator("img")).to_have_js_property("complete", True)
        card(again, "m10.jpg").locator(".open").click()
        expect(again.locator("#large-picture img")).to_have_js_property("naturalWidth", 424)
        again.keyboard.press("Escape")
        again.get_by_role("button", name="Start over").click()
        expect(again.locator("#results")).to_be_hidden()
        assert "#" not in again.url


@pytest.mark.parametrize("batch", ["nobody-has-this", "../../other", SCRIPT])
def test_broken_link(browser: Browser, stage: Stage, batch: str) -> None:
    """A link to a batch that is not there says so, as text, and the page takes files as usual."""
    with opened(browser, f"{stage.page_url}/#batch={batch}") as page:
        expect(page.locator("#notice")).to_contain_text(batch)
        expect(page.locator(".dropzone .button").first).to_be_visible()


def test_cancel(page: Page, stage: Stage, tmp_path: Path) -> None:
    """One file of several is cancelled while it waits; the others go on, and it can be uploaded after all."""
    held: list[Route] = []
    page.route("**/uploads", lambda route: held.append(route), times=1)
    with page.expect_request("**/uploads"):
        choose(page, *copies(tmp_path, "a.jpg", "b.jpg"))
    card(page, "a.jpg").get_by_role("button", name="Cancel: a.jpg").click()
    expect(card(page, "a.jpg").locator(".verdict")).to_have_text("Cancelled")
    held[0].continue_()
    assert [name_of(image) for image in stage.stored(1)] == ["b.jpg"]
    expect(card(page, "b.jpg")).to_have_attribute("data-state", "classifying")
    card(page, "a.jpg").get_by_role("button", name="Upload it").click()
    stage.stored(2)


def test_stop_and_retry(page: Page, stage: Stage, tmp_path: Path) -> None:
    """All uploads are stopped at once, and all are taken up again by one button."""
    held: list[Route] = []
    page.route("**/uploads", lambda route: held.append(route), times=1)
    choose(page, *copies(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
    page.get_by_role("button", name="Stop uploads").click()
    expect(page.locator("#status")).to_contain_text("0 of 3 classified, 3 not classified")
    held[0].continue_()
    page.get_by_role("button", name="Try all again").click()
    stage.stored(3)
    expect(page.locator("#status")).to_contain_text("3 being classified")


def test_paste(page: Page, stage: Stage) -> None:
    """A picture that was copied elsewhere is pasted into the page."""
    page.evaluate(
        """async () => {
            const canvas = new OffscreenCanvas(16, 16);
            canvas.getContext("2d").fillRect(2, 2, 5, 9);
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([await canvas.convertToBlob()], "image.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }"""
    )
    assert re.fullmatch(r"pasted-\w+\.png", name_of(stage.stored(1)[0]))


def tab_to(page: Page, target: Locator) -> None:
    """Press the tab key until an element has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"sixty tabs did not lead to {target}")


def test_keyboard_alone(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Choosing, filtering, looking, comparing and starting over need no pointer, and the focus is never lost."""
    # Chromium is told to hand choosers over when somebody first listens, which must not race with the key.
    page.on("filechooser", lambda _: None)
    tab_to(page, page.locator("#choose-files"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(copies(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
    for image in stage.stored(3):
        stage.classify(image)
    expect(page.locator("#status")).to_contain_text("3 of 3 classified")
    tab_to(page, page.get_by_role("button", name="Spiral 3"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Spiral 3")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Spiral 3")).to_be_focused()
    tab_to(page, card(page, "a.jpg").locator(".open"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#large-name")).to_have_text("b.jpg")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(card(page, "c.jpg").locator(".open")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    tab_to(page, page.get_by_role("button", name="Compare", exact=True))
    page.keyboard.press("Enter")
    expect(page.locator("#comparison-table bdi")).to_have_text(["a.jpg", "c.jpg"])
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Compare", exact=True)).to_be_focused()
    page.locator("#choose-folder").focus()
    tab_to(page, page.get_by_role("button", name="Start over"))
    page.keyboard.press("Enter")
    expect(page.locator("#choose-files")).to_be_focused()


def test_announcements(page: Page, stage: Stage, tmp_path: Path) -> None:
    """A screen reader hears few results by name and many as sums, in a handful of sentences."""
    page.evaluate(
        """() => {
            window.heard = [];
            const region = document.querySelector("#announcer");
            new MutationObserver(() => window.heard.push(region.textContent)).observe(region, { childList: true });
        }"""
    )
    judged(page, stage, tmp_path, {"m51.jpg": SPIRAL})
    expect(page.locator("#announcer")).to_have_text("m51.jpg: Spiral, 92\u00a0%. 1 of 1 done.")
    choose(page, *copies(tmp_path, *(f"{number}.jpg" for number in range(30))))
    for image in stage.stored(31):
        stage.classify(image, ROUND)
    expect(page.locator("#announcer")).to_contain_text("31 of 31 done.", timeout=20_000)
    heard = [words for words in page.evaluate("window.heard") if words]
    assert len(heard) <= 12
    assert any(re.match(r"\d+ more: \d+ Round\.", words) for words in heard)


def test_hostile_results(browser: Browser, stage: Stage, tmp_path: Path) -> None:
    """Markup in every text of a result, and in the file's name, is shown as text in every view."""
    with opened(browser, stage.page_url) as page:
        page.route(re.compile(r"-results/.*\.json\?"), hostile_result)
        choose(page, *copies(tmp_path, f"{SCRIPT}.jpg", "b.jpg"))
        for image in stage.stored(2):
            stage.classify(image)
        expect(page.locator(".card .verdict")).to_have_text([SCRIPT, SCRIPT])
        expect(page.locator(".count").nth(1)).to_contain_text(SCRIPT)
        expect(page.locator(".facts").first).to_contain_text(SCRIPT)
        page.locator(".open").first.click()
        for part in ("#large-verdict", "#large-name", "#large-facts"):
            expect(page.locator(part)).to_contain_text(SCRIPT)
        page.keyboard.press("Escape")
        for box in page.locator(".pick input").all():
            box.check()
        page.get_by_role("button", name="Compare", exact=True).click()
        expect(page.locator("#comparison-table")).to_contain_text(SCRIPT)
        assert page.locator("[onerror], script:not([src])").count() == 0


def hostile_result(route: Route) -> None:
    """The store's answer, with markup in each of its texts."""
    answer = route.fetch()
    if not answer.ok:
        route.fulfill(response=answer)
        return
    result = answer.json()
    result["prediction"] |= {"class": SCRIPT, "task": SCRIPT, "probabilities": {SCRIPT: 0.9, "spiral": 0.1}}
    result["model"]["name"] = SCRIPT
    result["image"] |= {"format": SCRIPT, "conversions": [SCRIPT], "sha256": SCRIPT}
    route.fulfill(response=answer, json=result)


def test_no_other_host(browser: Browser, stage: Stage, tmp_path: Path) -> None:
    """The page loads under 200 KB from its own origin and talks to nobody but the API and the store."""
    asked: list[Request] = []
    window = browser.new_context()
    window.on("request", lambda request: asked.append(request))
    page = window.new_page()
    page.goto(stage.page_url, wait_until="networkidle")
    page.get_by_text("The shapes it tells apart").scroll_into_view_if_needed()
    sizes = [len(request.response().body()) for request in asked]  # type: ignore[union-attr]
    print(f"\npage: {len(sizes)} files, {sum(sizes) / 1000:.1f} KB")
    assert {re.match(r"https?://[^/]+", request.url)[0] for request in asked} == {stage.page_url}  # type: ignore[index]
    assert sum(sizes) < 200_000
    judged(page, stage, tmp_path, {"m51.jpg": SPIRAL})
    api, store = (
        page.evaluate("fetch('config.json').then((answer) => answer.json())")["api"],
        stage.store.settings.store_public_url,
    )
    hosts = {re.match(r"https?://[^/]+", request.url)[0] for request in asked if not request.url.startswith("blob:")}  # type: ignore[index]
    assert hosts == {stage.page_url, api, store}
    window.close()


@pytest.fixture(params=["dark", "light"])
def scheme_page(browser: Browser, stage: Stage, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page in both colour schemes."""
    with opened(browser, stage.page_url, color_scheme=request.param) as page:
        yield page


def test_axe(scheme_page: Page, stage: Stage, tmp_path: Path) -> None:
    """axe-core finds nothing to complain of: at the start, with results of all kinds, in the large view, in comparison."""
    page = scheme_page
    page.evaluate(AXE)
    assert violations(page) == []
    (tmp_path / "empty.jpg").touch()
    choose(page, *copies(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg"), tmp_path / "empty.jpg")
    first, second, third, _ = stage.stored(4)
    stage.classify(first)
    stage.classify(second, EDGE_ON)
    stage.reject(third, "It is damaged.")
    expect(page.locator("#status")).to_contain_text("2 of 5 classified")
    for index in range(2):
        page.locator(".pick input").nth(index).check()
    assert violations(page) == []
    page.get_by_role("button", name="Compare", exact=True).click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.locator(".open").nth(1).click()
    expect(page.locator("#large-picture img")).to_be_visible()
    assert violations(page) == []


def violations(page: Page) -> list[str]:
    """What axe-core finds, in words."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("(tags) => axe.run({ runOnly: tags, resultTypes: ['violations'] })", tags)["violations"]
    return [f"{each['id']}: {each['help']}: {[node['target'] for node in each['nodes']]}" for each in found]
