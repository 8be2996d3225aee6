"""Pages opened in Chromium that are watched for errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

# Makes the page count how many uploads it has under way; what the browser reports comes in another order.
COUNT_SENDING = """() => {
    const send = XMLHttpRequest.prototype.send;
    let sending = 0;
    window.mostSending = 0;
    XMLHttpRequest.prototype.send = function (body) {
        sending += 1;
        window.mostSending = Math.max(window.mostSending, sending);
        this.addEventListener("readystatechange", () => { sending -= this.readyState === XMLHttpRequest.DONE; });
        send.call(this, body);
    };
}"""


@contextmanager
def opened(browser: Browser, url: str, **context: Any) -> Iterator[Page]:
    """The upload page, ready for files; afterwards, no script may have failed or broken the security policy."""
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # Chromium itself logs each 404 of a result that is not there yet.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    with browser.new_context(reduced_motion="reduce", **context) as window:
        page = window.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", hear)
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(url)
        expect(page.locator("#choose-files")).to_be_enabled()
        # Browsers swallow keys until a page has been painted.
        page.evaluate("new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))")
        yield page
    assert not complaints


def choose(page: Page, *files: Path) -> None:
    """Choose files as a person does, by the file chooser."""
    page.set_input_files("#choose-files", list(files))


def card(page: Page, name: str) -> Locator:
    """The card of the file of this name."""
    return page.locator(".card").filter(has=page.get_by_text(name, exact=True))
