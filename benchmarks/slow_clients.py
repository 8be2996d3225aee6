"""Half-open connections and slow bodies on every server of a running system: ``python -m benchmarks.slow_clients``.

On each server 200 connections stay open that have sent half of a header, then 200 that have sent a header and a byte of the body
that it announces. Meanwhile its probe is asked again and again, and a good request a few times. The same is measured without
them.
"""

from __future__ import annotations

import http.client
import itertools
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks import harness, pictures
from benchmarks.disturbances import DisturbedSystem, given_or_new
from benchmarks.harness import Goal, Report
from cosmoformer.settings import Settings

_HALF_A_HEADER = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
_HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n0"
_CROWDS = {"nobody else": b"", "half a header": _HALF_A_HEADER, "half a body": _HALF_A_BODY}
_PROBE_S, _REQUEST_S = 0.05, 2.0
_TIMEOUT_S = 60.0
_JPEG = {"Content-Type": "image/jpeg"}
_MARKS = itertools.count()


@dataclass(frozen=True)
class Attacked:
    """One server, and what it is asked.

    Attributes:
        name: of the server.
        url: its address.
        probe: path that is answered from memory.
        good: method, path, body and headers of a request of its users.
    """

    name: str
    url: str
    probe: str
    good: tuple[str, str, bytes, Mapping[str, str]] = field(repr=False)

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Ask once, on a connection of its own.

        Raises:
            RuntimeError: it was not answered as it should be.
            OSError: it was not answered in a minute.
        """
        if body and headers is _JPEG:  # one that has not been judged yet
            body = pictures.marked(body, next(_MARKS))
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{self.name} answered {answer.status} to {method} {path}")


def servers(settings: Settings) -> list[Attacked]:
    """Every server of ours on one machine."""
    picture = pictures.galaxies()[0]
    upload = b'{"files": [{"name": "a.jpg", "type": "image/jpeg", "size": 1}]}'
    ping = {"ce-id": "1", "ce-source": "/slow", "ce-type": "org.example.nothing", "ce-specversion": "1.0"}
    return [
        Attacked("ingest", settings.ingest_url, "/health/liveness", ("POST", "/uploads", upload, {})),
        Attacked("activator", settings.classify_url, "/health/liveness", ("POST", "/", picture, _JPEG)),
        Attacked("broker", settings.k_sink, "/health", ("POST", "/", b"", ping)),
        Attacked("page", f"http://127.0.0.1:{settings.page_port}", "/config.json", ("GET", "/", b"", {})),
    ]


def function(system: DisturbedSystem) -> Attacked:
    """The classify process itself, behind the activator; it runs, and goes on running for a minute."""
    activator = servers(system.settings)[1]
    activator.ask(*activator.good)
    port = system.classify_ports()[0]
    return Attacked("classify", f"http://127.0.0.1:{port}", "/health/liveness", activator.good)


@contextmanager
def crowd(url: str, count: int, sent: bytes) -> Iterator[None]:
    """Connections that have begun a request and do not go on."""
    parts = urlsplit(url)
    with ExitStack() as stack:
        for _ in range(count if sent else 0):
            connection = stack.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=10))
            connection.sendall(sent)
        yield


def main(argv: list[str] | None = None, given: DisturbedSystem | None = None) -> Report:
    """Entry point; ``given`` is a running system, in place of one of its own."""
    parser = harness.parser("slow_clients", "Probes and good requests while hundreds of clients send half a request.")
    parser.add_argument("--connections", type=int, default=200, help="that stay open (default: %(default)s)")
    options = parser.parse_args(argv)
    count, probes, requests = (20, 5, 2) if options.quick else (options.connections, 40, 5)
    told = {"quick": options.quick, "connections": count, "probes": probes, "requests": requests}
    report = Report("slow_clients", f"Probes and requests while {count} clients send half a request", told)
    with given_or_new(given) as system:
        for server in [*servers(system.settings), function(system)]:
            for name, sent in _CROWDS.items():
                with crowd(server.url, count, sent):
                    _measure(report, server, name, probes, requests)
    _set_goals(report)
    harness.write(report, options.out)
    return report


def _measure(report: Report, server: Attacked, crowd_name: str, probes: int, requests: int) -> None:
    server.ask(*server.good)  # what is done once is done
    variant = f"{server.name}, {crowd_name}"
    probing = [harness.timed(lambda: server.ask("GET", server.probe)) for _ in range(probes)]
    asking = [harness.timed(lambda: server.ask(*server.good)) for _ in range(requests)]
    report.add(variant, "probe", probing, "s")
    report.add(variant, "good request", asking, "s")
    print(f"{variant}: probe {max(probing) * 1000:.0f} ms, request {max(asking):.2f} s at most", flush=True)
    report.data[variant] = {"probe_s": max(probing), "request_s": max(asking)}


def _set_goals(report: Report) -> None:
    attacked = [longest for variant, longest in report.data.items() if "nobody" not in variant]
    report.goals.append(
        Goal("seconds until a probe is answered, longest", max(m["probe_s"] for m in attacked), _PROBE_S)
    )
    report.goals.append(
        Goal("seconds until a good request is answered, longest", max(m["request_s"] for m in attacked), _REQUEST_S)
    )


if __name__ == "__main__":
    main()
