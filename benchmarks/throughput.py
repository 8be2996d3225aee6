"""Pictures a second with 16 clients, and the delay at 70 % of that: ``python -m benchmarks.throughput``.

Against bare loops on the same cores (the floor), and the peers. One server runs at a time; rounds are interleaved.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import bare, harness, models, pictures, servers
from benchmarks.harness import Goal, Report
from benchmarks.load import TIMEOUT_S, Outcome, check, closed_loop, open_loop, poisson
from benchmarks.models import Models
from benchmarks.processes import cpu_s, family
from benchmarks.servers import OURS, OURS_SCALED, Server
from benchmarks.surroundings import given_or_new
from cosmoformer.settings import Settings

CLIENTS = 16
LOAD = 0.7  # of the throughput
BARE_ARTIFACT = "bare loop, our artifact"
CPU_AN_IMAGE = "CPU seconds an image"
_BARE = {"artifact": BARE_ARTIFACT, "thesis": "bare loop, thesis's model", "onnx": "bare loop, ONNX Runtime"}
_NOTHING = 0.01  # images a second; so that one that answers nothing can be compared with
_DELAY_S = 0.2  # the thesis's own requirement


class _Bench:
    def __init__(self, report: Report, made: Models, settings: Settings, folder: Path, seconds: float) -> None:
        self.report, self.made, self.settings = report, made, settings
        self.folder, self.seconds = folder, seconds
        self.clients = 2 if report.options["quick"] else CLIENTS
        self.files = pictures.endless()
        self.samples: dict[str, dict[str, list[float]]] = {}

    def note(self, variant: str, quantity: str, value: float) -> None:
        self.samples.setdefault(variant, {}).setdefault(quantity, []).append(value)

    def bare(self, kind: str) -> None:
        rate, seconds = bare.rate(kind, self.made, self.seconds, 3.0 if self.report.options["quick"] else 8.0)
        self.note(_BARE[kind], "1/s", rate)
        self.report.data.setdefault("seconds", {})[_BARE[kind]] = _thinned(seconds)

    def serve(self, server: Server, warm_s: float) -> None:
        with servers.started(server, self.folder) as running:
            check(running.target, next(self.files))
            closed_loop(running.target, self.files, self.clients, 0.5, warm_s)
            before, own_before = cpu_s(family(running.process.pid)), time.process_time()
            outcome = closed_loop(running.target, self.files, self.clients, self.seconds, warm_s=0.0)
            used, own = cpu_s(family(running.process.pid)) - before, time.process_time() - own_before
            self._note_outcome(server.name, outcome)
            if outcome.seconds:
                self.note(server.name, CPU_AN_IMAGE, used / len(outcome.seconds))
                self.note(server.name, f"{CPU_AN_IMAGE}, of the clients", own / len(outcome.seconds))
            if server.name in (OURS, OURS_SCALED) and outcome.rate:
                rate, sent_s = LOAD * outcome.rate, 2 * self.seconds
                at_load = open_loop(running.target, self.files, poisson(rate, sent_s))
                self._note_load(server.name, at_load)
                runs = self.report.data.setdefault("at_load", {}).setdefault(server.name, [])
                runs.append({"rate": rate, "sent_s": sent_s, "seconds": _thinned(at_load.seconds)})

    def _note_outcome(self, name: str, outcome: Outcome) -> None:
        self.note(name, "1/s", outcome.rate)
        self.note(name, "success", 100 * outcome.success)
        self.note(name, "p50", min(outcome.quantile(0.5), TIMEOUT_S))
        self.note(name, "p95", min(outcome.quantile(0.95), TIMEOUT_S))

    def _note_load(self, name: str, outcome: Outcome) -> None:
        self.note(name, f"p50 at {LOAD:.0%} load", min(outcome.quantile(0.5), TIMEOUT_S))
        self.note(name, f"p95 at {LOAD:.0%} load", min(outcome.quantile(0.95), TIMEOUT_S))

    def figures(self) -> None:
        units = {"1/s": "1/s", "success": "%"}
        for variant, quantities in self.samples.items():
            for quantity, values in quantities.items():
                self.report.add(variant, quantity, values, units.get(quantity, "s"))


def main(argv: list[str] | None = None, around: Settings | None = None) -> Report:
    """Entry point.

    Args:
        argv: options.
        around: store and registry, where they run already.
    """
    parser = harness.parser("throughput", "Pictures a second with 16 clients, and the delay at 70 % of that.")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    options = parser.parse_args(argv)
    rounds, seconds = (1, 1.0) if options.quick else (options.rounds, options.seconds)
    made = models.prepare()
    told = {"quick": options.quick, "rounds": rounds, "seconds": seconds, "clients": 2 if options.quick else CLIENTS}
    report = Report("throughput", f"{CLIENTS} clients that each wait for their answer; 424² JPEG", told)
    with (
        tempfile.TemporaryDirectory() as scratch,
        given_or_new(around, Path(scratch) / "system", made.artifact) as settings,
    ):
        bench = _Bench(report, made, settings, Path(scratch), seconds)
        others = [servers.thesis(made, threads=1)] if options.quick else servers.peers(made, Path(scratch))
        steps = _steps(bench, others, warm_s=0.5 if options.quick else 3.0)
        for turn in range(rounds):
            shift = turn % len(steps)
            for step in steps[shift:] + steps[:shift]:
                try:
                    step()
                except RuntimeError as error:  # one that does not start must not take the others' figures away
                    report.notes.append(f"Not measured: {str(error).splitlines()[0]}")
    bench.figures()
    _judge(report, [server.name for server in others])
    harness.write(report, options.out)
    return report


def _steps(bench: _Bench, others: list[Server], warm_s: float) -> list[Callable[[], None]]:
    def serve(server: Server) -> Callable[[], None]:
        return lambda: bench.serve(server, warm_s)

    def loop(kind: str) -> Callable[[], None]:
        return lambda: bench.bare(kind)

    ours = [servers.classify(bench.settings), servers.scaled_classify(bench.settings)]
    if bench.report.options["quick"]:
        return [loop("artifact"), serve(ours[0]), serve(others[0])]
    return [*map(loop, bare.KINDS), *map(serve, ours), *map(serve, others)]


def best_of(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Which way of serving ours answers more, from a report's figures in JSON."""
    return max((name for name in (OURS, OURS_SCALED) if name in figures), key=lambda name: _rate(figures[name]))


def _rate(figures: Mapping[str, Any]) -> float:
    return float(figures["1/s"]["median"])


def _judge(report: Report, others: list[str]) -> None:
    ours = best_of(report.document()["figures"])
    rate, p95 = report.median(ours, "1/s"), report.median(ours, "p95")
    floor = max(report.median(_BARE[kind], "1/s") for kind in ("artifact", "thesis") if _BARE[kind] in report.figures)
    report.goals.append(Goal("throughput, against the best bare loop", rate / floor, 0.9, at_least=True))
    measured = [name for name in others if name in report.figures]
    for name in measured:
        theirs = max(report.median(name, "1/s"), _NOTHING)
        report.goals.append(Goal(f"throughput, against {name}", rate / theirs, 2.0, at_least=True))
    best = min(report.median(name, "p95") for name in measured)
    report.goals.append(Goal("p95, against the best peer's", p95 / best, 0.5))
    report.goals.append(
        Goal(f"p95 at {LOAD:.0%} load, seconds", report.median(ours, f"p95 at {LOAD:.0%} load"), _DELAY_S)
    )
    report.notes.append(
        f"Goals are judged on: {ours}. Peers run the thesis's traced model, as they would without our export."
    )


def _thinned(samples: list[float], most: int = 400) -> list[float]:
    """Evenly chosen samples in order of size, for a distribution that is not too long to keep."""
    ordered = sorted(samples)
    step = max(1, len(ordered) // most)
    return [round(value, 5) for value in ordered[step // 2 :: step]]


if __name__ == "__main__":
    main()
