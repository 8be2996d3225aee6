"""What a person sees of results as they come."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
import urllib3
from rich.console import Console

from cosmoformer.events import cloudevents
from cosmoformer.local.console import ResultsConsole
from cosmoformer.local.process import free_port
from cosmoformer.models.registry import ModelVersion
from cosmoformer.storage import results
from cosmoformer.storage.domain import Domain
from cosmoformer.storage.facts import ImageFacts, Origin

VERSION = ModelVersion("cosmoformer", 7, "run", "mlflow-artifacts:/x", "0" * 64)
ORIGIN = Origin("e", "s", None, datetime.now(UTC))


def classified(key: str, confidence: float) -> dict[str, Any]:
    image = ImageFacts("galaxy-images", key, "etag", 10, "2026-01-01T00:00:00.000Z")
    return results.classified(image, {"spiral": confidence, "edge_on": 1 - confidence}, "clean5", VERSION, ORIGIN, 0.7)


@pytest.mark.parametrize("terminal", [True, False])
def test_results_are_shown_once(terminal: bool) -> None:
    """Each result that the broker delivers is shown, a second delivery is not, and a stranger's key cannot move the cursor."""
    output = io.StringIO()
    console = ResultsConsole(Console(file=output, force_terminal=terminal, width=140), free_port())
    console.start()
    try:
        for id, key in (("1", "m51.jpg"), ("1", "m51.jpg"), ("2", "evil\x1b[2J.jpg")):
            event = cloudevents.new(type=cloudevents.CLASSIFIED, source="s", id=id, data=classified(key, 0.61))
            headers, body = cloudevents.to_binary(event)
            assert urllib3.request("POST", console.url, headers=headers, body=body).status == 202
        console.show_state("classify is asleep")
    finally:
        console.stop()
    text = output.getvalue()
    assert "\x1b[2J.jpg" not in text
    assert "v7" in text
    assert "unsure" in text
    if not terminal:
        assert text.count("m51.jpg") == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_values_are_shown(terminal: bool) -> None:
    """A result by a task that is no classification shows the task, which is counted, and its first values."""
    output = io.StringIO()
    console = ResultsConsole(Console(file=output, force_terminal=terminal, width=140), free_port())
    image = ImageFacts("galaxy-images", "m31.jpg", "etag", 10, "2026-01-01T00:00:00.000Z")
    console.start()
    console.add("1", results.estimated(image, {"angle": 77.25, "error": 2.0}, "inclination", VERSION, ORIGIN))
    console.stop()
    assert "angle 77.25, error 2" in output.getvalue()
    assert ("inclination 1" if terminal else "m31.jpg  inclination") in output.getvalue()


def test_what_is_no_galaxy_is_marked() -> None:
    """Beside the class that it was given."""
    output = io.StringIO()
    console = ResultsConsole(Console(file=output, force_terminal=False, width=140), free_port())
    image = ImageFacts("galaxy-images", "cat.jpg", "etag", 10, "2026-01-01T00:00:00.000Z")
    shares = {"spiral": 0.95, "edge_on": 0.05}
    console.start()
    console.add("1", results.classified(image, shares, "clean5", VERSION, ORIGIN, 0.7, Domain(0.1, 0.5)))
    console.stop()
    assert "0.95 no galaxy" in output.getvalue()


def test_a_rejected_file_shows_its_reason() -> None:
    """A rejected file is listed with why."""
    output = io.StringIO()
    console = ResultsConsole(Console(file=output, width=140), free_port())
    image = ImageFacts("galaxy-images", "notes.txt", "etag", 10, "2026-01-01T00:00:00.000Z")
    console.add("1", results.rejected(image, "not_an_image", "This is no image.", None, ORIGIN))
    console.stop()
    assert "notes.txt  rejected  This is no image." in output.getvalue()


@pytest.mark.parametrize(
    ("members", "prediction"),
    [
        ({"finished": "yesterday"}, {}),
        ({"seconds": 10**400}, {}),
        ({}, {"confidence": 10**400}),
        ({"finished": "9999-12-31T23:59:59-12:00"}, {}),
    ],
)
def test_a_result_that_cannot_be_shown_is_refused(members: dict[str, Any], prediction: dict[str, Any]) -> None:
    """What looks like a result and holds no time, or numbers out of all bounds, is the sender's fault and shown to nobody."""
    output = io.StringIO()
    console = ResultsConsole(Console(file=output, width=140), free_port())
    result = classified("m51.jpg", 0.61)
    result = result | members | {"prediction": result["prediction"] | prediction}
    headers, body = cloudevents.to_binary(cloudevents.new(type=cloudevents.CLASSIFIED, source="s", id="1", data=result))
    try:
        answer = urllib3.request("POST", console.url, headers=headers, body=body)
    finally:
        console.stop()
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert "m51.jpg" not in output.getvalue()
