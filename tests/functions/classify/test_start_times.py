"""Where the time of a cold start goes: told once, by a served function and by its metrics."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from cosmoformer.models.bundled import BUNDLED
from functions.runtime.process_clock import ProcessClock
from tests.functions.classify.conftest import Deployment
from tests.functions.under_middleware import Served, texts, under_gunicorn

PHASES = {"interpreter", "imports", "alias", "download", "load", "warm_up", "model", "first_result"}


def started(served: Served) -> list[dict[str, float]]:
    """The breakdowns in the log."""
    lines = [json.loads(line) for line in served.log.read_text().splitlines() if line.startswith("{")]
    return [line["seconds_of"] for line in lines if line["message"] == "started"]


def worker_of(served: Served) -> int:
    """The process that gunicorn forked; 0 while there is none."""
    pid = served.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else 0


def classify_one(served: Served) -> None:
    picture = (BUNDLED / "samples" / "two_armed_spiral.jpg").read_bytes()
    assert served.request("POST", "/", {"Content-Type": "image/jpeg"}, picture).status == 200


def test_each_start_tells_its_phases_once(deployment: Deployment, model: bytes, tmp_path: Path) -> None:
    """One line a process, however many images; a worker in another's place counts its own time, not its server's."""
    deployment.register(model, alias="champion")
    with under_gunicorn("classify", texts(deployment.settings), tmp_path / "log") as served:
        served.wait_until_ready()
        classify_one(served)
        classify_one(served)
        served.wait_for(lambda: len(started(served)) == 1)
        (seconds,) = started(served)
        assert set(seconds) == PHASES
        assert all(value >= 0 for value in seconds.values())
        assert seconds["imports"] < seconds["first_result"]
        assert seconds["interpreter"] < seconds["model"] <= seconds["first_result"]
        figures = served.request("GET", "/metrics").body.decode()
        for phase in PHASES:
            assert f'cosmoformer_start_seconds{{phase="{phase}"}}' in figures

        time.sleep(1)
        worker = worker_of(served)
        os.kill(worker, signal.SIGKILL)
        served.wait_for(lambda: worker_of(served) not in (0, worker))
        served.wait_until_ready()
        classify_one(served)
        served.wait_for(lambda: len(started(served)) == 2)
        assert started(served)[1]["interpreter"] < seconds["first_result"]


def test_the_clock_counts_from_the_start_of_the_process() -> None:
    """A new process is seconds old, whatever the time of day; begun again it is as new."""
    program = (
        "import time; from functions.runtime.process_clock import ProcessClock; time.sleep(1.0)\n"
        "print(ProcessClock().age_s())"
    )
    began = time.monotonic()
    age = float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout)
    tick = 1 / os.sysconf("SC_CLK_TCK")  # the kernel dates processes no finer
    assert 1.0 - tick <= age <= time.monotonic() - began + 2 * tick
    clock = ProcessClock()
    clock.begin_again()
    assert clock.age_s() < 1.0
