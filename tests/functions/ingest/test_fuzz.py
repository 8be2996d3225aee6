"""Every route of ingest takes whatever is sent: refused as the client's fault, or done."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from benchmarks import routes
from cosmoformer.settings import Settings, load
from tests.fuzzing import drive, sender

_ROUTES = [route.name for route in routes.ingest(load({}))]


@pytest.mark.parametrize("name", _ROUTES)
def test_nothing_sent_is_a_fault_of_ours(
    name: str, client: FlaskClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """No 5xx, no traceback, problem details for every refusal."""
    (route,) = (route for route in routes.ingest(settings) if route.name == name)
    drive(route, sender(client), caplog)
