"""Parts: started, waited for, started again, ended."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosmoformer.cpus import cpu_limit
from cosmoformer.errors import PermanentError, SettingsError
from cosmoformer.local import parts
from cosmoformer.local.parts import (
    concurrency,
    environment,
    local_environment,
    max_replicas,
    predictions_at_once,
    triggers,
)
from cosmoformer.local.process import free_port
from cosmoformer.local.supervisor import Part, Supervisor
from cosmoformer.settings import load
from tests.e2e.running_system import wait_until


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, notes: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path, notes.append)
    yield supervisor
    supervisor.stop()


def server(port: int) -> Part:
    """A real HTTP server that answers 200 to its root."""
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    return Part("files", argv, port, "FILES_PORT", "/", dict(os.environ))


def test_a_part_is_started_and_ended(supervisor: Supervisor) -> None:
    """A part answers once it is ready, and is gone after the stop."""
    supervisor.launch(server(free_port()))
    supervisor.wait_ready("files")
    pid = supervisor.pids()["files"]
    supervisor.stop()
    assert not Path(f"/proc/{pid}").exists()


def test_a_part_that_dies_is_started_again(supervisor: Supervisor, notes: list[str]) -> None:
    """After kill -9 the part answers again under a new pid, and the person is told."""
    supervisor.launch(server(free_port()))
    supervisor.wait_ready("files")
    threading.Thread(target=supervisor.watch, daemon=True).start()
    before = supervisor.pids()["files"]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: supervisor.pids()["files"] != before, 15, "a new process")
    supervisor.wait_ready("files")
    assert "files ended with status -9" in notes[0]


def test_a_taken_port_names_the_setting(supervisor: Supervisor, tmp_path: Path) -> None:
    """A port that another program has is refused, with the setting that chooses another one."""
    port = free_port()
    supervisor.launch(server(port))
    supervisor.wait_ready("files")
    with pytest.raises(SettingsError, match="FILES_PORT"):
        Supervisor(tmp_path / "other", print).launch(server(port))


def test_a_part_that_cannot_start_shows_its_log(supervisor: Supervisor) -> None:
    """A part that ends at once is reported with its status and the end of its log."""
    argv = [sys.executable, "-c", "import sys; print('the disk is full'); sys.exit(3)"]
    supervisor.launch(Part("broken", argv, free_port(), "BROKEN_PORT", "/", dict(os.environ)))
    with pytest.raises(PermanentError, match="status 3: the disk is full"):
        supervisor.wait_ready("broken")


@pytest.mark.parametrize(
    ("given", "direct"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "example.org, 127.0.0.10"}, "example.org,127.0.0.10,127.0.0.1,localhost"),
        ({"no_proxy": "localhost"}, "localhost,127.0.0.1"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_a_part_is_led_neither_to_another_account_nor_through_a_proxy(given: dict[str, str], direct: str) -> None:
    """Of a shell's variables for AWS only trusted certificates remain, and this machine is reached directly."""
    shell = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "t", "AWS_ENDPOINT_URL": "https://x", "AWS_CA_BUNDLE": "/ca"}
    kept = local_environment(shell | {"PATH": "/bin"} | given)
    assert kept == {"PATH": "/bin", "AWS_CA_BUNDLE": "/ca", "NO_PROXY": direct, "no_proxy": direct}


def test_a_part_has_the_shells_role_when_that_gives_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a store that the shell names and has no keys for, profiles and roles go on to every part; an empty one does not."""
    shell = {"S3_ENDPOINT_URL": "https://s3.example.org", "AWS_ROLE_ARN": "arn:role", "AWS_PROFILE": ""}
    for name, value in ({"AWS_SECRET_ACCESS_KEY": ""} | shell).items():
        monkeypatch.setenv(name, value)
    found = environment(load(shell))
    assert (found["AWS_ROLE_ARN"], found["AWS_REGION"]) == ("arn:role", "us-east-1")
    assert not found.get("AWS_SECRET_ACCESS_KEY") and "AWS_ACCESS_KEY_ID" not in found
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
    assert "AWS_ROLE_ARN" not in environment(load(shell | {"AWS_SECRET_ACCESS_KEY": "own"}))


@pytest.mark.parametrize("cpus, processes, at_once", [(1, 1, 1), (2, 1, 2), (4, 1, 4), (6, 2, 3), (64, 8, 8)])
def test_the_cpus_are_shared_out_among_the_processes(
    monkeypatch: pytest.MonkeyPatch, cpus: int, processes: int, at_once: int
) -> None:
    """Without a word from the settings every four CPUs have a process, 8 at most, and each CPU a prediction."""
    monkeypatch.setattr(parts, "cpu_limit", lambda: cpus)
    settings = load({})
    assert (max_replicas(settings), predictions_at_once(settings)) == (processes, at_once)


def test_more_processes_have_fewer_predictions_each() -> None:
    """MAX_REPLICAS is taken as it is; each of the processes still predicts."""
    assert max_replicas(load({}, max_replicas=20)) == 20
    assert predictions_at_once(load({}, max_replicas=20)) == max(1, cpu_limit() // 20)
    assert concurrency(load({}, predictions_at_once=3)) == 6


def test_a_delivery_may_take_what_the_setting_says() -> None:
    """DELIVERY_TIMEOUT_SECONDS is the timeout of the triggers of the classify function, with nothing added."""
    made = triggers(load({}, delivery_timeout_seconds=77.0), "http://127.0.0.1:9", {"inclination": 8090})
    assert {trigger.delivery.timeout_s for trigger in made if trigger.name.startswith("classify")} == {77.0}


# A server as MLflow's is: the process that is started has another one do the work, which outlives its kill -9.
_TWO_PROCESSES = """
import subprocess, sys
server = subprocess.Popen([sys.executable, "-m", "http.server", sys.argv[1], "--bind", "127.0.0.1"])
sys.exit(server.wait())
"""


def test_what_a_killed_part_left_running_is_ended_before_its_restart(supervisor: Supervisor, notes: list[str]) -> None:
    """The worker of a part that was killed with -9 gives its port up to the new one."""
    port = free_port()
    argv = [sys.executable, "-c", _TWO_PROCESSES, str(port)]
    supervisor.launch(Part("pair", argv, port, "PAIR_PORT", "/", dict(os.environ)))
    supervisor.wait_ready("pair")
    parent = supervisor.pids()["pair"]
    orphan = _children(parent)[0]
    os.kill(parent, signal.SIGKILL)
    assert _runs(orphan)
    threading.Thread(target=supervisor.watch, daemon=True).start()
    wait_until(lambda: not _runs(orphan), 15, "the orphan is ended")
    wait_until(lambda: supervisor.pids()["pair"] != parent, 15, "a new process")
    supervisor.wait_ready("pair")
    assert _children(supervisor.pids()["pair"])
    assert len(notes) == 1


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
