"""Where the time of a cold start goes: each phase once a process, as one log line and as metrics."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from functions.classify import metrics
from functions.runtime.process_clock import ProcessClock

log = logging.getLogger(__name__)


class StartTimes:
    """Seconds of the phases of one start.

    Phases overlap: the alias is resolved and the artifact downloaded while the modules are imported. ``interpreter``, ``model``
    and ``first_result`` are counted from the start of the server.
    """

    def __init__(self, clock: ProcessClock) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._writing = threading.Lock()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase; only its first run belongs to the start."""
        began = time.perf_counter()
        yield
        self.took(name, time.perf_counter() - began)

    def took(self, name: str, seconds: float) -> bool:
        """Note how long a phase took; False where it has been noted already."""
        with self._writing:
            if name in self._seconds:
                return False
            self._seconds[name] = seconds
        metrics.START_SECONDS.labels(phase=name).set(seconds)
        return True

    def reached(self, name: str) -> bool:
        """Note how long it took from the start of the server until now; False where that has been noted already."""
        return self.took(name, self._clock.age_s())

    def finish(self) -> None:
        """An image has its result: if it is the first, log all phases."""
        if self.reached("first_result"):
            log.info("started", extra={"seconds_of": {name: round(value, 3) for name, value in self._seconds.items()}})
