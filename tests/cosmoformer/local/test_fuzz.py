"""The servers of one machine take whatever is sent: refused as the client's fault, or done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from io import StringIO

import pytest
from rich.console import Console

from benchmarks import routes
from benchmarks.fuzz import exchange
from benchmarks.mutations import Route
from cosmoformer.local.console import ResultsConsole
from cosmoformer.local.knative.activator import Activator, ActivatorConfig
from cosmoformer.local.knative.replica import FunctionSpec
from cosmoformer.local.page import PageServer, security_headers, web_folder
from cosmoformer.local.process import free_port
from cosmoformer.settings import load
from tests.cosmoformer.local.knative.running_broker import running_broker
from tests.fuzzing import drive

# A function that is content with everything.
_FUNCTION = """
import sys
from werkzeug.wrappers import Response
from cosmoformer.http.server import HttpServer
from cosmoformer.http.wsgi import application
HttpServer(application(lambda request: Response("fine")), "127.0.0.1", int(sys.argv[1]), 2).serve()
"""
_ROUTES = {
    "broker": routes.broker(),
    "activator": routes.classify(load({}), b"a picture"),
    "page": routes.page(),
    "console": routes.broker()[:1],
}


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """All four servers, by name."""
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        broker = stack.enter_context(running_broker(folder / "broker"))
        spec = FunctionSpec("echo", (sys.executable, "-c", _FUNCTION, "{port}"), folder / "echo", grace_s=2.0)
        activator = Activator(ActivatorConfig(0, spec, stop_deadline_s=5.0))
        activator.server.start("activator")
        stack.callback(activator.stop)
        page = PageServer(0, web_folder(), b"{}", security_headers("http://127.0.0.1:1", "http://127.0.0.1:2"))
        page.start("page")
        stack.callback(page.stop, 1)
        port = free_port()
        console = ResultsConsole(Console(file=StringIO()), port)
        stack.callback(console.stop)
        yield {"broker": broker.port, "activator": activator.server.port, "page": page.port, "console": port}


@pytest.mark.parametrize(
    ("server", "number"), [(server, number) for server, routes in _ROUTES.items() for number in range(len(routes))]
)
def test_nothing_sent_is_a_fault_of_ours(
    server: str, number: int, ports: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    """No 5xx, no traceback, problem details for every refusal."""
    route: Route = _ROUTES[server][number]
    drive(route, partial(exchange, f"127.0.0.1:{ports[server]}"), caplog)
