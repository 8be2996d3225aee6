"""Start parts in order, keep them running, end them in reverse order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import urllib3

from cosmoformer.errors import PermanentError, SettingsError
from cosmoformer.local.process import end_leftover, port_is_free, start_process, stop_process

_POLL_S = 0.05
_FIRST_RESTART_S, _LAST_RESTART_S = 0.5, 30.0
_STABLE_S = 60.0  # a part that ran this long starts again without delay


@dataclass(frozen=True)
class Part:
    """A server process of the system.

    Attributes:
        name: for people and log files.
        argv: program and arguments.
        port: where it listens.
        port_setting: the setting that chooses the port.
        health: path that answers 200 once it is ready.
        env: its whole environment.
        start_timeout_s: how long it may take until it is ready.
        stop_grace_s: how long it may take to end after SIGTERM.
    """

    name: str
    argv: Sequence[str]
    port: int
    port_setting: str
    health: str
    env: Mapping[str, str] = field(repr=False)
    start_timeout_s: float = 90.0
    stop_grace_s: float = 10.0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


class Supervisor:
    """Runs parts as child processes.

    Args:
        folder: its ``log/`` and ``run/`` hold the parts' logs and process records.
        report: told, in a sentence, of what happens to a part.
    """

    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        self._folder, self._report = folder, report
        self._parts: dict[str, Part] = {}
        self._children: dict[str, Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._restart_s: dict[str, float] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._http = urllib3.PoolManager(timeout=2, retries=False)

    def launch(self, part: Part) -> None:
        """Start a part without waiting for it, after ending what an earlier run left behind.

        Raises:
            SettingsError: somebody else listens on its port.
        """
        end_leftover(self.record(part.name))
        if not port_is_free(part.port):
            raise SettingsError(
                f"port {part.port} of {part.name} is taken by another program",
                f"End that program, or choose another port: {part.port_setting}=…",
            )
        with self._lock:
            self._parts[part.name] = part
            self._restart_s[part.name] = _FIRST_RESTART_S
            self._spawn(part)

    def wait_ready(self, name: str) -> None:
        """Wait until a part answers.

        Raises:
            PermanentError: it ended, or did not answer in time; the message ends with its log.
        """
        part, child = self._parts[name], self._children[name]
        deadline = time.monotonic() + part.start_timeout_s
        while not self._is_ready(part):
            if child.poll() is not None:
                raise PermanentError(f"{name} ended with status {child.returncode}: {self._tail(name)}")
            if time.monotonic() > deadline:
                raise PermanentError(f"{name} did not answer within {part.start_timeout_s:.0f} s: {self._tail(name)}")
            time.sleep(_POLL_S)

    def watch(self) -> None:
        """Start every part again that has ended, waiting longer each time; returns when :meth:`stop` is called."""
        while not self._stopping.wait(0.5):
            with self._lock:
                for name, child in list(self._children.items()):
                    if child.poll() is not None and not self._stopping.is_set():
                        self._restart(name, child.returncode)

    def stop(self, names: Collection[str] | None = None) -> None:
        """End all parts, or those of some names, the last one first; none is started again from here on."""
        self._stopping.set()
        with self._lock:
            for name in reversed([name for name in self._children if names is None or name in names]):
                stop_process(self._children.pop(name), self._parts[name].stop_grace_s)
                self.record(name).unlink(missing_ok=True)

    def log(self, name: str) -> Path:
        """The log file of a part."""
        return self._folder / "log" / f"{name}.log"

    def pids(self) -> dict[str, int]:
        """Process id by part."""
        return {name: child.pid for name, child in self._children.items()}

    def _spawn(self, part: Part) -> None:
        self._children[part.name] = start_process(
            part.argv, log=self.log(part.name), env=part.env, record=self.record(part.name)
        )
        self._started[part.name] = time.monotonic()

    def _restart(self, name: str, status: int | None) -> None:
        ran_s = time.monotonic() - self._started[name]
        if ran_s > _STABLE_S:
            self._restart_s[name] = _FIRST_RESTART_S
        elif ran_s < self._restart_s[name]:
            return  # not yet: it has only just been started
        self._report(f"{name} ended with status {status}; starting it again (log: {self.log(name)})")
        self._restart_s[name] = min(2 * self._restart_s[name], _LAST_RESTART_S)
        stop_process(self._children[name], 0)  # its workers may have outlived it, and they hold the port
        self._spawn(self._parts[name])

    def _is_ready(self, part: Part) -> bool:
        try:
            return self._http.request("GET", part.url + part.health).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def record(self, name: str) -> Path:
        """The file by which a later run finds what is left of a part."""
        return self._folder / "run" / f"{name}.json"

    def _tail(self, name: str, characters: int = 800) -> str:
        try:
            return self.log(name).read_text(errors="replace")[-characters:].strip() or "its log is empty"
        except OSError:
            return "it has no log"
