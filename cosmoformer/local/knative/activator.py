"""In front of one function: holds requests while the function wakes, spreads them over replicas, scales to zero.

    python -m cosmoformer.local.knative.activator --config activator.json

Every request is passed on to a replica and wakes one if none runs, except for these, which are answered here:

| request | answer |
| --- | --- |
| ``GET /health/...`` | 200 while the activator lives |
| ``GET /metrics`` | the activator's own, for Prometheus |
| ``GET /_activator`` | JSON: replicas, pids, requests waiting, cold starts |

A client that hangs up while its request waits gives up its place. Once a replica works on it, the slot stays taken
until the replica has answered: it is busy, whoever listens.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import urllib3
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.util import SKIP_HEADER
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from cosmoformer import logs
from cosmoformer.errors import Abandoned, CosmoFormerError, TransientError
from cosmoformer.http.server import HttpServer, Limits, serve_until_signalled
from cosmoformer.http.wsgi import application, check_name, json_response, refusal
from cosmoformer.local.config import load
from cosmoformer.local.knative.replica import FunctionSpec, Replica
from cosmoformer.local.knative.replica_set import ClientLeft, ReplicaSet, StartFailed
from cosmoformer.memory import use_one_arena

_log = logging.getLogger(__name__)

# Between two neighbours only (RFC 9110, section 7.6.1).
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect")
)
_SET_HERE = frozenset(("content-length", "date", "server"))
_REFUSED_LIMIT = 3
_SPARE_THREADS = 4  # that find the line full, and say so


class ReplicaDied(TransientError):
    """The replica ended, or hung up, with the request under way."""

    status = 502
    title = "Function died"


class ReplicaTimedOut(TransientError):
    """The replica did not answer in time."""

    status = 504
    title = "Function timed out"


@dataclass(frozen=True)
class ActivatorConfig:
    """Configuration of an activator.

    Attributes:
        port: where it listens.
        function: the function behind it.
        host: address it listens on.
        body_limit_mib: largest request body, in MiB.
        stop_deadline_s: how long requests under way may take to end after SIGTERM.
    """

    port: int
    function: FunctionSpec
    host: str = "127.0.0.1"
    body_limit_mib: int = 64
    stop_deadline_s: float = 10.0


class Activator:
    """A running activator.

    Raises:
        SettingsError: the port is taken.
    """

    def __init__(self, config: ActivatorConfig) -> None:
        self.config = config
        function = config.function
        threads = function.max_waiting + function.container_concurrency * function.max_replicas + _SPARE_THREADS
        limits = Limits(body_bytes=config.body_limit_mib << 20, held_bytes=config.body_limit_mib << 22)
        self.server = HttpServer(application(self._answer), config.host, config.port, threads, limits)
        self.replicas = ReplicaSet(function)

    def stop(self) -> None:
        """Stop accepting, let requests under way end, then end the function."""
        if not self.server.stop(self.config.stop_deadline_s):
            _log.warning("some requests did not end in time")
        self.replicas.close()

    def metrics(self) -> bytes:
        """The state in Prometheus' text format."""
        state = self.replicas.snapshot()
        function, registry = self.config.function.name, CollectorRegistry()
        for name, (meaning, value) in {
            "replicas_ready": ("Replicas that take requests", sum(item.ready for item in state.replicas)),
            "replicas_starting": ("Replicas that are not ready yet", sum(not item.ready for item in state.replicas)),
            "requests_in_flight": ("Requests at a replica", sum(item.in_flight for item in state.replicas)),
            "requests_waiting": ("Requests in line", state.waiting),
            "cold_starts": ("Starts from zero since the activator started", state.cold_starts),
        }.items():
            gauge = Gauge(f"cosmoformer_activator_{name}", meaning, ["function"], registry=registry)
            gauge.labels(function).set(value)
        return generate_latest(registry)

    def _answer(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD") and (request.path == "/health" or request.path.startswith("/health/")):
            return json_response({"status": "ok"})
        if request.method == "GET" and request.path == "/metrics":
            return Response(self.metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")
        if request.method == "GET" and request.path == "/_activator":
            check_name(request)
            return json_response(asdict(self.replicas.snapshot()))
        return self._pass_on(request)

    def _pass_on(self, request: Request) -> Response:
        try:
            answer = self._ask_a_replica(request)
        except StartFailed as error:
            return refusal(error, log=error.log)
        except ClientLeft:
            raise Abandoned("the client has left") from None
        response = Response(answer.data, answer.status)
        dropped = _HOP_BY_HOP | _SET_HERE
        response.headers = Headers([pair for pair in answer.headers.items() if pair[0].lower() not in dropped])
        response.content_length = len(answer.data)
        return response

    def _ask_a_replica(self, request: Request) -> urllib3.BaseHTTPResponse:
        for _ in range(_REFUSED_LIMIT):
            with self.replicas.slot(request.environ["waitress.client_disconnected"]) as replica:
                try:
                    return self._forward(replica, request)
                except HTTPError as error:
                    self.replicas.doubt(replica)
                    self._raise_unless_resendable(error)
        raise ReplicaDied(f"{_REFUSED_LIMIT} replicas one after the other refused the connection")

    def _raise_unless_resendable(self, error: HTTPError) -> None:
        """A request that no replica got may go to another one; any other may have had its effect."""
        if isinstance(error, ReadTimeoutError):
            raise ReplicaTimedOut(f"no answer within {self.config.function.timeout_s:g} s")
        if not isinstance(error, NewConnectionError):
            raise ReplicaDied(f"the replica hung up while it had the request: {error}")

    def _forward(self, replica: Replica, request: Request) -> urllib3.BaseHTTPResponse:
        # A new connection each time: one that was kept might die unnoticed, and the next request would be lost with it.
        with urllib3.HTTPConnectionPool("127.0.0.1", replica.port) as connection:
            return connection.urlopen(
                request.method,
                request.environ["REQUEST_URI"],
                body=request.get_data() or None,
                headers=_forwarded_headers(request),
                timeout=urllib3.Timeout(total=self.config.function.timeout_s),
                retries=False,
                assert_same_host=False,  # the path may look like a URL, and is the replica's to judge
                decode_content=False,
            )


def _forwarded_headers(request: Request) -> urllib3.HTTPHeaderDict:
    """The client's headers, and those that a proxy owes (Knative runtime contract, "Headers")."""
    headers = urllib3.HTTPHeaderDict()
    for name, value in request.headers.items():
        if name.lower() not in _HOP_BY_HOP:
            headers.add(name, value)
    for name in ("User-Agent", "Accept-Encoding"):  # urllib3 would add its own
        headers.setdefault(name, SKIP_HEADER)
    client = request.remote_addr
    headers.add("Forwarded", f"for={client};proto=http", combine=True)
    headers.add("X-Forwarded-For", str(client), combine=True)
    headers["X-Forwarded-Proto"] = "http"
    headers["Connection"] = "close"
    return headers


def main() -> None:
    """Run an activator until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m cosmoformer.local.knative.activator", description="Run a local activator."
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON file with the fields of ActivatorConfig")
    logs.configure()
    use_one_arena()
    try:
        config = load(ActivatorConfig, parser.parse_args().config)
        activator = Activator(config)
    except CosmoFormerError as error:
        raise SystemExit(f"activator: {error}") from None
    _log.info("activator listens on %s:%s", config.host, config.port)
    serve_until_signalled(activator.server)
    activator.stop()


if __name__ == "__main__":
    main()
