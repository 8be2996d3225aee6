"""From the start of a process to its first result: ``python -m benchmarks.cold_start``.

Ours fetches its model from MLflow each time; the references read theirs from disk. The floor is a process that only imports
torch, loads the artifact and predicts one picture.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import harness, models, pictures, servers
from benchmarks.harness import Goal, Report
from benchmarks.load import Client
from benchmarks.models import Models
from benchmarks.processes import START_S, clean_environment
from benchmarks.servers import Server
from benchmarks.surroundings import given_or_new
from cosmoformer.settings import Settings

IN_PROCESS, IN_PROCESS_THESIS = "in process, our artifact", "in process, thesis's model"
CACHED = "classify, model in its cache"
_POLL_S = 0.01
_OURS = """
import sys
import torch
model = torch.jit.load(sys.argv[1], map_location="cpu").eval()
with torch.inference_mode(), torch.jit.optimized_execution(False):
    model(torch.zeros(1, 3, 424, 424, dtype=torch.uint8)).tolist()
"""
_THEIRS = """
import sys
import torch
model = torch.jit.load(sys.argv[1], map_location="cpu").eval()
with torch.no_grad():
    model(torch.zeros(1, 3, 224, 224)).tolist()
"""


def main(argv: list[str] | None = None, around: Settings | None = None) -> Report:
    """Entry point.

    Args:
        argv: options.
        around: store and registry, where they run already.
    """
    options = harness.parser("cold_start", "From the start of a process to its first result.").parse_args(argv)
    rounds = 1 if options.quick else 3
    made = models.prepare()
    report = Report(
        "cold_start", "Process start to first result, seconds; model fetched from MLflow", {"quick": options.quick}
    )
    with (
        tempfile.TemporaryDirectory() as scratch,
        given_or_new(around, Path(scratch) / "system", made.artifact) as settings,
    ):
        variants = _variants(made, settings, Path(scratch), options.quick)
        for name in () if options.quick else list(variants):
            try:
                variants[name]()  # files come into the page cache, and byte code is written
            except RuntimeError as error:  # one that does not start must not take the others' figures away
                del variants[name]
                report.notes.append(f"Not measured: {str(error).splitlines()[0]}")
        samples = harness.interleaved(rounds, variants)
    for name, found in samples.items():
        report.add(name, "seconds", found, "s")
    report.data["samples"] = samples
    _judge(report, samples)
    harness.write(report, options.out)
    return report


def _variants(made: Models, settings: Settings, folder: Path, quick: bool) -> dict[str, Callable[[], float]]:
    files = pictures.endless()
    counter = iter(range(10**6))

    def fresh() -> float:
        server = servers.classify(settings, cache=folder / f"cache-{next(counter)}")
        return first_result(server, folder, next(files))

    def started(server: Server) -> Callable[[], float]:
        return lambda: first_result(server, folder, next(files))

    found = {
        servers.OURS: fresh,
        IN_PROCESS: _program(_OURS, made.artifact),
    }
    if quick:
        return found
    found[CACHED] = started(servers.classify(settings, cache=folder / "cache-kept"))
    others = [server for server in servers.peers(made, folder) if "1 thread" not in server.name]
    return (
        found | {IN_PROCESS_THESIS: _program(_THEIRS, made.thesis)} | {other.name: started(other) for other in others}
    )


def _program(text: str, model: Path) -> Callable[[], float]:
    argv = [sys.executable, "-c", text, str(model)]
    return lambda: harness.timed(lambda: subprocess.run(argv, check=True, env=clean_environment(), cwd=servers.ROOT))


def first_result(server: Server, folder: Path, jpeg: bytes) -> float:
    """Seconds from the start of a server's process until it has classified a picture, which is sent until it answers.

    Raises:
        RuntimeError: it did not within ``START_S`` seconds.
    """
    begin = time.perf_counter()
    with servers.started(server, folder, wait=False) as running:
        client = Client(running.target)
        while client.send(jpeg)[0] != 200:
            if time.perf_counter() - begin > START_S:
                raise RuntimeError(f"{server.name} gave no result: {running.log.read_text()[-2000:]}")
            time.sleep(_POLL_S)
        client.close()
        return time.perf_counter() - begin


def _judge(report: Report, samples: dict[str, list[float]]) -> None:
    ours = samples[servers.OURS]
    limits = {IN_PROCESS: 1.15, servers.THESIS: 0.45, "LitServe": 0.5}
    for name, limit in limits.items():
        if name in samples:
            what = "import torch, load, one prediction" if name == IN_PROCESS else name
            report.goals.append(Goal(f"first result, against {what}", harness.ratio(ours, samples[name]), limit))


if __name__ == "__main__":
    main()
