"""A function in a process of its own, under the middleware that the ``func`` CLI builds it with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import urllib3

from cosmoformer.local.process import free_port
from cosmoformer.settings import SETTINGS, Settings

ROOT = Path(__file__).resolve().parents[2]
_START_S = 60.0
#: Headers that the functions decide on; the others are the server's.
_DECIDED = ("content-type", "retry-after", "allow")


@dataclass(frozen=True)
class Answer:
    """What a function decided."""

    status: int
    headers: dict[str, str]
    body: bytes


def answer(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """What of an HTTP answer is the function's own."""
    lower = {name.lower(): value for name, value in headers.items()}
    if "allow" in lower:  # a set
        lower["allow"] = ", ".join(sorted(lower["allow"].split(", ")))
    return Answer(status, {name: lower[name] for name in lower if name in _DECIDED or name.startswith("ce-")}, body)


@dataclass(frozen=True)
class Served:
    """A process that serves a function."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: object = b"") -> Answer:
        """Ask once, with a connection of its own."""
        with urllib3.PoolManager(retries=False, timeout=30) as pool:
            got = pool.request(method, self.url + path, headers=dict(headers or {}), body=body)  # type: ignore[arg-type]
            return answer(got.status, got.headers, got.data)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Poll until a condition holds; a server that is not there yet makes it false."""
        deadline = time.monotonic() + _START_S
        while True:
            try:
                if condition():
                    return
            except urllib3.exceptions.HTTPError:
                pass
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def wait_until_up(self) -> None:
        """Until it answers probes."""
        self.wait_for(lambda: self.request("GET", "/health/liveness").status == 200)

    def wait_until_ready(self) -> None:
        """Until requests may come."""
        self.wait_for(lambda: self.request("GET", "/health/readiness").status == 200)


def texts(settings: Settings) -> dict[str, str]:
    """The variables that are read as these settings."""
    return {setting.name: _text(getattr(settings, setting.name.lower())) for setting in SETTINGS}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, list) else str(value)


@contextmanager
def process(argv: list[str], folder: Path, variables: Mapping[str, str], port: int, log: Path) -> Iterator[Served]:
    """A server in a process of its own; it is told to end, and must within seconds."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NO_PROXY": "*"} | dict(variables)
    with log.open("wb") as file:
        child = subprocess.Popen(argv, cwd=folder, env=environment, stdout=file, stderr=file)
    try:
        yield Served(f"http://127.0.0.1:{port}", child, log)
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait(15)
    finally:
        child.kill()
        child.wait()


@contextmanager
def under_middleware(
    folder: Path, invoke: Literal["cloudevent", "http"], settings: Settings, log: Path
) -> Iterator[Served]:
    """The package ``function`` of a folder under func-python, started as the CLI's scaffolding starts it."""
    port = free_port()
    program = f"from func_python.{invoke} import serve\nfrom function import new\nserve(new)"
    variables = texts(settings) | {"LISTEN_ADDRESS": f"127.0.0.1:{port}"}
    with process([sys.executable, "-c", program], folder, variables, port, log) as served:
        yield served


@contextmanager
def as_deployed(function: str, variables: Mapping[str, str], log: Path) -> Iterator[Served]:
    """A function as its image starts it."""
    port = free_port()
    argv = [sys.executable, "-m", f"functions.{function}"]
    own = {"HOST": "127.0.0.1", "PORT": str(port)}
    with process(argv, ROOT, dict(variables) | own, port, log) as served:
        yield served
