"""What holds for the answer to any request, whatever was sent."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from random import Random

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks.mutations import Request, Route, mutated
from cosmoformer import strict_json

_EXAMPLES = int(os.environ.get("COSMOFORMER_TEST_FUZZ_EXAMPLES", "60"))  # of each route

Send = Callable[[Request], tuple[int, Mapping[str, str], bytes]]


def drive(route: Route, send: Send, caplog: pytest.LogCaptureFixture) -> None:
    """Send mutated requests of a route; every one is answered, none as a fault of ours."""

    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32))
    def run(seed: int) -> None:
        request = mutated(route, Random(seed))
        caplog.clear()
        status, headers, body = send(request)
        check(request, status, headers, body)
        assert [record for record in caplog.records if record.exc_info and record.levelno >= logging.ERROR] == []

    run()


def check(request: Request, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Everything that is needed is there, so that no answer is a fault of the server's; refusals are problem details, or the
    error of another protocol that is spoken there."""
    # Of readiness 503 is an answer, too: where the machine is busy, the store may be late.
    assert status < 500 or (status == 503 and request.target.startswith("/health/readiness")), (request, body)
    if headers.get("Content-Type", "").endswith("json") and request.method != "HEAD":
        strict_json.loads(body)
    if status >= 400 and headers["Content-Type"] == "application/json" and request.target.startswith("/v2"):
        assert request.method == "HEAD" or list(json.loads(body)) == ["error"]  # as the Open Inference Protocol has it
    elif status >= 400 and request.method != "HEAD":
        assert headers["Content-Type"] == "application/problem+json", (request, status, body)
        problem = json.loads(body)
        assert problem["status"] == status
        assert problem["title"]


def sender(client: FlaskClient) -> Send:
    """Sends to a WSGI application."""

    def send(request: Request) -> tuple[int, Mapping[str, str], bytes]:
        headers = dict(request.headers)
        path, _, query = request.target.partition("?")
        answer = client.open(path, method=request.method, query_string=query, headers=headers, data=request.body)
        return answer.status_code, answer.headers, answer.data

    return send
