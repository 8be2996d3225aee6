"""``cosmoformer up`` that is told to end before it is ready."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.surroundings import free_ports
from tests.conftest import require_ceph
from tests.e2e.running_system import wait_until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    """While store and registry are being started, a signal ends the command and all it started within 15 s."""
    require_ceph()
    ports = free_ports()
    with (tmp_path / "up.log").open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "cosmoformer", "up"],
            env=_without_a_store() | ports | {"DATA_DIR": str(tmp_path / "data")},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: {"mlflow", "ceph-mon"} <= _programs(tmp_path), 60, "registry and store are being started")
        signalled = time.monotonic()
        up.send_signal(number)
        status = up.wait(15)
        wait_until(lambda: not _programs(tmp_path), 15 - (time.monotonic() - signalled), "nothing of it runs")
    finally:
        up.kill()
        up.wait()
    printed = (tmp_path / "up.log").read_text()
    assert status == 130
    assert printed.endswith("interrupted\n")
    assert "ready after" not in printed
    assert "Traceback" not in printed


def _without_a_store() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_"))}


def _programs(folder: Path) -> set[str]:
    """Of every process that was given this folder: the program, or the Python module, that it runs."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes()
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if str(folder).encode() in environment:
            found.add(words[words.index("-m") + 1] if "-m" in words[:-1] else Path(words[0]).name)
    return found
