"""Servers in processes of their own on 127.0.0.1: started, awaited, weighed, ended by their pid."""

from __future__ import annotations

import http.client
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen

from cosmoformer.local.process import start_process, stop_process

START_S = 120.0
_POLL_S = 0.005
_TICKS = os.sysconf("SC_CLK_TCK")
#: Left out of the environment of every server, or the shell's choice of threads would be measured.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCH_THREADS", "WEB_CONCURRENCY")


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without choices of threads, with ``extra``."""
    kept = {name: value for name, value in os.environ.items() if name not in _THREADS}
    own = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"  # some start others by their names
    fixed = {"PATH": own, "PYTHONUNBUFFERED": "1", "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    return kept | fixed | dict(extra or {})


@contextmanager
def running(argv: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path | None = None) -> Iterator[Popen[bytes]]:
    """A program, until the block ends."""
    child = start_process(list(argv), log=log, env=env, cwd=cwd)
    try:
        yield child
    finally:
        members = {pid: _started(pid) for pid in family(child.pid) if pid != child.pid}
        stop_process(child, grace_s=10.0)
        for pid, began in members.items():  # a supervisor's children may lead sessions of their own
            if began and _started(pid) == began:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _started(pid: int) -> str:
    """When a process was started, in ticks since boot; nothing when it is gone."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def answers(port: int, path: str = "/", method: str = "GET") -> bool:
    """Whether a server answers 200 there now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_answers(child: Popen[bytes], port: int, path: str, log: Path) -> None:
    """Wait until a server is ready.

    Raises:
        RuntimeError: it ended, or was not ready within ``START_S`` seconds; the message has the end of its log.
    """
    deadline = time.monotonic() + START_S
    while not answers(port, path):
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server on port {port} did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(_POLL_S)


def family(pid: int) -> list[int]:
    """A process, its descendants, and everything else of its session."""
    parents, sessions = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)], sessions[int(entry.name)] = int(fields[1]), int(fields[3])
    found = [pid]
    for member in found:  # grows while it is walked
        found += [
            other
            for other, parent in parents.items()
            if other not in found and (parent == member or sessions[other] == member)
        ]
    return found


def pss_mb(pids: Sequence[int]) -> float:
    """Proportional set size of some processes together, in MB (10^6 bytes); shared pages count once among those who share."""
    return sum(_pss_bytes(pid) for pid in pids) / 1e6


def _pss_bytes(pid: int) -> int:
    try:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def cpu_s(pids: Sequence[int]) -> float:
    """CPU seconds that some processes, and the children that they waited for, have used so far (proc(5), ``stat``)."""
    return sum(sum(map(int, fields[11:15])) for pid in pids if (fields := _stat(pid))) / _TICKS


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/PID/stat`` from the third on (state, ppid, pgrp, session, ...); none when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
