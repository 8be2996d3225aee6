"""Memory of a warm server, all its processes together: ``python -m benchmarks.memory``.

Proportional set size (``smaps_rollup``): private pages, and of shared ones the share of each process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import harness, models, pictures, servers
from benchmarks.harness import Goal, Report
from benchmarks.load import closed_loop
from benchmarks.processes import family, pss_mb
from benchmarks.servers import Server
from benchmarks.surroundings import given_or_new
from cosmoformer.settings import Settings

CLIENTS = 16
GOAL_MB = 450.0


def main(argv: list[str] | None = None, around: Settings | None = None) -> Report:
    """Entry point.

    Args:
        argv: options.
        around: store and registry, where they run already.
    """
    parser = harness.parser("memory", "Memory of a warm server, all its processes together.")
    options = parser.parse_args(argv)
    seconds, samples = (1.0, 2) if options.quick else (6.0, 5)
    made = models.prepare()
    report = Report(
        "memory", "PSS of all processes of a server, warm, under load and after it", {"quick": options.quick}
    )
    with (
        tempfile.TemporaryDirectory() as scratch,
        given_or_new(around, Path(scratch) / "system", made.artifact) as settings,
    ):
        folder, files = Path(scratch), pictures.endless()
        # The thesis's serving weighs the same with any number of threads: it is weighed with one.
        others = [] if options.quick else [peer for peer in servers.peers(made, folder) if peer.name != servers.THESIS]
        ours = [servers.classify(settings), servers.scaled_classify(settings)]
        for server in ours[:1] if options.quick else [*ours, *others]:
            try:
                found = _weigh(server, folder, files, seconds, samples)
            except RuntimeError as error:  # one that does not start must not take the others' figures away
                report.notes.append(f"Not measured: {str(error).splitlines()[0]}")
            else:
                report.add(server.name, "PSS", found, "MB")
    report.goals.append(Goal("classify, MB", report.median(servers.OURS, "PSS"), GOAL_MB))
    report.notes.append("Behind the local activator the activator's own process counts too.")
    harness.write(report, options.out)
    return report


def _weigh(server: Server, folder: Path, files: Iterator[bytes], seconds: float, samples: int) -> list[float]:
    with servers.started(server, folder) as running:
        closed_loop(running.target, files, CLIENTS, seconds, warm_s=0.0)
        found = []
        for _ in range(samples):
            closed_loop(running.target, files, CLIENTS, 0.3, warm_s=0.0)
            found.append(pss_mb(family(running.process.pid)))
        return found


if __name__ == "__main__":
    main()
