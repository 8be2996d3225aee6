"""Children end with us, leftovers of a killed run are found, and strangers are left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cosmoformer.errors import PermanentError
from cosmoformer.local.process import end_leftover, free_port, is_left_over, port_is_free, start_process, stop_process

# A server and its worker; the worker is what a SIGKILL of the server leaves behind. Both ignore SIGTERM if asked to.
_SERVER = """
import os, signal, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = os.fork() or os.getpid()
if worker != os.getpid():
    print(os.getpid(), worker, flush=True)
time.sleep(600)
"""
_STARTER = """
import sys, time
from pathlib import Path
from cosmoformer.local.process import start_process
folder = Path(sys.argv[1])
start_process([sys.executable, "-c", sys.argv[2]], log=folder / "log", record=folder / "record")
time.sleep(600)
"""


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def announced(log: Path) -> list[int]:
    """The pids that a server wrote to its log: its own and its worker's."""
    assert until(lambda: log.exists() and log.read_text().endswith("\n"))
    return [int(pid) for pid in log.read_text().split()]


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[tuple[Path, int, int]]:
    """The record of a run that was killed with SIGKILL, the pid of its server and of the server's worker."""
    starter = subprocess.Popen([sys.executable, "-c", _STARTER, str(tmp_path), _SERVER])
    server, worker = announced(tmp_path / "log")
    assert until((tmp_path / "record").exists)
    starter.kill()
    starter.wait()
    yield tmp_path / "record", server, worker
    if lives(worker):
        os.kill(worker, signal.SIGKILL)


def test_a_child_dies_with_its_starter(orphan: tuple[Path, int, int]) -> None:
    """When the starting process is killed with SIGKILL, its child is gone too, though nobody signalled it."""
    _, server, worker = orphan
    assert until(lambda: not lives(server))
    assert lives(worker), "the worker shows that only the direct child is tied to its starter"


def test_the_workers_of_a_killed_run_are_ended(orphan: tuple[Path, int, int]) -> None:
    """The next run finds the orphaned worker through the record of its dead parent, and only once."""
    record, _, worker = orphan
    assert end_leftover(record)
    assert not lives(worker)
    assert not record.exists()
    assert not end_leftover(record)


@pytest.mark.parametrize("difference", [{"started": 1}, {"boot": "another boot"}])
def test_a_stranger_with_a_recorded_pid_lives_on(tmp_path: Path, difference: dict[str, object]) -> None:
    """A process whose start time or boot differs from the record's is a stranger and is not signalled."""
    record = tmp_path / "record"
    stranger = start_process(["sleep", "600"], log=tmp_path / "log", record=record)
    record.write_text(json.dumps(json.loads(record.read_text()) | difference))
    assert not end_leftover(record)
    assert stranger.poll() is None
    stop_process(stranger)


def test_a_copied_record_ends_nothing(tmp_path: Path) -> None:
    """The record in a copied folder is about a process of the folder that it was copied from, which lives on."""
    original, copied = tmp_path / "record", tmp_path / "copy" / "record"
    child = start_process(["sleep", "600"], log=tmp_path / "log", record=original)
    copied.parent.mkdir()
    copied.write_text(original.read_text())
    assert (is_left_over(copied), is_left_over(original)) == (False, True)
    assert not end_leftover(copied)
    assert child.poll() is None
    assert end_leftover(original)
    child.wait()


def test_a_process_is_found_while_it_loads_another_program(tmp_path: Path) -> None:
    """In that moment the kernel shows no environment, by which it is told from a stranger."""
    record, script = tmp_path / "record", tmp_path / "again.sh"
    script.write_text(f"exec sh {script}\n")
    child = start_process(["sh", str(script)], log=tmp_path / "log", record=record)
    assert all(is_left_over(record) for _ in range(200))
    assert end_leftover(record)
    child.wait()


def test_a_damaged_record_ends_nothing(tmp_path: Path) -> None:
    """A record that was cut off by a crash is forgotten."""
    record = tmp_path / "record"
    record.write_text('{"pid": 12')
    assert not end_leftover(record)
    assert not record.exists()


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    """The kernel's signal is tied to the forking thread, so a child of a short-lived thread must not die with that."""
    children: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(
        target=lambda: children.append(start_process([sys.executable, "-c", _SERVER], log=tmp_path / "log"))
    )
    thread.start()
    thread.join()
    announced(tmp_path / "log")
    assert children[0].poll() is None
    stop_process(children[0])


def test_stopping_ends_the_whole_group_even_if_it_ignores_sigterm(tmp_path: Path) -> None:
    """A server and a worker that ignore SIGTERM are both gone after the grace period."""
    child = start_process([sys.executable, "-c", _SERVER, "stubborn"], log=tmp_path / "log")
    server, worker = announced(tmp_path / "log")
    assert stop_process(child, grace_s=0.1) == -signal.SIGKILL
    assert server == child.pid
    assert until(lambda: not lives(worker))
    assert stop_process(child) == -signal.SIGKILL, "stopping twice is allowed"


def test_a_child_has_the_environment_and_folder_it_was_given(tmp_path: Path) -> None:
    """Environment, working folder and both output streams are those that were asked for."""
    script = 'echo "$GALAXY in $PWD"; echo oops >&2'
    child = start_process(["/bin/sh", "-c", script], log=tmp_path / "a" / "log", env={"GALAXY": "M 31"}, cwd=tmp_path)
    assert child.wait(10) == 0
    assert (tmp_path / "a" / "log").read_text() == f"M 31 in {tmp_path}\noops\n"


def test_a_missing_program_is_refused_by_name(tmp_path: Path) -> None:
    """A program that is not on PATH is an error at once, not a child that ends at once."""
    with pytest.raises(PermanentError, match="no-such-program"):
        start_process(["no-such-program"], log=tmp_path / "log")


def test_a_free_port_is_free_and_outside_the_range_of_outgoing_connections() -> None:
    """Nobody listens on a port that was chosen, and no outgoing connection will be given it."""
    port = free_port()
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert port_is_free(port)
    assert port < first_outgoing
