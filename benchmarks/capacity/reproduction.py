"""The measured benchmarks, simulated: throughput and delay at 16 clients, delay at 70 % load, images dropped at once."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from benchmarks.capacity.manifest import Scaling
from benchmarks.capacity.measured import Measured
from benchmarks.capacity.simulation import Simulation, Work
from benchmarks.harness import percentile
from benchmarks.load import poisson

TOLERANCE = 0.15
_MACHINE = Scaling(
    target=2.0,
    container_concurrency=2,
    min_scale=0,
    max_scale=0,
    activation_scale=1,
    scale_down_delay_s=30.0,
    retention_s=30.0,
    timeout_s=300.0,
)


@dataclass(frozen=True)
class Comparison:
    """One figure, measured in one or several runs, and simulated."""

    what: str
    runs: tuple[float, ...]
    simulated: float

    @property
    def measured(self) -> float:
        """Median of the runs."""
        return statistics.median(self.runs)

    @property
    def error(self) -> float:
        """How far the simulation is off the range of the runs, as a share; short runs of one machine differ by a quarter."""
        nearest = min(max(self.simulated, min(self.runs)), max(self.runs))
        return abs(self.simulated / nearest - 1)


def comparisons(found: Measured) -> list[Comparison]:
    """All of them."""
    return [*_saturated(found), *_at_load(found), *_backlog(found)]


def _machine(found: Measured, service_s: list[float]) -> Simulation:
    """One machine: as many processes as cores, which they share."""
    return Simulation(_MACHINE, Work(service_s, cold_start_s=found.cold_start_s), shared_cpus=found.cores)


def _saturated(found: Measured) -> list[Comparison]:
    outcome = _machine(found, found.service_s).run_clients(found.clients, seconds=60.0, pods=found.cores)
    return [
        Comparison(f"images/s, {found.clients} clients", (found.rate,), len(outcome.delays) / outcome.end),
        Comparison(f"p50 with {found.clients} clients, seconds", (found.p50,), percentile(outcome.delays, 0.5)),
    ]


def _at_load(found: Measured) -> list[Comparison]:
    """The very arrivals that were measured, so that chance plays no part."""
    ran = []
    for run in found.load:
        outcome = _machine(found, found.service_s).run(
            poisson(run["rate"], run["sent_s"]), pods=found.cores, is_scaled=False
        )
        ran.append((run["seconds"], outcome.delays))
    return [
        Comparison(
            f"{name} at 70 % load, seconds",
            tuple(percentile(theirs, share) for theirs, _ in ran),
            statistics.median(percentile(ours, share) for _, ours in ran),
        )
        for name, share in (("p50", 0.5), ("p95", 0.95))
    ]


def _backlog(found: Measured) -> list[Comparison]:
    """Everything that happens to an image here costs CPU of the same cores, from its upload to its result."""
    drop = max(found.drops, key=lambda drop: int(drop["images"]))
    images = int(drop["images"])
    service = [drop["cpu_s"] / images * value for value in found.shape]
    times = [drop["uploaded_s"] * number / images for number in range(images)]
    outcome = _machine(found, service).run(times)
    return [Comparison(f"seconds for {images:,} images at once", (drop["seconds"],), outcome.end)]
