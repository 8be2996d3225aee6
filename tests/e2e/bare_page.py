"""A document of the page's origin without the page's scripts, for its modules by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Route

_ADD_INPUT = "document.body.append(Object.assign(document.createElement('input'), {type: 'file', multiple: true}))"


@contextmanager
def bare_page(browser: Browser, page_url: str, origin: str = "") -> Iterator[Page]:
    """Such a document, under the page's security policy, with an ``input`` for files.

    The browser takes it to come from ``origin``, where one is given: from another machine over plain HTTP, say.
    """

    def answer(route: Route) -> None:
        route.fulfill(response=route.fetch(url=route.request.url.replace(origin, page_url)))

    with browser.new_context() as window:
        if origin:
            window.route(f"{origin}/**", answer)
        page = window.new_page()
        page.goto(f"{origin or page_url}/config.json")
        page.evaluate(_ADD_INPUT)
        yield page


def awaited_status(page: Page) -> str:
    """The status of the result of ``window.item``, for which the page's own code waits."""
    status: str = page.evaluate(
        """async (api) => {
            const {awaitResult} = await import("/js/results.js");
            return (await awaitResult(window.item, {api, signal: new AbortController().signal})).status;
        }""",
        api_of(page),
    )
    return status


def api_of(page: Page) -> str:
    """URL of the ingest function, as the page knows it."""
    url: str = page.evaluate("fetch('/config.json').then((answer) => answer.json()).then(({api}) => api)")
    return url
