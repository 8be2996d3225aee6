"""The record of a run on disk: whole after every kind of end, and gone on with afterwards."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from cosmoformer.errors import PermanentError
from cosmoformer.runs.folder import ARTIFACTS, METRICS_FILE, RUN_FILE, MetricsLine, artifact_files, parse_line, read_run
from training.loop.record import RunRecord, environment_tags
from training.loop.system_metrics import SystemSampler, read_answer

ENDLESS = """
import sys
from pathlib import Path
from training.loop.record import RunRecord
record = RunRecord(Path(sys.argv[1]), "endless", {}, {})
step = record.step
while True:
    step += 1
    record.log(step, {"train/loss": 1 / step})
    if step == 50:
        print("50 steps", flush=True)
"""


def lines_of(folder: Path) -> list[MetricsLine]:
    """Every line of metrics.jsonl."""
    return [parse_line(line) for line in (folder / METRICS_FILE).read_bytes().splitlines()]


def test_a_record_holds_what_was_logged(tmp_path: Path) -> None:
    """run.json tells the run from start to end; each figure has its step and the time it was logged."""
    before = time.time_ns() // 1_000_000
    record = RunRecord(tmp_path / "run", "first", {"epochs": "2"}, {"task": "colour"})
    running = read_run(tmp_path / "run")
    assert (running.status, running.ended, running.run) == ("RUNNING", None, "first")
    assert (running.params, running.tags) == ({"epochs": "2"}, {"task": "colour"})
    record.log(0, {"train/loss": 2.0})
    record.log(3, {"train/loss": math.nan, "val/score": 0.5})
    record.finish("FINISHED")
    finished = read_run(tmp_path / "run")
    assert finished.status == "FINISHED" and finished.ended is not None and finished.ended >= finished.started
    assert finished.id == running.id
    first, second = lines_of(tmp_path / "run")
    assert (first.step, first.metrics, second.step, second.metrics["val/score"]) == (0, {"train/loss": 2.0}, 3, 0.5)
    assert math.isnan(second.metrics["train/loss"])
    assert before <= first.time <= second.time <= time.time_ns() // 1_000_000


def test_figures_are_readable_at_once(tmp_path: Path) -> None:
    """A line is on disk when log returns: a run that is killed the moment after has it."""
    record = RunRecord(tmp_path, "first", {}, {})
    record.log(1, {"train/loss": 2.0})
    assert [line.step for line in lines_of(tmp_path)] == [1]


def test_a_resumed_run_is_the_same_run(tmp_path: Path) -> None:
    """Id, name and start stay, parameters and tags are the new ones, and it is running again."""
    first = RunRecord(tmp_path, "first", {"epochs": "2"}, {"device": "cpu", "task": "colour"})
    first.log(5, {"train/loss": 2.0})
    first.finish("KILLED")
    second = RunRecord(tmp_path, "second", {"epochs": "3"}, {"device": "gpu"})
    assert (second.info.id, second.info.run, second.info.started) == (first.info.id, "first", first.info.started)
    assert (second.info.status, second.info.ended, second.step) == ("RUNNING", None, 5)
    assert (second.info.params, second.info.tags) == ({"epochs": "3"}, {"device": "gpu", "task": "colour"})
    second.log(6, {"train/loss": 1.0})
    assert [line.step for line in lines_of(tmp_path)] == [5, 6]


def test_steps_after_the_checkpoint_are_not_doubled(tmp_path: Path) -> None:
    """A run that goes on from step 2 writes step 3 anew; the old step 3 is gone."""
    record = RunRecord(tmp_path, "first", {}, {})
    for step in range(5):
        record.log(step, {"train/loss": float(step)})
    record.truncate_after(2)
    record.log(3, {"train/loss": 30.0})
    assert [(line.step, line.metrics["train/loss"]) for line in lines_of(tmp_path)] == [(0, 0), (1, 1), (2, 2), (3, 30)]


@pytest.mark.parametrize("tail", [b'{"step": 9, "ti', b"\0" * 40, b'{"step": 9}\n', b"\0\0\n" + b'{"step": 9'])
def test_what_a_crash_left_at_the_end_is_dropped(tmp_path: Path, tail: bytes) -> None:
    """Half a line, or what a power failure leaves, neither stops a resumption nor spoils the next line."""
    RunRecord(tmp_path, "first", {}, {}).log(1, {"train/loss": 2.0})
    with (tmp_path / METRICS_FILE).open("ab") as file:
        file.write(tail)
    record = RunRecord(tmp_path, "first", {}, {})
    record.log(2, {"train/loss": 1.0})
    assert [line.step for line in lines_of(tmp_path)] == [1, 2]


def test_a_killed_run_leaves_a_record_that_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing: every whole line can be read, and the steps follow on."""
    run = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "50 steps\n"
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert read_run(tmp_path).status == "RUNNING"
    record = RunRecord(tmp_path, "endless", {}, {})
    assert record.step >= 50
    record.log(record.step + 1, {"train/loss": 0.0})
    assert [line.step for line in lines_of(tmp_path)] == list(range(1, record.step + 1))


def test_two_runs_cannot_write_one_folder(tmp_path: Path) -> None:
    """The second says so before it has changed anything; when the first has ended, the folder is free."""
    first = RunRecord(tmp_path, "first", {}, {})
    before = (tmp_path / RUN_FILE).read_bytes()
    with pytest.raises(PermanentError, match="being written by another run"):
        RunRecord(tmp_path, "second", {}, {})
    assert (tmp_path / RUN_FILE).read_bytes() == before
    first.finish("FINISHED")
    RunRecord(tmp_path, "second", {}, {}).finish("FINISHED")


def test_a_step_that_goes_back_is_refused(tmp_path: Path) -> None:
    """Truncation relies on steps that never decrease."""
    record = RunRecord(tmp_path, "first", {}, {})
    record.log(4, {})
    with pytest.raises(ValueError, match="step 4 or later, got step 3"):
        record.log(3, {})


def test_artifacts_are_files_folders_or_bytes(tmp_path: Path) -> None:
    """Each keeps its name; one of the same name takes the place of the old."""
    source = tmp_path / "pictures"
    (source / "worst").mkdir(parents=True)
    (source / "curve.png").write_bytes(b"curve")
    (source / "worst" / "1.png").write_bytes(b"one")
    record = RunRecord(tmp_path / "run", "first", {}, {})
    record.artifact(source)
    record.artifact(source / "curve.png")
    record.artifact(("report.json", b"old"))
    record.artifact(("report.json", b"{}"))
    kept = {name: path.read_bytes() for name, path in artifact_files(tmp_path / "run")}
    pictures = {"pictures/curve.png": b"curve", "pictures/worst/1.png": b"one"}
    assert kept == pictures | {"curve.png": b"curve", "report.json": b"{}"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == {ARTIFACTS, METRICS_FILE, RUN_FILE}


@pytest.mark.parametrize("name", ["../run.json", "/etc/x", ""])
def test_an_artifact_stays_within_the_folder(tmp_path: Path, name: str) -> None:
    """No name leads out of artifacts/."""
    with pytest.raises(ValueError, match="below the run's artifacts"):
        RunRecord(tmp_path, "first", {}, {}).artifact((name, b"x"))


def test_environment_tags_name_versions_but_no_machine() -> None:
    """Code, Python, torch and device are told; host, user and folders are not."""
    tags = environment_tags(torch.device("cpu"))
    assert tags["torch_version"] == torch.__version__
    assert tags["device"].startswith("cpu") and int(tags["cpus"]) >= 1
    assert tags["code_version"] != "unknown"
    text = json.dumps(tags)
    assert os.uname().nodename not in text and str(Path.cwd()) not in text


def test_the_commit_is_told_in_a_checkout() -> None:
    """The commit is git's, and whether files differ from it is told."""
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("the tests are not in a git checkout")
    tags = environment_tags(torch.device("cpu"))
    assert tags["code_commit"] == done.stdout.strip() and tags["code_changed"] in ("true", "false")


def test_the_system_is_sampled_at_the_step_of_the_run(tmp_path: Path) -> None:
    """CPU and memory are logged beside the run's own figures until the block ends."""
    record = RunRecord(tmp_path, "first", {}, {})
    with SystemSampler(record, torch.device("cpu"), every_s=0.05):
        record.log(7, {"train/loss": 1.0})
        deadline = time.monotonic() + 20
        while len(lines_of(tmp_path)) < 3 and time.monotonic() < deadline:
            sum(range(100_000))
    samples = [line for line in lines_of(tmp_path) if "system/cpu_percent" in line.metrics and line.step == 7]
    assert samples
    assert max(line.metrics["system/cpu_percent"] for line in samples) > 1
    assert 20 < samples[-1].metrics["system/rss_mib"] < 100_000
    assert "system metrics" not in [thread.name for thread in threading.enumerate()]


def test_what_a_gpu_does_not_measure_is_left_out() -> None:
    """An answer of nvidia-smi is read by column."""
    assert read_answer("87, 40961, [N/A], 51\n") == {
        "system/gpu_utilisation_percent": 87.0,
        "system/gpu_device_memory_mib": 40961.0,
        "system/gpu_temperature_c": 51.0,
    }


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_is_sampled(tmp_path: Path) -> None:
    """Memory reserved by this process is logged, and the device's load where its driver tells."""
    kept = torch.zeros(1 << 26, device="cuda")
    record = RunRecord(tmp_path, "first", {}, {})
    with SystemSampler(record, torch.device("cuda", 0), every_s=0.1):
        time.sleep(2)
    figures = lines_of(tmp_path)[-1].metrics
    assert figures["system/gpu_memory_mib"] >= kept.nbytes / 2**20
    assert 0 <= figures["system/gpu_utilisation_percent"] <= 100
