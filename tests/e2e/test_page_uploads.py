"""Uploads of the page when things go wrong: networks that drop, links that expire, files that are not what they seem."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.conftest import ObjectStore
from tests.e2e.bare_page import api_of, awaited_status, bare_page
from tests.e2e.browser import card, choose, opened
from tests.e2e.galaxies import SAMPLES, copies
from tests.e2e.line import Line
from tests.e2e.page_stage import Stage, running_stage
from tests.e2e.running_system import RunningSystem

MOST_BYTES = 200_000
EXPIRY_S = 2
HOSTILE = ["<img src=x onerror=alert(1)>.jpg", "\"'><script>alert(1)<.jpg", "مجرة 星系 ñ.jpg", "a%2F..%00 #?&.jpg"]


@pytest.fixture(scope="module")
def store_line(object_store: ObjectStore) -> Line:
    """The browser's line to the store."""
    return Line(object_store.endpoint_url)


@pytest.fixture(scope="module")
def running(object_store: ObjectStore, store_line: Line) -> Iterator[Stage]:
    """Page, ingest and store, with the tests in the classifier's place."""
    with running_stage(object_store, max_image_bytes=MOST_BYTES, s3_public_endpoint_url=store_line.url) as stage:
        yield stage


@pytest.fixture(scope="module")
def running_hasty(object_store: ObjectStore, store_line: Line) -> Iterator[Stage]:
    """The same, but addresses expire so soon that pages have to renew them."""
    expiry = {"upload_expiry_seconds": EXPIRY_S, "result_expiry_seconds": EXPIRY_S}
    with running_stage(object_store, s3_public_endpoint_url=store_line.url, **expiry) as stage:
        yield stage


@pytest.fixture
def stage(running: Stage) -> Stage:
    """The same, as if empty."""
    running.begin()
    return running


@pytest.fixture
def hasty(running_hasty: Stage) -> Stage:
    """The same, as if empty."""
    running_hasty.begin()
    return running_hasty


@pytest.fixture
def page(browser: Browser, stage: Stage) -> Iterator[Page]:
    """The stage's page."""
    with opened(browser, stage.page_url) as page:
        yield page


@pytest.fixture
def line(store_line: Line) -> Iterator[Line]:
    """The line to the store, whole and fast again afterwards."""
    yield store_line
    store_line.delay_s = 0


def png() -> bytes:
    """A galaxy as a PNG file."""
    stream = io.BytesIO()
    with Image.open(SAMPLES[0]) as image:
        image.resize((64, 64)).save(stream, "PNG")
    return stream.getvalue()


def names_of(stage: Stage) -> list[str]:
    """The stored images, by their names in the batch."""
    return sorted(image.key.split("/", 2)[2] for image in stage.images())


def state_of(page: Page, name: str, state: str) -> None:
    """The card of a file says that it is in this state."""
    expect(card(page, name)).to_have_attribute("data-state", state, timeout=20_000)


@contextmanager
def refused_at_times(browser: Browser, page_url: str, script: str = "") -> Iterator[Page]:
    """The page, whose console is not watched: browsers complain there of refusals, which come without CORS headers."""
    with browser.new_context() as window:
        page = window.new_page()
        page.add_init_script(script)
        page.goto(page_url)
        expect(page.locator("#choose-files")).to_be_enabled()
        yield page


def posts(page: Page) -> list[Request]:
    """Fills with the page's requests for upload addresses."""
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if request.method == "POST" else None)
    return asked


def test_offline(browser: Browser, system: RunningSystem, tmp_path: Path) -> None:
    """What is dropped while the device is offline is uploaded and classified once it is online, by itself."""
    with opened(browser, f"http://127.0.0.1:{system.settings.page_port}") as page:
        page.context.set_offline(True)
        choose(page, *copies(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
        expect(page.locator("#away")).to_contain_text("offline")
        page.context.set_offline(False)
        expect(page.locator("#away")).to_be_hidden()
        expect(page.locator("#status")).to_contain_text("3 of 3 classified", timeout=60_000)


def test_resume(page: Page, stage: Stage, line: Line, tmp_path: Path) -> None:
    """When the connection to the store breaks amid uploads, the page says so, goes on once it is back, and loses nothing."""
    names = [f"{number:02}.jpg" for number in range(12)]
    line.delay_s = 0.1
    choose(page, *copies(tmp_path, *names))
    stage.stored(2)
    line.cut()
    expect(page.locator("#away")).to_contain_text("The object store does not answer")
    assert len(stage.images()) < len(names)
    line.mend()
    line.delay_s = 0
    stage.stored(len(names))
    expect(page.locator("#away")).to_be_hidden()
    expect(page.locator(".card[data-state=classifying]")).to_have_count(len(names))
    assert names_of(stage) == names
    assert len({image.key.split("/")[1] for image in stage.images()}) == 1


def test_api_away(page: Page, stage: Stage, tmp_path: Path) -> None:
    """While the API does not answer, the page says so, and asks on until it does."""
    api = re.compile(f"^{re.escape(api_of(page))}/")
    page.route(api, lambda route: route.abort("connectionrefused"))
    choose(page, *copies(tmp_path, "m51.jpg"))
    expect(page.locator("#away")).to_contain_text("The upload service does not answer")
    page.unroute(api)
    stage.stored(1)
    expect(page.locator("#away")).to_be_hidden()


def test_expired_upload_address(browser: Browser, hasty: Stage, line: Line, tmp_path: Path) -> None:
    """An upload address that expired while the network was away is renewed, for the same key."""
    with refused_at_times(browser, hasty.page_url) as page:
        asked = posts(page)
        line.cut()
        choose(page, *copies(tmp_path, "m51.jpg"))
        expect(page.locator("#away")).to_be_visible()
        time.sleep(EXPIRY_S + 0.5)
        assert len(asked) == 1
        line.mend()
        (image,) = hasty.stored(1)
        state_of(page, "m51.jpg", "classifying")
        assert [file["key"] for file in json.loads(asked[-1].post_data or "")["files"]] == [image.key]


def test_expired_result_address(browser: Browser, hasty: Stage, tmp_path: Path) -> None:
    """A result that comes after its address has expired is shown all the same."""
    with refused_at_times(browser, hasty.page_url) as page:
        choose(page, *copies(tmp_path, "m51.jpg"))
        (image,) = hasty.stored(1)
        time.sleep(EXPIRY_S + 0.5)
        hasty.classify(image)
        state_of(page, "m51.jpg", "classified")


def test_slow_clock(browser: Browser, hasty: Stage, line: Line, tmp_path: Path) -> None:
    """On a device whose clock is an hour slow, the store's refusal is enough to have an address renewed."""
    slow = "{ const now = Date.now; Date.now = () => now() - 3_600_000; }"
    with refused_at_times(browser, hasty.page_url, slow) as page:
        line.cut()
        choose(page, *copies(tmp_path, "m51.jpg"))
        expect(page.locator("#away")).to_be_visible()
        time.sleep(EXPIRY_S + 0.5)
        line.mend()
        hasty.stored(1)
        state_of(page, "m51.jpg", "classifying")


def test_cancel_one(page: Page, stage: Stage, line: Line, tmp_path: Path) -> None:
    """One file, sent or in line, is cancelled without touching the others, and can be uploaded later."""
    names = [f"{number}.jpg" for number in range(7)]
    line.delay_s = 0.7
    choose(page, *copies(tmp_path, *names))
    state_of(page, "0.jpg", "uploading")
    for name in ("0.jpg", "6.jpg"):
        page.get_by_role("button", name=f"Cancel: {name}").click()
        state_of(page, name, "cancelled")
    line.delay_s = 0
    stage.stored(5)
    expect(page.locator(".card[data-state=classifying]")).to_have_count(5)
    assert names_of(stage) == names[1:-1]
    page.get_by_role("button", name="Upload it: 6.jpg").click()
    stage.stored(6)
    state_of(page, "6.jpg", "classifying")
    assert names_of(stage) == names[1:]


def test_retry_keeps_the_key(page: Page, stage: Stage, tmp_path: Path) -> None:
    """A file that the store refused can be tried again, and stands under its own name."""

    def refuse(route: Route) -> None:
        route.fulfill(status=400, headers={"Access-Control-Allow-Origin": stage.page_url})

    pattern = re.compile(r"/b\.jpg\?.*X-Amz-Signature")
    page.route(pattern, lambda route: refuse(route) if route.request.method == "PUT" else route.continue_())
    choose(page, *copies(tmp_path, "a.jpg", "b.jpg"))
    state_of(page, "b.jpg", "failed")
    expect(card(page, "b.jpg").locator(".words")).to_contain_text("The object store refused the file (HTTP 400)")
    page.unroute(pattern)
    page.get_by_role("button", name="Try again: b.jpg").click()
    stage.stored(2)
    assert names_of(stage) == ["a.jpg", "b.jpg"]


def test_changed_file(page: Page, stage: Stage, line: Line, tmp_path: Path) -> None:
    """A file that was changed between choice and upload is not sent, and its card says why."""
    (path,) = copies(tmp_path, "m51.jpg")
    line.cut()
    choose(page, path)
    expect(page.locator("#away")).to_be_visible()
    path.write_bytes(path.read_bytes() + b"more")
    line.mend()
    state_of(page, "m51.jpg", "failed")
    expect(card(page, "m51.jpg").locator(".words")).to_contain_text("changed or moved")
    assert stage.images() == []


def test_content_decides(page: Page, stage: Stage, tmp_path: Path) -> None:
    """What a file holds decides, not its name: a PDF is refused with its reason, a PNG is sent as one."""
    (tmp_path / "paper.jpg").write_bytes(b"%PDF-1.7 text")
    (tmp_path / "table.fits").write_text("no FITS at all")
    (tmp_path / "really.jpg").write_bytes(png())
    choose(page, *(tmp_path / name for name in ("paper.jpg", "table.fits", "really.jpg")))
    expect(card(page, "paper.jpg").locator(".words")).to_contain_text("This is a PDF document, whatever its name says.")
    expect(card(page, "table.fits").locator(".words")).to_contain_text("This is not a picture")
    (stored,) = stage.stored(1)
    head = stage.store.client.head_object(Bucket=stage.store.settings.images_bucket, Key=stored.key)
    assert (Path(stored.key).name, head["ContentType"]) == ("really.jpg", "image/png")


def test_too_large(page: Page, stage: Stage, tmp_path: Path) -> None:
    """A file over the limit is not sent; its card says the limit and what to do."""
    (tmp_path / "large.jpg").write_bytes(SAMPLES[0].read_bytes().ljust(MOST_BYTES + 1, b"\0"))
    choose(page, tmp_path / "large.jpg")
    expect(card(page, "large.jpg").locator(".words")).to_have_text(re.compile("larger than 195 KiB.*smaller copy"))
    assert stage.images() == []


def test_equal_names(page: Page, stage: Stage, tmp_path: Path) -> None:
    """Different pictures of one name, chosen one after the other, do not replace each other."""
    (one,) = copies(tmp_path / "one", "m51.jpg")
    (other,) = copies(tmp_path / "other", "m51.jpg")
    choose(page, one)
    stage.stored(1)
    choose(page, other)
    images = stage.stored(2)
    assert names_of(stage) == ["m51.jpg", "m51~2.jpg"]
    assert {stage.store.read_image(image.key)[1] for image in images} == {one.read_bytes(), other.read_bytes()}


def test_hostile_names_reopened(page: Page, browser: Browser, stage: Stage, tmp_path: Path) -> None:
    """The link of a batch shows its results in another browser, names full of markup as they are, page by page."""
    choose(page, *copies(tmp_path, *HOSTILE))
    for image in stage.stored(len(HOSTILE)):
        stage.classify(image)
    expect(page.locator("#status")).to_contain_text(f"{len(HOSTILE)} of {len(HOSTILE)} classified")
    link = page.url
    assert "#batch=" in link
    with opened(browser, stage.page_url) as other:
        asked: list[str] = []

        def in_pages(route: Route) -> None:
            asked.append(route.request.url)
            route.continue_(url=f"{route.request.url}{'&' if '?' in route.request.url else '?'}limit=3")

        other.route(re.compile("^http://[^/]+/uploads/"), in_pages)
        other.goto("about:blank")  # from the page itself, the link would only change the hash
        other.goto(link)
        expect(other.locator(".card .verdict")).to_have_text(["Spiral"] * len(HOSTILE))
        assert sorted(other.locator(".card bdi").all_text_contents()) == sorted(HOSTILE)
        expect(other.locator(".card img")).to_have_count(len(HOSTILE))
        assert len(asked) == 2


def test_link_shows_and_does_not_upload(page: Page, browser: Browser, stage: Stage, tmp_path: Path) -> None:
    """What leaves the page never has the name that uploads; files dropped on an opened link go into another batch."""
    answers: list[dict[str, Any]] = []
    page.on("response", lambda answer: answers.append(answer.json()) if answer.request.method == "POST" else None)
    choose(page, *copies(tmp_path / "mine", "m51.jpg"))
    for image in stage.stored(1):
        stage.classify(image)
    expect(page.locator("#status")).to_contain_text("1 of 1 classified")
    (answer,) = answers
    link = page.get_by_label("Link to these results").input_value()
    assert link == page.url and link.endswith(f"#batch={answer['show']}")
    assert answer["batch"] not in page.evaluate(
        "document.documentElement.outerHTML + JSON.stringify({...localStorage})"
    )
    with opened(browser, link) as other:
        expect(card(other, "m51.jpg").locator(".verdict")).to_have_text("Spiral")
        refused = other.evaluate(
            """async ([api, batch]) => (await fetch(`${api}/uploads`, { method: "POST", body: JSON.stringify(
                { batch, files: [{ name: "m51.jpg", type: "image/jpeg", size: 1 }] }) })).status""",
            [api_of(other), answer["show"]],
        )
        assert refused == 403
        (theirs,) = copies(tmp_path / "theirs", "m51.jpg")
        choose(other, theirs)
        assert len({image.key.split("/")[1] for image in stage.stored(2)}) == 2
    assert stage.store.read_image(answer["uploads"][0]["key"])[1] == (tmp_path / "mine" / "m51.jpg").read_bytes()


def test_result_of_a_slow_clock(browser: Browser, hasty: Stage) -> None:
    """A result address that expired by the store's clock alone is renewed."""
    with bare_page(browser, hasty.page_url) as bare:
        api = api_of(bare)
        bare.evaluate(
            """async (api) => {
                const {address, Batch} = await import("/js/addresses.js");
                const item = {name: "m51.jpg", type: "image/jpeg", file: {size: 7}};
                await address([item], {api, batch: new Batch()}, new AbortController().signal);
                item.address.result.expires = "2999-01-01T00:00:00Z";
                item.address.received -= 60_000;
                window.item = item;
            }""",
            api,
        )
        key = bare.evaluate("window.item.address.key")
        time.sleep(EXPIRY_S + 0.5)
        hasty.store.write(hasty.store.settings.images_bucket, key, b"picture", "image/jpeg")
        hasty.classify(hasty.stored(1)[0])
        assert awaited_status(bare) == "classified"


def test_server_that_does_not_allow_the_page(browser: Browser, hasty: Stage) -> None:
    """A server that answers, but not to this page, is told from a lost network, and the words name the setting."""
    with bare_page(browser, hasty.page_url) as bare:
        words = bare.evaluate(
            """async (url) => {
                const {ask} = await import("/js/addresses.js");
                return ask(url, {}, new AbortController().signal).then(() => "", (error) => error.message);
            }""",
            f"{hasty.store.settings.store_public_url}/no-such-bucket/uploads",
        )
        assert f"PAGE_ORIGINS names {hasty.page_url}" in words
