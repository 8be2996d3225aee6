"""What the model takes from the measured benchmarks, and what they say that it has to reproduce."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.throughput import BARE_ARTIFACT, CPU_AN_IMAGE, best_of


@dataclass(frozen=True)
class Measured:
    """Figures of one machine.

    Attributes:
        cores: its CPUs.
        clients: that waited for their answers at once.
        rate: images a second of classify with so many clients.
        p50: seconds, with these clients.
        shape: seconds of single images in bare loops on all cores, divided by their mean.
        cpu_s: CPU seconds of classify an image.
        load: runs at a part of that rate: arrivals a second, the seconds that pictures were sent, and each image's seconds.
        drops: images at once through the whole system: how many, seconds, seconds of uploading, CPU seconds.
        cold_start_s: from a process's start to its first result.
    """

    cores: int
    clients: int
    rate: float
    p50: float
    shape: tuple[float, ...]
    cpu_s: float
    load: tuple[dict[str, Any], ...]
    drops: tuple[dict[str, Any], ...]
    cold_start_s: float

    @property
    def service_s(self) -> list[float]:
        """Seconds on a core of single images while all cores are busy: what the measured rate leaves each, with the shape."""
        return [self.cores / self.rate * value for value in self.shape]


def measured(folder: Path = harness.RESULTS) -> Measured:
    """Read the last results.

    Raises:
        FileNotFoundError: a benchmark has not been run.
    """
    throughput, backlog, cold = (harness.read(name, folder) for name in ("throughput", "backlog", "cold_start"))
    ours = throughput["figures"][best_of(throughput["figures"])]
    seconds = throughput["data"]["seconds"][BARE_ARTIFACT]
    mean = statistics.fmean(seconds)
    return Measured(
        cores=throughput["machine"]["cores"],
        clients=throughput["options"]["clients"],
        rate=ours["1/s"]["median"],
        p50=ours["p50"]["median"],
        shape=tuple(value / mean for value in seconds),
        cpu_s=ours[CPU_AN_IMAGE]["median"],
        load=tuple(throughput["data"]["at_load"][best_of(throughput["figures"])]),
        drops=tuple(backlog["data"]["drops"]),
        cold_start_s=cold["figures"]["classify"]["seconds"]["median"],
    )
