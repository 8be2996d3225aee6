"""Child processes that never outlive us: each in a session of its own, logged to a file, found again after a crash.

``cosmoformer up`` may be killed with ``kill -9`` at any time. Three things then keep the machine clean:

1. the kernel kills each child when its parent dies (``PR_SET_PDEATHSIG``, Linux only);
2. what such a child had started itself (server workers) is found through the child's *record* by `end_leftover`;
3. a record names a process by pid, start time and boot, so a stranger that inherited the pid is never touched.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cosmoformer.errors import PermanentError

_RECORD_VARIABLE = "COSMOFORMER_PROCESS_RECORD"
_POLL_S = 0.02
_LOADING_POLLS = 10
# Below the kernel's default ephemeral range (32768 and up), so no outgoing connection takes a port that was chosen.
_PORT_RANGE = range(20000, 32000)

# A program of its own rather than `preexec_fn`, which may deadlock in a parent with threads. It costs about 15 ms.
# The parent may have died before prctl was reached; then no signal would ever come.
_TETHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent ended before its child had started")
os.execvp(sys.argv[2], sys.argv[2:])
"""

# PR_SET_PDEATHSIG fires when the *thread* that forked ends, not the process. All forks therefore come from this one
# thread, which lives as long as the interpreter, and callers may use any thread.
_FORKING_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="start-process")


class _Process(NamedTuple):
    """A line of the process table: who it is and when it started, in clock ticks since boot."""

    pid: int
    session: int
    started: int


def start_process(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    record: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that is killed when this process ends, however this process ends.

    May be called from any thread. The child leads a session of its own, so Ctrl-C in a terminal reaches only us.
    Children are killed at the latest when the interpreter joins its threads, which is before `atexit` functions
    run: stop them before that with `stop_process` if they should end cleanly.

    Args:
        argv: program, looked up on PATH, and its arguments.
        log: file that standard output and standard error are appended to; its folder is made.
        env: the whole environment of the child; ours if None.
        cwd: folder to start in; ours if None.
        record: file that remembers the process for `end_leftover` of a later run; none is kept if None.

    Returns:
        The running child. Its pid is the program's own, also before the program itself has been loaded.

    Raises:
        PermanentError: the program is not on PATH.
    """
    environment = dict(os.environ if env is None else env)
    if shutil.which(argv[0], path=environment.get("PATH")) is None:
        raise PermanentError(f"cannot start {argv[0]!r}: no such program on PATH", "Install it or correct the path")
    log.parent.mkdir(parents=True, exist_ok=True)
    if record is not None:
        environment[_RECORD_VARIABLE] = str(record.absolute())
    tethered = [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid()), *argv]
    with log.open("ab") as sink:
        child = _FORKING_THREAD.submit(
            subprocess.Popen,
            tethered,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            start_new_session=True,
        ).result()
    if record is not None:
        _write_record(child.pid, record)
    return child


def stop_process(child: subprocess.Popen[bytes], grace_s: float = 5.0) -> int:
    """End a child of `start_process` and all of its process group: SIGTERM, then SIGKILL.

    Args:
        child: what `start_process` returned; it may have ended already.
        grace_s: seconds between the two signals.

    Returns:
        The exit status, negative if a signal ended it.
    """
    _signal_group(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)
    _signal_group(child, signal.SIGKILL)
    return child.wait()


def end_leftover(record: Path, grace_s: float = 3.0) -> bool:
    """End what an earlier run started with this record and left behind, then forget the record.

    Args:
        record: file that was given to `start_process`; it may be absent.
        grace_s: seconds between SIGTERM and SIGKILL.

    Returns:
        Whether anything was still running.
    """
    leftovers = list(_recorded(record))
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal_each(leftovers, number)
        deadline = time.monotonic() + grace_s
        while any(map(_alive, leftovers)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    record.unlink(missing_ok=True)
    return bool(leftovers)


def is_left_over(record: Path) -> bool:
    """Whether something still runs that :func:`end_leftover` would end."""
    return any(_recorded(record))


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on now, outside the range of outgoing connections.

    Raises:
        PermanentError: no free port was found.
    """
    for port in random.sample(_PORT_RANGE, k=200):
        if port_is_free(port):
            return port
    raise PermanentError(f"no free port on 127.0.0.1 among 200 tried from {_PORT_RANGE.start} to {_PORT_RANGE.stop}")


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: connections that linger in TIME_WAIT from an earlier run are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_listened_on(port: int) -> bool:
    """Whether a server on this port of 127.0.0.1 accepts connections now."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # A group keeps its number while it has members, also without its leader; after that the number may be a stranger's.
    if child.returncode is not None and _read_process(child.pid) is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _signal_each(processes: list[_Process], number: signal.Signals) -> None:
    for process in processes:
        if _alive(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _alive(process: _Process) -> bool:
    return _read_process(process.pid) == process


def _write_record(pid: int, record: Path) -> None:
    process = _read_process(pid)
    if process is None:
        return  # it has ended already, so there is nothing to find later
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"pid": pid, "started": process.started, "boot": _boot_id()}))


def _recorded(record: Path) -> Iterator[_Process]:
    """The recorded process and the members of its session that still run."""
    try:
        known = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        return
    if known["boot"] != _boot_id():
        return
    leader = _read_process(known["pid"])
    if leader is not None and leader.started != known["started"]:
        return  # the pid was given to a stranger, which happens only when the whole session had ended
    for process in _processes():
        # The inherited environment tells a stranger's session, whose number is used again, and one that runs in another folder,
        # where the record was copied from.
        if process.session == known["pid"] and _belongs_to(process.pid, record):
            yield process


def _belongs_to(pid: int, record: Path) -> bool:
    environment = b""
    for _ in range(_LOADING_POLLS):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False
        if environment:  # else it may be just loading another program
            break
        time.sleep(_POLL_S)
    return f"{_RECORD_VARIABLE}={record.absolute()}".encode() in environment.split(b"\0")


def _processes() -> Iterator[_Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (process := _read_process(int(entry.name))) is not None:
            yield process


def _read_process(pid: int) -> _Process | None:
    """The process with this pid, or None if there is none or it only waits to be reaped (proc(5), ``stat``)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces
    state, session, started = fields[0], int(fields[3]), int(fields[19])
    return None if state in "ZX" else _Process(pid, session, started)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
