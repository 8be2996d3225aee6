"""What is done to a running system while images stream in, as a table; and the system it is done to."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.processes import clean_environment, family
from benchmarks.surroundings import free_ports, outside
from cosmoformer import settings as settings_module
from cosmoformer.local.process import start_process, stop_process
from cosmoformer.models.bundled import BUNDLED
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings_file import FILE_NAME, read_settings_file
from cosmoformer.storage.results import ResultsBucket
from cosmoformer.storage.store import Store

_START_S = 240.0
_HELD_S = 10.0  # how long a part is held, or its disk full
_PARTS = ("mlflow", "broker", "ingest", "classify", "page")
_STORE = ("mon", "osd", "rgw")


class DisturbedSystem:
    """``cosmoformer up`` with its default settings in a folder of its own, on ports that stay the same over restarts."""

    def __init__(self, folder: Path) -> None:
        self._data, self._starts = folder / "data", 0
        self._log = folder / "up.log"
        kept = {name: value for name, value in clean_environment().items() if name in outside()}
        self._env = kept | free_ports() | {"DATA_DIR": str(self._data)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, or start again, and wait until it is ready.

        Raises:
            RuntimeError: it ended, or was not ready in time.
        """
        self._starts += 1
        self._log = self._log.with_name(f"up-{self._starts}.log")
        self._process = start_process([sys.executable, "-m", "cosmoformer", "up"], log=self._log, env=self._env)
        deadline = time.monotonic() + _START_S
        while "ready after" not in (text := self._log.read_text(errors="replace")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"`cosmoformer up` did not start: {text[-2000:]}")
            time.sleep(0.1)
        values = read_settings_file(self._data / FILE_NAME) | {"DATA_DIR": str(self._data)}
        self.settings = settings_module.load(values)
        self.store, self.registry = Store(self.settings), Registry(self.settings)
        self.results = ResultsBucket(self.store)

    def end(self, number: signal.Signals) -> None:
        """Tell it to end, as a person or a service manager does, and wait for that."""
        if self._process:
            self._process.send_signal(number)
            self._process.wait(90)

    def close(self) -> None:
        """End it, however it is."""
        if self._process:
            stop_process(self._process, grace_s=60.0)

    def kill_all(self) -> None:
        """``kill -9`` of the supervisor and everything that it started."""
        assert self._process is not None
        pids = [self._process.pid, *self.pids(*_PARTS), *self.pids(*_STORE), *self.classify_pids()]
        _signal(signal.SIGKILL, pids)
        self._process.wait(30)

    def pids(self, *names: str) -> list[int]:
        """The processes of parts, or of the store's daemons, with all that they started."""
        found: list[int] = []
        for name in names:
            record = self._data / ("ceph/run" if name in _STORE else "run") / f"{name}.json"
            with suppress(FileNotFoundError, ValueError):
                found += family(json.loads(record.read_text())["pid"])
        return found

    def classify_pids(self) -> list[int]:
        """The processes of the classify function that run now."""
        with suppress(OSError, ValueError):
            replicas = _json(f"{self.settings.classify_url}/_activator")["replicas"]
            return [pid for replica in replicas for pid in family(replica["pid"])]
        return []

    def classify_ports(self) -> list[int]:
        """Where the processes of the classify function listen that run now."""
        return [replica["port"] for replica in _json(f"{self.settings.classify_url}/_activator")["replicas"]]

    def outstanding(self) -> int:
        """Events that the broker has not brought to an end, dead letters on their way included."""
        lanes = _json(f"{self.settings.k_sink}/queue")["triggers"]
        return sum(lane["waiting"] + lane["in_flight"] + lane["dead_letters_waiting"] for lane in lanes)

    def tracebacks(self) -> int:
        """Exceptions that our servers have logged."""
        logs = [*self._data.rglob("*.log"), self._log]
        return sum(log.read_text(errors="replace").count("Traceback (most recent") for log in logs)

    def dead_letters(self) -> int:
        """Events that were given up."""
        settings = self.settings
        return sum(1 for _ in self.store.list(settings.results_bucket, settings.dead_letters_prefix))

    def written(self, prefix: str) -> list[str]:
        """Image keys of all results that were written, one entry for each time, from what classify logged."""
        lines = (line for log in self._data.glob("classify/**/*.log") for line in log.read_text().splitlines())
        judged = (json.loads(line) for line in lines if '"message": "judged"' in line)
        return [entry["key"] for entry in judged if entry["stands"] and entry["key"].startswith(prefix)]


@contextmanager
def given_or_new(given: DisturbedSystem | None = None) -> Iterator[DisturbedSystem]:
    """A system that runs already, or else one of its own until the block ends."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as scratch:
        made = DisturbedSystem(Path(scratch))
        try:
            made.start()
            yield made
        finally:
            made.close()


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def _signal(number: signal.Signals, pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@dataclass(frozen=True)
class Disturbance:
    """One round.

    Attributes:
        name: of the round.
        act: done once, while images stream in; the disturbance has ended when it returns.
        overwrites: whether some images are replaced by others right after they were dropped.
        deletes: whether some are deleted then.
    """

    name: str
    act: Callable[[DisturbedSystem], None] = lambda _: None
    overwrites: bool = False
    deletes: bool = False


def _kill(*names: str) -> Callable[[DisturbedSystem], None]:
    return lambda system: _signal(signal.SIGKILL, system.pids(*names))


def _kill_classify(system: DisturbedSystem) -> None:
    for _ in range(3):
        _signal(signal.SIGKILL, system.classify_pids())
        time.sleep(2)


def _kill_registry(system: DisturbedSystem) -> None:
    """With classify, whose next process asks it for the model."""
    _signal(signal.SIGKILL, [*system.pids("mlflow"), *system.classify_pids()])


def _kill_all(system: DisturbedSystem) -> None:
    system.kill_all()
    system.start()


def _end(system: DisturbedSystem, number: signal.Signals) -> None:
    system.end(number)
    system.start()


def _hold(*names: str) -> Callable[[DisturbedSystem], None]:
    """SIGSTOP: a process that is there, takes connections and does not answer."""

    def act(system: DisturbedSystem) -> None:
        pids = system.classify_pids() if names == ("classify",) else system.pids(*names)
        _signal(signal.SIGSTOP, pids)
        time.sleep(_HELD_S)
        _signal(signal.SIGCONT, pids)

    return act


def _fill_disk(system: DisturbedSystem) -> None:
    """For the broker no disk has room: none of its files can be written (RLIMIT_FSIZE)."""
    pids = system.pids("broker")
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, most) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    time.sleep(_HELD_S)
    for pid, limits in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def _promote(system: DisturbedSystem) -> None:
    content = (BUNDLED / "model.pt").read_bytes()
    register(system.registry, content, tags={"task": "clean5"}, alias=system.settings.model_alias)


DISTURBANCES: tuple[Disturbance, ...] = (
    Disturbance("kill classify, three times", _kill_classify),
    Disturbance("kill ingest", _kill("ingest")),
    Disturbance("kill the broker", _kill("broker")),
    Disturbance("kill the activator", _kill("classify")),
    Disturbance("kill the store's gateway", _kill("rgw")),
    Disturbance("kill the whole store", _kill(*_STORE)),
    Disturbance("kill the registry", _kill_registry),
    Disturbance("kill everything", _kill_all),
    Disturbance("end with Ctrl-C", partial(_end, number=signal.SIGINT)),
    Disturbance("end with SIGTERM", partial(_end, number=signal.SIGTERM)),
    Disturbance("the broker's disk is full", _fill_disk),
    Disturbance("hold classify", _hold("classify")),
    Disturbance("hold ingest and broker", _hold("ingest", "broker")),
    Disturbance("hold the store", _hold(*_STORE)),
    Disturbance("overwrite", overwrites=True),
    Disturbance("delete", deletes=True),
    Disturbance("promote", _promote),
)
