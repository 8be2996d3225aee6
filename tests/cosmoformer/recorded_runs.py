"""Training runs recorded on disk, and what an MLflow server has of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cosmoformer.models.registry import Registry, served_path
from cosmoformer.runs.folder import METRICS_FILE, parse_line
from cosmoformer.runs.importing import RUN_TAG
from tests.cosmoformer.tiny_artifact import tiny_artifact
from training.loop.record import RunRecord

Point = tuple[int, int, float]  # step, milliseconds since 1970, value


def recorded(folder: Path, *, steps: int = 30) -> RunRecord:
    """A run of some steps, still under way, with figures, pictures and a report."""
    record = RunRecord(
        folder, "a run", {"epochs": "3", "recipe": "tiny"}, {"task": "colour", "data_version": "0123abcd"}
    )
    for step in range(1, steps + 1):
        record.log(step, {"train/loss": 1 / step, "train/learning_rate": 1e-3})
        if step % 10 == 0:
            record.log(step, {"val/score": step / 100, "system/cpu_percent": 50.0})
    record.artifact(("pictures/confusion.png", b"\x89PNG" + bytes(range(256)) * 40))
    record.artifact(("pictures/worst/1.png", b"\x89PNG1"))
    record.artifact(("checkpoint.pt", bytes(range(255)) * 9000))
    return record


def with_model(record: RunRecord, *, run: str = "tiny", **tags: str) -> bytes:
    """Add what registering asks for; gives the artifact."""
    artifact = tiny_artifact(run=run)
    record.artifact(("model.pt", artifact))
    record.artifact(("report.json", json.dumps({"metrics": {"test/accuracy": 0.75}, "tags": tags}).encode()))
    record.artifact(("card.md", b"# A model of colours"))
    return artifact


def points_on_disk(folder: Path) -> dict[str, list[Point]]:
    """Every value in metrics.jsonl by metric, in order."""
    points: dict[str, list[Point]] = {}
    for line in map(parse_line, (folder / METRICS_FILE).read_bytes().splitlines()):
        for name, value in line.metrics.items():
            points.setdefault(name, []).append((line.step, line.time, value))
    return {name: sorted(values) for name, values in points.items()}


def points_in_mlflow(registry: Registry, run_id: str) -> dict[str, list[Point]]:
    """Every value that MLflow has of a run, by metric, in order."""
    names = [metric["key"] for metric in run_in_mlflow(registry, run_id)["data"].get("metrics", [])]
    return {name: _history(registry, run_id, name) for name in names}


def _history(registry: Registry, run_id: str, name: str) -> list[Point]:
    answer = registry.get("metrics/get-history", run_id=run_id, metric_key=name)
    return sorted((int(one.get("step", 0)), int(one["timestamp"]), float(one["value"])) for one in answer["metrics"])


def run_in_mlflow(registry: Registry, run_id: str) -> dict[str, Any]:
    """A run as MLflow has it."""
    run: dict[str, Any] = registry.get("runs/get", run_id=run_id)["run"]
    return run


def runs_of(registry: Registry, record_id: str) -> list[str]:
    """MLflow's ids of all runs that were made of a record."""
    found = registry.get("experiments/get-by-name", experiment_name=registry.settings.model_name)["experiment"]
    answer = registry.post(
        "runs/search", experiment_ids=[found["experiment_id"]], filter=f"tags.`{RUN_TAG}` = '{record_id}'"
    )
    return [run["info"]["run_id"] for run in answer.get("runs", [])]


def artifacts_in_mlflow(registry: Registry, run_id: str, paths: list[str]) -> dict[str, bytes]:
    """Content by path of a run's artifacts."""
    root = served_path(run_in_mlflow(registry, run_id)["info"]["artifact_uri"])
    return {path: registry.fetch(f"{root}/{path}") for path in paths}
