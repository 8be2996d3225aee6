"""One JSON shape for errors, one for log lines."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from cosmoformer import errors, logs


def every_error(
    kind: type[errors.CosmoFormerError] = errors.CosmoFormerError,
) -> Iterator[type[errors.CosmoFormerError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from every_error(child)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The drawing names every error, and a permanent one never has a status that brokers retry."""
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    assert drawn == {kind.__name__ for kind in every_error()}
    for kind in every_error(errors.PermanentError):
        assert kind.status not in (404, 408, 409, 429, 503)


def test_a_problem_has_one_shape() -> None:
    """Problem details carry type, title, status, detail and how to mend it; transient ones say when to try again."""
    body, status, headers = errors.problem(errors.StoreUnavailable("no answer", "Start it"), event_id="e1")
    assert status == 503
    assert headers == {"Content-Type": "application/problem+json", "Retry-After": "2"}
    assert json.loads(body) == {
        "type": "urn:cosmoformer:problem:StoreUnavailable",
        "title": "Object store unavailable",
        "status": 503,
        "detail": "no answer",
        "mend": "Start it",
        "event_id": "e1",
    }


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    before = (root.handlers, root.level)
    logs.configure()
    yield stream
    root.handlers, root.level = before[0], before[1]


def test_lines_carry_what_is_bound(lines: io.StringIO) -> None:
    """Within a block each line has the event's id and key, and what was added since; afterwards no more."""
    log = logging.getLogger("test")
    with logs.bound(event_id="e1", key="k", absent=None):
        logs.bind(model_version=3)
        log.info("judged", extra={"status": "classified"})
    log.info("after")
    inside, after = (json.loads(line) for line in lines.getvalue().splitlines())
    assert {name: inside[name] for name in ("event_id", "key", "model_version", "status", "message")} == {
        "event_id": "e1",
        "key": "k",
        "model_version": 3,
        "status": "classified",
        "message": "judged",
    }
    assert "absent" not in inside
    assert "event_id" not in after
