"""The whole system as a process of its own, as a person starts it, for tests to use, disturb and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import urllib3

from benchmarks.surroundings import free_ports
from cosmoformer import settings as settings_module
from cosmoformer.models.registry import Registry
from cosmoformer.settings_file import FILE_NAME, read_settings_file
from cosmoformer.storage.results import Result, ResultsBucket, result_key
from cosmoformer.storage.store import Store


def wait_until(holds: Callable[[], Any], within_s: float, what: str) -> Any:
    """The first true value of a condition; fails the test when there is none in time."""
    deadline = time.monotonic() + within_s
    while not (value := holds()):
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.05)
    return value


class RunningSystem:
    """``cosmoformer up`` in a folder, on free ports that stay the same over restarts.

    Args:
        folder: its ``DATA_DIR``.
        options: settings, as environment variables.
        python: the interpreter whose CosmoFormer is started.
        cwd: folder that it is started in; None is this process's own.
    """

    def __init__(
        self, folder: Path, options: Mapping[str, str], python: str = sys.executable, cwd: Path | None = None
    ) -> None:
        self.folder, self._python, self._cwd = folder, python, cwd
        self._ports = free_ports()
        self._options = dict(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._http = urllib3.PoolManager(timeout=10, retries=False)

    def start(self, **options: str) -> None:
        """Start, or start again, and wait until it is ready."""
        self._options |= options
        (self.folder / FILE_NAME).unlink(missing_ok=True)
        self.output = self.folder / "up.log"
        self.folder.mkdir(parents=True, exist_ok=True)
        own = {name for name in os.environ if name.startswith(("AWS_", "S3_"))}
        clean = {name: value for name, value in os.environ.items() if name not in own}
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [self._python, "-m", "cosmoformer", "up"],
                cwd=self._cwd,
                env=clean | self._ports | self._options | {"DATA_DIR": str(self.folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._is_up, 180, f"cosmoformer up; it printed: {self.output.read_text()[-2000:]}")
        self.environment = clean | read_settings_file(self.folder / FILE_NAME) | {"DATA_DIR": str(self.folder)}
        self.settings = settings_module.load(self.environment)
        self.store, self.registry = Store(self.settings), Registry(self.settings)
        self.results = ResultsBucket(self.store)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"cosmoformer up ended: {self.output.read_text()[-3000:]}"
        return "ready after" in self.output.read_text()

    def stop(self) -> None:
        """Ctrl-C."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def kill(self) -> None:
        """``kill -9`` of the supervisor and of everything it started."""
        pids = self.pids()
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait(30)

    def pids(self) -> list[int]:
        """Every process but the supervisor whose arguments or environment name this system's folder."""
        assert self._process is not None
        marker = str(self.folder).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in (os.getpid(), self._process.pid):
                continue
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if marker in text:
                found.append(int(entry.name))
        return found

    def classify_pids(self) -> list[int]:
        """The processes of the classify function that run now."""
        return [replica["pid"] for replica in self.activator()["replicas"]]

    def activator(self) -> dict[str, Any]:
        """What the activator says of its replicas."""
        return dict(self._http.request("GET", f"{self.settings.classify_url}/_activator").json())

    def waiting(self) -> int:
        """Deliveries to classify that have not been made yet."""
        lanes = self._http.request("GET", f"{self.settings.k_sink}/queue").json()["triggers"]
        return sum(lane["waiting"] + lane["in_flight"] for lane in lanes if lane["name"] == "classify-objects")

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a ``cosmoformer`` command against this system."""
        done = subprocess.run(
            [self._python, "-m", "cosmoformer", *arguments],
            cwd=self._cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def drop(self, prefix: str, images: Iterable[tuple[str, bytes]]) -> list[str]:
        """Put images into the bucket under a prefix; their keys."""
        keys = []
        for name, content in images:
            keys.append(prefix + name)
            self.store.write(self.settings.images_bucket, keys[-1], content, "image/jpeg")
        return keys

    def wait_for_results(self, keys: Iterable[str], within_s: float = 120) -> dict[str, Result]:
        """The results of these images, once all are there."""
        wanted = {result_key(self.settings, key) for key in keys}
        wait_until(lambda: wanted <= set(self.results.keys()), within_s, f"{len(wanted)} results")
        return {result["image"]["key"]: result for key in keys if (result := self.results.read(key))}
