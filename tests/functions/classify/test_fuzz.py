"""Every route of classify takes whatever is sent: refused as the client's fault, or done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from benchmarks import routes
from cosmoformer.settings import load
from cosmoformer.storage.results import ResultsBucket
from functions.classify.app import build_app
from functions.classify.handler import Handler
from tests.functions.classify.conftest import BUNDLED, Deployment
from tests.fuzzing import drive, sender

_PICTURE = (BUNDLED / "samples" / "two_armed_spiral.jpg").read_bytes()
_ROUTES = range(len(routes.classify(load({}), _PICTURE)))


@pytest.fixture
def client(deployment: Deployment, model: bytes) -> Iterator[FlaskClient]:
    """A function that serves the bundled model."""
    deployment.register(model, alias="champion")
    serving = deployment.serving()
    serving.refresh()
    handler = Handler(deployment.settings, deployment.store, ResultsBucket(deployment.store), serving)
    gate = deployment.gate()
    gate.refresh()
    with build_app(deployment.settings, handler, serving, gate).test_client() as client:
        yield client


@pytest.mark.parametrize("number", _ROUTES)
def test_nothing_sent_is_a_fault_of_ours(
    number: int, client: FlaskClient, deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    """No 5xx, no traceback, problem details for every refusal."""
    drive(routes.classify(deployment.settings, _PICTURE)[number], sender(client), caplog)
