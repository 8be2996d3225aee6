"""How fast the upload page of the whole running system is, and that it answers while it is busy.

The machine may be busy with other things: what is asserted of times by the clock is generous and the figure is printed; what the
page itself does to its main thread is measured in processor time, which others do not lengthen.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.browser import chromium, drop
from tests.e2e.browser import choose, opened
from tests.e2e.galaxies import SAMPLES
from tests.e2e.running_system import RunningSystem

COUNT = 200
LONGEST_TASK_MS = 100
PAINT_WITHIN_MS = 5000  # on a machine of its own: 1000
ANSWER_WITHIN_S = 10  # on a machine of its own: 1


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium of its own, so that nothing else is traced."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page_url(system: RunningSystem) -> str:
    """The page of the whole system, as ``cosmoformer up`` runs it."""
    return f"http://127.0.0.1:{system.settings.page_port}"


def small_galaxies(folder: Path, count: int) -> Path:
    """Different pictures of some 20 KB in a folder."""
    folder.mkdir()
    for number in range(count):
        stream = io.BytesIO()
        with Image.open(SAMPLES[number % len(SAMPLES)]) as image:
            image.resize((320, 320)).rotate(1.7 * number).save(stream, "JPEG", quality=90)
        (folder / f"{number:03}.jpg").write_bytes(stream.getvalue())
    return folder


def longest_task_ms(trace: bytes) -> float:
    """Processor time of the longest task on the main thread of a page, ms."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [event["tdur"] for event in events if "tdur" in event and (event["pid"], event["tid"]) in main]
    assert len(tasks) > COUNT
    return float(max(tasks)) / 1000


def test_two_hundred(browser: Browser, system: RunningSystem, page_url: str, tmp_path: Path) -> None:
    """Of 200 files in one drop each is classified and shown in its place, and no task keeps the page from answering."""
    folder = small_galaxies(tmp_path / "survey", COUNT)
    with opened(browser, page_url) as page:
        page.evaluate(WATCH_LONG_TASKS)
        browser.start_tracing(page=page, categories=["toplevel"])
        drop(page, folder)
        expect(page.locator("#status")).to_contain_text(f"{COUNT} of {COUNT} classified", timeout=200_000)
        longest = longest_task_ms(browser.stop_tracing())
        by_clock = page.evaluate("Math.max(0, ...window.longTasks)")
        print(f"\n{COUNT} files: longest task {longest:.0f} ms of processor time, {by_clock:.0f} ms by the clock")
        print(page.locator("#status").text_content())
        assert longest < LONGEST_TASK_MS
        expected = [f"survey/{path.name}" for path in sorted(folder.iterdir())]
        assert page.locator(".card bdi").all_text_contents() == expected
        expect(page.locator(".card[data-state=classified]")).to_have_count(COUNT)
        batch = page.url.split("#batch=")[1]
    assert len(list(system.results.keys(f"uploads/{batch}/"))) == COUNT


WATCH_LONG_TASKS = """() => {
    window.longTasks = [];
    const keep = (list) => list.getEntries().forEach((entry) => window.longTasks.push(entry.duration));
    new PerformanceObserver(keep).observe({ type: "longtask" });
}"""


def test_first_paint(browser: Browser, page_url: str) -> None:
    """The page shows what it is for soon after it was asked for."""
    with opened(browser, page_url) as page:
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        print(f"\nfirst useful paint after {painted:.0f} ms")
        assert painted < PAINT_WITHIN_MS


def test_warm_answer(browser: Browser, page_url: str, tmp_path: Path) -> None:
    """While the classifier is awake, a picture of 20 KB shows its class soon."""
    first, *others = sorted(small_galaxies(tmp_path / "warm", 4).iterdir())
    with opened(browser, page_url) as page:
        answered(page, first, 1)
        seconds = [answered(page, path, number) for number, path in enumerate(others, start=2)]
    print(f"\nfrom choosing a file to its class: {', '.join(f'{each:.2f}' for each in seconds)} s")
    assert min(seconds) < ANSWER_WITHIN_S


def answered(page: Page, path: Path, place: int) -> float:
    """Seconds from choosing a file to its class on its card."""
    begun = time.monotonic()
    choose(page, path)
    expect(page.locator(".card[data-state=classified]")).to_have_count(place, timeout=90_000)
    return time.monotonic() - begun
