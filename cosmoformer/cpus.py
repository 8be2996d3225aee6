"""How many CPUs a process may use: its container's limit, not the node's cores."""

from __future__ import annotations

import math
import os
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")  # cgroup v2: "<quota> <period>" in microseconds, or "max <period>"


def cpu_limit(cpu_max: Path = CPU_MAX) -> int:
    """Whole CPUs that this process may use, at least 1: the least of its affinity and its cgroup's quota, rounded up."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, math.ceil(int(quota) / int(period))))
