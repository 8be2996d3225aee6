"""Votes on the upload page: a galaxy's way through the decision tree, and choosing and sorting galaxies by an answer."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from cosmoformer.models.outputs import Votes
from cosmoformer.votes.fractions import asked
from cosmoformer.votes.tree import GZ2
from cosmoformer.votes.way import way
from tests.e2e.bare_page import bare_page
from tests.e2e.browser import card, choose, opened
from tests.e2e.galaxies import copies
from tests.e2e.page_stage import Stage
from tests.e2e.test_page_views import AXE, SCRIPT, downloaded, name_of, shown, tab_to, violations


def voted(**given: float) -> Votes:
    """Votes on all questions; keywords name answers that get this fraction, as in ``bar_yes``, and the others share the rest."""
    fractions: dict[str, float] = {}
    for question in GZ2.questions:
        named = {label: given[key] for label in question.labels if (key := label.replace("-", "_")) in given}
        others = [label for label in question.labels if label not in named]
        fractions |= named | {label: (1 - sum(named.values())) / len(others) for label in others}
    shares = asked(GZ2, fractions)
    return {
        question.name: {
            "asked": round(100 * shares[question.name], 2),
            "fractions": {
                answer.name: fractions[label] for answer, label in zip(question.answers, question.labels, strict=True)
            },
        }
        for question in GZ2.questions
    }


BARRED = voted(
    smooth_or_featured_featured_or_disk=0.9, disk_edge_on_no=0.95, bar_yes=0.7, has_spiral_arms_yes=0.9,
    spiral_winding_medium=0.6, spiral_arm_count_2=0.75, bulge_size_obvious=0.5, something_odd_no=0.9,
)  # fmt: skip
UNBARRED = BARRED | {"bar": {"asked": 85.5, "fractions": {"yes": 0.2, "no": 0.8}}}
#: Of the few volunteers who would see a disc here, most would see a bar in it.
SMOOTH = voted(smooth_or_featured_smooth=0.96, how_rounded_round=0.8, bar_yes=0.9, something_odd_no=0.95)
GALAXIES = {"barred.jpg": BARRED, "unbarred.jpg": UNBARRED, "smooth.jpg": SMOOTH, "without.jpg": None}


def judged(page: Page, stage: Stage, folder: Path, votes: dict[str, Votes | None]) -> None:
    """Uploads files, and gives each a class and the votes that stand beside its name; None is a model without any."""
    choose(page, *copies(folder, *votes))
    for image in stage.stored(len(votes)):
        told = votes[name_of(image)]
        stage.classify(image, **({"votes": told} if told else {}))
    expect(page.locator("#status")).to_contain_text(", in ")


def summary_of(found: Locator) -> Locator:
    return found.get_by_text("Volunteers' votes", exact=True).first


def test_a_card_opens_to_the_way(page: Page, stage: Stage, tmp_path: Path) -> None:
    """The questions stand in the order that the most-voted answers lead to, with percentages; all others are folded below."""
    judged(page, stage, tmp_path, {"m51.jpg": BARRED})
    found = card(page, "m51.jpg")
    expect(found.locator(".asks")).to_have_count(0)
    summary_of(found).click()
    steps = way(BARRED)
    expect(found.locator("ol .asks")).to_have_text([step.question.words for step in steps])
    expect(found.locator("ol .best dt")).to_have_text([step.answer.words for step in steps])
    bar = found.locator("ol > li").nth(2)
    expect(bar.locator(".bars div")).to_have_text(["yes70\u00a0%", "no30\u00a0%"])
    expect(bar.locator(".asked")).to_have_text("86 of 100 would be asked.")
    expect(found.locator("ol .asked").first).to_have_text("Everybody would be asked.")
    expect(found.locator("ol [data-faint]")).to_have_count(0)
    others = [question for question in GZ2.questions if question not in [step.question for step in steps]]
    expect(found.locator("ul .asks").first).to_be_hidden()
    found.get_by_text(f"{len(others)} other questions").click()
    expect(found.locator("ul .asks")).to_have_text([question.words for question in others])
    expect(found.locator("ul .asks").first).to_be_visible()


def test_what_hardly_anybody_is_asked_is_faint(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Bars of such a question are faint and its words say why; the words keep their contrast."""
    judged(page, stage, tmp_path, {"smooth.jpg": SMOOTH})
    found = card(page, "smooth.jpg")
    summary_of(found).click()
    found.locator(".others summary").click()
    bar = found.locator("[data-faint]").filter(has_text="a sign of a bar")
    expect(bar.locator(".asked")).to_have_text("Only 1 of 100 would be asked.")
    opacity = "(each) => getComputedStyle(each, '::before').opacity"
    assert float(bar.locator("dd").first.evaluate(opacity)) < 0.5
    assert float(found.locator("ol dd").first.evaluate(opacity)) == 1


def test_a_card_is_opened_by_the_keyboard(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Tab leads to what opens the votes, and on to the questions beside the way; both say what they open."""
    judged(page, stage, tmp_path, {"m51.jpg": BARRED})
    found = card(page, "m51.jpg")
    expect(summary_of(found)).to_have_accessible_name("Volunteers' votes: m51.jpg")
    tab_to(page, summary_of(found))
    page.keyboard.press("Enter")
    expect(found.locator(".asks").first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(found.locator("ul .asks").first).to_be_visible()
    expect(found.get_by_role("list").first.get_by_role("listitem").first).to_contain_text("features or disk90\u00a0%")


def test_models_without_votes_show_nothing_of_them(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Neither cards nor the large view nor the tools speak of votes."""
    judged(page, stage, tmp_path, {"a.jpg": None, "b.jpg": None})
    expect(page.locator("#tools")).to_be_visible()
    expect(page.locator("#votes-tool")).to_be_hidden()
    assert page.locator("#sort-answer").evaluate("(option) => getComputedStyle(option).display") == "none"
    assert page.get_by_text("votes").filter(visible=True).count() == 0
    page.locator(".open").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.get_by_text("votes").filter(visible=True).count() == 0


def test_the_large_view_has_the_way(page: Page, stage: Stage, tmp_path: Path) -> None:
    """It changes with the galaxy and goes where there are no votes, and the arrow keys lead on from within it; what was unfolded
    stays so while others are judged."""
    choose(page, *copies(tmp_path, *GALAXIES))
    images = {name_of(image): image for image in stage.stored(len(GALAXIES))}
    stage.classify(images["barred.jpg"], votes=BARRED)
    expect(card(page, "barred.jpg").locator(".verdict")).to_have_text("Spiral")
    card(page, "barred.jpg").locator(".open").click()
    large = page.locator("#large-votes")
    large.locator(".others summary").click()
    stage.classify(images["smooth.jpg"], votes=SMOOTH)
    stage.classify(images["without.jpg"])
    expect(page.locator("#status")).to_contain_text("3 of 4 classified")
    expect(large.locator("ul .asks").first).to_be_visible()
    expect(large.locator("ol .asks")).to_have_text([step.question.words for step in way(BARRED)])
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#large-name")).to_have_text("smooth.jpg")
    expect(large.locator("ol .asks")).to_have_text([step.question.words for step in way(SMOOTH)])
    page.keyboard.press("ArrowRight")
    expect(page.locator("#large-name")).to_have_text("without.jpg")
    expect(large).to_be_hidden()


@pytest.fixture
def four(page: Page, stage: Stage, tmp_path: Path) -> Page:
    """The page with four results, three of them with votes."""
    judged(page, stage, tmp_path, GALAXIES)
    return page


def test_galaxies_are_chosen_by_an_answer(four: Page) -> None:
    """The share of those asked decides, where at least half of all volunteers are asked: a bar in a smooth galaxy is none."""
    four.get_by_label("Votes", exact=True).select_option(label="bar: yes")
    expect(shown(four)).to_have_text(["barred.jpg"])
    expect(four.locator("#shown")).to_have_text("Showing 1 of 4.")
    expect(four.locator("#votes-said")).to_have_text("50\u00a0% or more")
    four.get_by_label("Least votes").fill("20")
    expect(shown(four)).to_have_text(["barred.jpg", "unbarred.jpg"])
    four.get_by_label("Least votes").fill("75")
    expect(shown(four)).to_have_text([])
    four.get_by_label("Votes", exact=True).select_option(label="spiral arm count: 2")
    expect(shown(four)).to_have_text(["barred.jpg", "unbarred.jpg"])
    four.get_by_label("Name").fill("un")
    expect(shown(four)).to_have_text(["unbarred.jpg"])
    four.get_by_role("button", name="Show all").click()
    expect(shown(four)).to_have_count(4)
    expect(four.get_by_label("Votes", exact=True)).to_have_value("")
    expect(four.locator("#votes-least")).to_be_hidden()


def test_every_answer_can_be_chosen(four: Page) -> None:
    """Those of the tree, in its order, grouped by the questions in words; starting over takes them away."""
    labels = four.locator("#answer optgroup").evaluate_all("(groups) => groups.map(({ label }) => label)")
    assert labels == [question.words for question in GZ2.questions]
    expect(four.locator("#answer option")).to_have_count(1 + 37)
    four.get_by_role("button", name="Start over").click()
    expect(four.locator("#answer option")).to_have_count(1)


def test_galaxies_are_sorted_by_an_answer(four: Page) -> None:
    """Most votes first, or last; what has too few volunteers or none is not shown. Without an answer there is no such order."""
    sort = four.get_by_label("Sort by")
    expect(sort.get_by_role("option", name="votes for the answer")).to_be_disabled()
    four.get_by_label("Votes", exact=True).select_option(label="bar: no")
    four.get_by_label("Least votes").fill("0")
    sort.select_option(label="votes for the answer")
    expect(four.locator(".card bdi")).to_have_text(["unbarred.jpg", "barred.jpg"])
    four.get_by_role("button", name="Reverse the order").click()
    expect(four.locator(".card bdi")).to_have_text(["barred.jpg", "unbarred.jpg"])
    four.get_by_role("button", name="Reverse the order").click()
    four.get_by_label("Votes", exact=True).select_option("any")
    expect(sort).to_have_value("dropped")
    expect(four.locator(".card bdi")).to_have_text(list(GALAXIES))


def test_votes_without_a_class(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Of a model that gives votes and values alone, values are listed, and votes stand in their own place only."""
    choose(page, *copies(tmp_path, "a.jpg", "b.jpg"))
    for image in stage.stored(2):
        stage.estimate(image, {"pitch": 21.5} if name_of(image) == "a.jpg" else {}, BARRED)
    expect(page.locator("#status")).to_contain_text("2 of 2 classified")
    expect(card(page, "a.jpg").locator(".bars div")).to_have_text(["pitch21.5"])
    expect(card(page, "b.jpg").locator(".bars")).to_be_hidden()
    summary_of(card(page, "b.jpg")).click()
    expect(card(page, "b.jpg").locator("ol .asks").first).to_be_visible()


@pytest.mark.parametrize("question", [SCRIPT, "__proto__", "constructor"])
def test_hostile_votes(browser: Browser, stage: Stage, tmp_path: Path, question: str) -> None:
    """Names of questions and answers that no tree has are shown as text, whatever they are."""

    def answer(route: Route) -> None:
        found = route.fetch()
        if not found.ok:
            route.fulfill(response=found)
            return
        result = found.json()
        result["prediction"]["votes"] = {question: {"asked": 80, "fractions": {SCRIPT: 0.6, "toString": 0.4}}}
        route.fulfill(response=found, json=result)

    with opened(browser, stage.page_url) as page:
        page.route(re.compile(r"-results/.*\.json\?"), answer)
        choose(page, *copies(tmp_path, "a.jpg", "b.jpg"))
        for image in stage.stored(2):
            stage.classify(image)
        expect(page.locator("#status")).to_contain_text("2 of 2 classified")
        found = page.locator(".card").first
        summary_of(found).click()
        found.locator(".others summary").click()
        expect(found.locator(".asks")).to_have_text(question.replace("_", " "))
        expect(found.locator(".others dt")).to_have_text([SCRIPT, "toString"])
        page.get_by_label("Votes", exact=True).select_option(index=1)
        expect(shown(page)).to_have_count(2)
        expect(page.locator("#answer option:checked")).to_contain_text(SCRIPT)
        page.locator(".open").first.click()
        expect(page.locator("#large-way")).to_contain_text("1 question")
        page.keyboard.press("Escape")
        (row, _) = csv.DictReader(io.StringIO(downloaded(page, "CSV").decode()))
        assert sorted(value for name, value in row.items() if name.startswith(("asked_", "f_"))) == ["0.4", "0.6", "80"]
        assert page.locator("[onerror], script:not([src])").count() == 0


@pytest.fixture(params=["dark", "light"])
def scheme_page(browser: Browser, stage: Stage, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page in both colour schemes, as narrow as the narrowest phones."""
    size = {"width": 320, "height": 900}
    with opened(browser, stage.page_url, color_scheme=request.param, viewport=size) as page:
        yield page


def test_votes_can_be_used_by_all(scheme_page: Page, stage: Stage, tmp_path: Path) -> None:
    """axe-core has no complaint of open cards, of the tools and of the large view; nothing is wider than a phone."""
    page = scheme_page
    judged(page, stage, tmp_path, GALAXIES)
    for name in ("barred.jpg", "smooth.jpg"):
        summary_of(card(page, name)).click()
        card(page, name).locator(".others summary").click()
    page.get_by_label("Votes", exact=True).select_option(label="smooth or featured: features or disk")
    page.get_by_label("Least votes").fill("0")
    expect(shown(page)).to_have_count(3)
    page.evaluate(AXE)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    card(page, "smooth.jpg").locator(".open").click()
    expect(page.locator("#large-picture img")).to_be_visible()
    page.locator("#large-votes .others summary").click()
    assert violations(page) == []
    assert page.locator(".large-body").evaluate("(body) => body.scrollWidth - body.clientWidth") <= 0


def test_the_page_goes_the_way_of_everything_else(browser: Browser, stage: Stage) -> None:
    """Whatever the votes, the page's questions on the way are those of cosmoformer.votes.way, and the rest are the others."""
    generator = np.random.default_rng(0)
    drawn = [voted(**_fractions(generator)) for _ in range(200)]
    with bare_page(browser, stage.page_url) as page:
        found = page.evaluate(
            'async (all) => { const { wayThrough } = await import("/js/votes.js"); return all.map(wayThrough); }', drawn
        )
    for votes, said in zip(drawn, found, strict=True):
        names = [step.question.name for step in way(votes)]
        assert said == {"way": names, "others": [name for name in GZ2.names if name not in names]}
    assert len({tuple(said["way"]) for said in found}) == 9  # all that there are


def _fractions(generator: np.random.Generator) -> dict[str, float]:
    """One fraction of each question, so high or low that it decides."""
    return {str(generator.choice(question.labels)).replace("-", "_"): generator.random() for question in GZ2.questions}
