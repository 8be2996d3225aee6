"""Thousands of mutated requests at every route of a running system: ``python -m benchmarks.fuzz --requests 10000``.

What is mutated are requests that are right (:mod:`benchmarks.routes`). Counted are the answers, those that blame the server, and
how much memory its process has taken meanwhile.
"""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from benchmarks import harness, pictures, routes
from benchmarks.disturbances import DisturbedSystem, given_or_new
from benchmarks.harness import Goal, Report
from benchmarks.mutations import Request, Route, mutated

_CLIENTS = 4
_TIMEOUT_S = 120.0
_GROWTH_MB = 64.0  # within which memory counts as flat: buffers of the largest bodies stay with the allocator


@dataclass(frozen=True)
class Target:
    """A server and its routes.

    Attributes:
        name: of the server.
        url: its address.
        routes: all of them.
        pid: its process.
    """

    name: str
    url: str
    routes: list[Route]
    pid: int


def targets(system: DisturbedSystem) -> Iterator[Target]:
    """Every server of ours on one machine; classify behind its activator."""
    settings, picture = system.settings, pictures.galaxies()[0]
    yield Target("ingest", settings.ingest_url, routes.ingest(settings), system.pids("ingest")[0])
    yield Target("classify", settings.classify_url, routes.classify(settings, picture), system.pids("classify")[0])
    yield Target("broker", settings.k_sink, routes.broker(), system.pids("broker")[0])
    yield Target("page", f"http://127.0.0.1:{settings.page_port}", routes.page(), system.pids("page")[0])


def exchange(netloc: str, request: Request) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of the answer to a request on a connection of its own.

    Raises:
        OSError: there is none.
        HTTPException: it is no answer of HTTP.
    """
    connection = http.client.HTTPConnection(netloc, timeout=_TIMEOUT_S)
    try:
        connection.putrequest(request.method, request.target, skip_host="Host" in request.headers)
        for name, value in {**request.headers, "Content-Length": str(len(request.body))}.items():
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers.items()), answer.read()
    finally:
        connection.close()


def send(netloc: str, request: Request) -> int:
    """The status of the answer; 0 where the connection ended without one."""
    try:
        return exchange(netloc, request)[0]
    except (ConnectionError, http.client.HTTPException):
        return 0


def attack(target: Target, route: Route, requests: int) -> Counter[int]:
    """Answers by status."""
    netloc = urlsplit(target.url).netloc

    def some(first: int) -> Counter[int]:
        return Counter(send(netloc, mutated(route, Random(seed))) for seed in range(first, requests, _CLIENTS))

    with ThreadPoolExecutor(_CLIENTS) as pool:
        return sum(pool.map(some, range(_CLIENTS)), Counter())


def main(argv: list[str] | None = None, given: DisturbedSystem | None = None) -> Report:
    """Entry point; ``given`` is a running system, in place of one of its own."""
    parser = harness.parser("fuzz", "Thousands of mutated requests at every route of a running system.")
    parser.add_argument("--requests", type=int, default=10_000, help="to each route (default: %(default)s)")
    options = parser.parse_args(argv)
    requests = 20 if options.quick else options.requests
    told = {"quick": options.quick, "requests": requests}
    report = Report("fuzz", f"{requests:,} mutated requests at each route", told)
    with given_or_new(given) as system:
        for target in targets(system):
            _attack_all(report, target, requests)
        report.data["tracebacks"] = system.tracebacks()
    _set_goals(report)
    harness.write(report, options.out)
    return report


def _attack_all(report: Report, target: Target, requests: int) -> None:
    for route in target.routes:  # what is allocated once is no growth
        attack(target, route, max(20, requests // 10))
    before = _memory_mb(target.pid)
    for route in target.routes:
        answers = attack(target, route, requests)
        variant = f"{target.name}, {route.name}"
        for status, count in sorted(answers.items()):
            report.add(variant, f"answered {status}", [count], "")
        print(f"{variant}: {dict(sorted(answers.items()))}", flush=True)
    report.add(target.name, "memory grown by", [_memory_mb(target.pid) - before], "MB")


def _memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


def _set_goals(report: Report) -> None:
    answered = {
        quantity: sum(found[quantity].median for found in report.figures.values() if quantity in found)
        for quantity in {quantity for found in report.figures.values() for quantity in found}
    }
    faults = sum(n for q, n in answered.items() if q.startswith("answered 5") and q != "answered 503")
    report.goals.append(Goal("requests without an answer", answered.get("answered 0", 0.0), 0))
    grown = max(found["memory grown by"].median for found in report.figures.values() if "memory grown by" in found)
    report.goals.append(Goal("answers of 500 and more, but 503", faults, 0))
    report.goals.append(Goal("tracebacks in logs", report.data["tracebacks"], 0))
    report.goals.append(Goal("megabytes that a server has grown by, most", grown, _GROWTH_MB))


if __name__ == "__main__":
    main()
