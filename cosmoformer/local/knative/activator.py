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
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import urllib3
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.util import SKIP_HEADER
from urllib3.util.wait import wait_for_read

from cosmoformer import logs
from cosmoformer.errors import CosmoFormerError, SettingsError, TransientError
from cosmoformer.local.config import load
from cosmoformer.local.knative.http_server import Handler, LocalServer, serve_until_signalled
from cosmoformer.local.knative.replica import FunctionSpec, Replica
from cosmoformer.local.knative.replica_set import ClientLeft, ReplicaSet, StartFailed

_log = logging.getLogger(__name__)

# Between two neighbours only (RFC 9110, section 7.6.1).
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect")
)
_SET_HERE = frozenset(("content-length", "date", "server"))
_REFUSED_LIMIT = 3


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
        handler = type("ActivatorHandler", (_Handler,), {"activator": self, "body_limit": config.body_limit_mib << 20})
        try:
            self.server = LocalServer((config.host, config.port), handler)
        except OSError as error:
            raise SettingsError(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from None
        self.replicas = ReplicaSet(config.function)

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


class _Handler(Handler):
    activator: Activator

    def answer(self, body: bytes) -> None:
        path = self.path.partition("?")[0]
        if self.command in ("GET", "HEAD") and path.startswith("/health/"):
            self.send_json({"status": "ok"})
        elif self.command == "GET" and path == "/metrics":
            self.send(200, self.activator.metrics(), [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")])
        elif self.command == "GET" and path == "/_activator":
            self.send_json(asdict(self.activator.replicas.snapshot()))
        else:
            self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        try:
            answer = self._ask_a_replica(body)
        except StartFailed as error:
            self.send_problem(error, log=error.log)
        except ClientLeft:
            self.close_connection = True
        else:
            dropped = _HOP_BY_HOP | _SET_HERE
            own = [(name, value) for name, value in answer.headers.items() if name.lower() not in dropped]
            self.send(answer.status, answer.data, own)

    def _ask_a_replica(self, body: bytes) -> urllib3.BaseHTTPResponse:
        for _ in range(_REFUSED_LIMIT):
            with self.activator.replicas.slot(self._client_left) as replica:
                try:
                    return self._forward(replica, body)
                except HTTPError as error:
                    self.activator.replicas.doubt(replica)
                    self._raise_unless_resendable(error)
        raise ReplicaDied(f"{_REFUSED_LIMIT} replicas one after the other refused the connection")

    def _raise_unless_resendable(self, error: HTTPError) -> None:
        """A request that no replica got may go to another one; any other may have had its effect."""
        if isinstance(error, ReadTimeoutError):
            raise ReplicaTimedOut(f"no answer within {self.activator.config.function.timeout_s:g} s")
        if not isinstance(error, NewConnectionError):
            raise ReplicaDied(f"the replica hung up while it had the request: {error}")

    def _forward(self, replica: Replica, body: bytes) -> urllib3.BaseHTTPResponse:
        # A new connection each time: one that was kept might die unnoticed, and the next request would be lost with it.
        with urllib3.HTTPConnectionPool("127.0.0.1", replica.port) as connection:
            return connection.urlopen(
                self.command,
                self.path,
                body=body or None,
                headers=self._forwarded_headers(),
                timeout=urllib3.Timeout(total=self.activator.config.function.timeout_s),
                retries=False,
                assert_same_host=False,  # the path may look like a URL, and is the replica's to judge
                decode_content=False,
            )

    def _forwarded_headers(self) -> urllib3.HTTPHeaderDict:
        """The client's headers, and those that a proxy owes (Knative runtime contract, "Headers")."""
        headers = urllib3.HTTPHeaderDict()
        for name, value in self.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                headers.add(name, value)
        for name in ("User-Agent", "Accept-Encoding"):  # urllib3 would add its own
            headers.setdefault(name, SKIP_HEADER)
        client = self.client_address[0]
        headers.add("Forwarded", f"for={client};proto=http", combine=True)
        headers.add("X-Forwarded-For", client, combine=True)
        headers["X-Forwarded-Proto"] = "http"
        headers["Connection"] = "close"
        return headers

    def _client_left(self) -> bool:
        if not wait_for_read(self.connection, timeout=0):
            return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True


def main() -> None:
    """Run an activator until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m cosmoformer.local.knative.activator", description="Run a local activator."
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON file with the fields of ActivatorConfig")
    logs.configure()
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
