"""The age of a server process."""

from __future__ import annotations

import os
import time
from pathlib import Path


class ProcessClock:
    """The age of this process."""

    def __init__(self) -> None:
        self._began = _process_began()

    def age_s(self) -> float:
        """Seconds since the start."""
        return _uptime() - self._began


def _uptime() -> float:
    """Seconds since the machine started, sleep included: the clock that the kernel dates processes by."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _process_began() -> float:
    """When this process started, as :func:`_uptime` counts (field 22 of proc(5) stat, in ticks)."""
    fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


#: Of the server.
CLOCK = ProcessClock()
