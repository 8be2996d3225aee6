"""Thousands of files dropped on the page at once: ``python -m benchmarks.page_thousands --files 10000``.

Headless Chromium opens the page of a whole local system, and one folder of galaxies is dropped on it. Afterwards every file must
be classified, on the page and in the store. Measured is what the page does to its own main thread: the processor time of its
longest task, and the memory of its scripts, asked every two seconds.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness, pictures
from benchmarks.backlog import System, system
from benchmarks.browser import chromium, drop
from benchmarks.disturbances import DisturbedSystem
from benchmarks.harness import Goal, Report

_ASKED_EVERY_MS = 2000
_SECONDS_A_FILE, _GRACE_S = 1.0, 120.0
_LONGEST_MS, _MOST_MB = 100, 300
_SEEN = 'document.querySelector("#status").textContent'


@dataclass
class Drop:
    """What became of one drop.

    Attributes:
        seconds: until the page said that all are done.
        lost: files without a result, on the page or in the store.
        longest_ms: processor time of the longest task on the page's main thread.
        heap_mb: memory of the page's scripts, as it was asked for.
        cards: most cards in the page at a time.
        said: by the page at the end.
    """

    seconds: float
    lost: int
    longest_ms: float
    heap_mb: list[float]
    cards: int
    said: str


def main(argv: list[str] | None = None, given: DisturbedSystem | None = None) -> Report:
    """Entry point; ``given`` is a running system, in place of one of its own."""
    parser = harness.parser("page_thousands", "Thousands of files dropped on the page.")
    parser.add_argument("--files", type=int, default=10_000, help="how many are dropped (default: %(default)s)")
    options = parser.parse_args(argv)
    files = 100 if options.quick else options.files
    report = Report("page_thousands", f"{files:,} files in one drop", {"quick": options.quick, "files": files})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            nullcontext(given) if given else system(folder, idle_s=60, bundled=True) as running,
            opened(running) as page,
        ):
            found = dropped(page, running, _galaxies(folder / "survey", files))
    report.add("page", "seconds", [found.seconds], "s")
    report.add("page", "longest task", [found.longest_ms / 1000], "s")
    report.add("page", "heap", found.heap_mb, "MB")
    report.add("page", "most cards at a time", [found.cards], "")
    report.goals += [
        Goal("files lost", found.lost, 0),
        Goal("milliseconds of the longest task", found.longest_ms, _LONGEST_MS),
        Goal("megabytes of scripts, most", max(found.heap_mb), _MOST_MB),
    ]
    report.notes.append(f"The page said: {found.said}")
    harness.write(report, options.out)
    return report


def _galaxies(folder: Path, count: int) -> Path:
    """Different files in a folder."""
    folder.mkdir()
    for number, content in zip(range(count), pictures.endless(), strict=False):
        (folder / f"{number:05}.jpg").write_bytes(content)
    return folder


@contextmanager
def opened(running: System | DisturbedSystem) -> Iterator[Any]:
    """The system's page in Chromium."""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{running.settings.page_port}")
        page.wait_for_selector("#choose-files:enabled", state="attached")
        yield page


def dropped(page: Any, running: System | DisturbedSystem, folder: Path) -> Drop:
    """Drop a folder on the page, and wait until it says that all of it is done."""
    browser, count = page.context.browser, len(list(folder.iterdir()))
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    browser.start_tracing(page=page, categories=["toplevel"])
    drop(page, folder)
    began, heap, cards = time.monotonic(), [_heap_mb(devtools)], 0
    while time.monotonic() < began + _GRACE_S + count * _SECONDS_A_FILE:
        page.wait_for_timeout(_ASKED_EVERY_MS)
        heap.append(_heap_mb(devtools))
        cards = max(cards, page.locator(".card").count())
        if (said := page.evaluate(_SEEN)).endswith(".") and f" of {count} " in said and ":" not in said:
            break
    seconds = time.monotonic() - began
    longest = _longest_ms(browser.stop_tracing())
    results = sum(1 for _ in running.results.keys("uploads/"))
    classified = int(said.split(" ")[0])
    return Drop(seconds, max(count - min(results, classified), 0), longest, heap, cards, said)


def _heap_mb(devtools: Any) -> float:
    metrics = {metric["name"]: metric["value"] for metric in devtools.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"]) / 1e6


def _longest_ms(trace: bytes) -> float:
    """Processor time of the longest task on the page's main thread, which others on the machine do not lengthen."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    names = [event for event in events if event["name"] == "thread_name"]
    main = {(event["pid"], event["tid"]) for event in names if event["args"]["name"] == "CrRendererMain"}
    tasks = [float(event["tdur"]) for event in events if "tdur" in event and (event["pid"], event["tid"]) in main]
    return max(tasks) / 1000


if __name__ == "__main__":
    main()
