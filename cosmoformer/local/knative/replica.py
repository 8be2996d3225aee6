"""One process of a function: how it is started, when it is ready, what it wrote."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from cosmoformer.local.config import require
from cosmoformer.local.process import free_port, start_process

_PROBE_EVERY_S = 0.02
_PROBE_TIMEOUT_S = 1.0
_WATCH_EVERY_S = 0.05
_LOG_TAIL_BYTES = 4096


@dataclass(frozen=True)
class FunctionSpec:
    """A function and its scaling; the names follow Knative's ``Service`` where it has one.

    Attributes:
        name: name of the function, ``K_SERVICE`` in its environment.
        argv: program and arguments; ``{port}`` stands for the port it must listen on (also in ``PORT``).
        folder: where logs and process records go.
        env: added to this process's environment.
        cwd: folder to start in.
        container_concurrency: requests that one replica gets at a time.
        max_replicas: most replicas at a time.
        idle_s: a replica without requests for this long is ended.
        startup_deadline_s: a replica that is not ready by then is ended; above model download and load.
        timeout_s: longest wait in line, and longest wait for an answer.
        grace_s: seconds between SIGTERM and SIGKILL.
        max_waiting: longest line; more requests are turned away.
        readiness_path: answers 200 once requests may come.
    """

    name: str
    argv: tuple[str, ...]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    container_concurrency: int = 1
    max_replicas: int = 2
    idle_s: float = 60.0
    startup_deadline_s: float = 120.0
    timeout_s: float = 300.0
    grace_s: float = 10.0
    max_waiting: int = 256
    readiness_path: str = "/health/readiness"

    def __post_init__(self) -> None:
        require(bool(self.argv), f"function {self.name!r}: argv is empty")
        for name in (
            "container_concurrency",
            "max_replicas",
            "max_waiting",
            "idle_s",
            "startup_deadline_s",
            "timeout_s",
        ):
            require(getattr(self, name) > 0, f"function {self.name!r}: {name} must be above 0")


class Replica:
    """One process of the function."""

    def __init__(self, spec: FunctionSpec, number: int) -> None:
        self.number = number
        self.port = free_port()
        self.ready = False
        self.ready_after_s: float | None = None  # from its start, the first time
        self.in_flight = 0
        self._doubted = threading.Event()
        self.started = self.idle_since = time.monotonic()
        self.record = spec.folder / f"{spec.name}-{number}.process"
        self._log_file = spec.folder / f"{spec.name}-{number}.log"
        self._log_start = self._log_file.stat().st_size if self._log_file.exists() else 0
        own = {"PORT": str(self.port), "K_SERVICE": spec.name, "K_REVISION": spec.name, "K_CONFIGURATION": spec.name}
        self.process = start_process(
            [argument.replace("{port}", str(self.port)) for argument in spec.argv],
            env={**os.environ, **spec.env, **own},
            cwd=spec.cwd,
            log=self._log_file,
            record=self.record,
        )

    def doubt(self) -> None:
        """Have it probed again before it gets another request."""
        self.ready = False
        self._doubted.set()

    def wait_doubted(self) -> None:
        """Wait until it is doubted or its process has ended."""
        while self.process.poll() is None and not self._doubted.wait(_WATCH_EVERY_S):
            pass
        self._doubted.clear()

    def wait_ready(self, path: str, deadline_s: float) -> bool:
        """Wait until the readiness probe succeeds; False if the process ends before, or the deadline passes."""
        url = f"http://127.0.0.1:{self.port}{path}"
        deadline = time.monotonic() + deadline_s
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if urllib3.request("GET", url, timeout=_PROBE_TIMEOUT_S, retries=False).status == 200:
                    return True
            except urllib3.exceptions.HTTPError:
                pass  # it does not listen yet
            time.sleep(_PROBE_EVERY_S)
        return False

    def log_tail(self) -> str:
        """The end of what this process wrote."""
        with self._log_file.open("rb") as log:
            log.seek(max(self._log_start, self._log_file.stat().st_size - _LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")
