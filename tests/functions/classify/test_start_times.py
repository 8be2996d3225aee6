"""Where the time of a cold start goes: told once, by a served function and by its metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from cosmoformer.models.bundled import BUNDLED
from tests.functions.classify.conftest import Deployment
from tests.functions.under_middleware import Served, as_deployed, texts

PHASES = {"interpreter", "imports", "alias", "download", "load", "warm_up", "model", "first_result"}


def started(served: Served) -> list[dict[str, float]]:
    """The breakdowns in the log."""
    lines = [json.loads(line) for line in served.log.read_text().splitlines() if line.startswith("{")]
    return [line["seconds_of"] for line in lines if line["message"] == "started"]


def classify_one(served: Served) -> None:
    picture = (BUNDLED / "samples" / "two_armed_spiral.jpg").read_bytes()
    assert served.request("POST", "/", {"Content-Type": "image/jpeg"}, picture).status == 200


def test_each_start_tells_its_phases_once(deployment: Deployment, model: bytes, tmp_path: Path) -> None:
    """One line a process, however many images."""
    deployment.register(model, alias="champion")
    with as_deployed("classify", texts(deployment.settings), tmp_path / "log") as served:
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


def test_the_clock_counts_from_the_start_of_the_process() -> None:
    """A new process is seconds old, whatever the time of day."""
    program = (
        "import time; from functions.runtime.process_clock import ProcessClock; time.sleep(1.0)\n"
        "print(ProcessClock().age_s())"
    )
    began = time.monotonic()
    age = float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout)
    tick = 1 / os.sysconf("SC_CLK_TCK")  # the kernel dates processes no finer
    assert 1.0 - tick <= age <= time.monotonic() - began + 2 * tick
